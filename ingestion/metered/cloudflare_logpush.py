"""Logs at the edge: what left an origin in AWS or R2, and what was sent to eyeballs.

By host, because no allocation looks at paths: that keeps the rows of an hour below the log's own bound of hosts.
Workers are counted by Cloudflare's usage API (``cloudflare_usage``), never here as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db.models import Sum
from django.db.models.functions import TruncMonth

from finops.core.dialect import literal
from finops.engine import connect
from ingestion import log_selectors, usage_lake
from ingestion.core.egress import OriginKind
from ingestion.core.metered import MeteredHour, MeteredSpan, reach_in
from ingestion.core.origins import HostPatterns
from ingestion.models import Source
from ingestion.origins import Place, origin_places
from ingestion.registry import UsageSource, sources
from ingestion.usage_models import LogDay, UsageFile

_METERS = {OriginKind.AWS: "egress_bytes", OriginKind.R2: "r2_egress_bytes"}


class LogpushMeters:
    """Bytes of every log, each up to its own watermark."""

    id = "cloudflare_logpush"
    meters = ("egress_bytes", "r2_egress_bytes", "edge_bytes")

    def read(self, start: datetime, end: datetime) -> MeteredSpan:
        """Bytes by hour and host; bytes of an origin that nobody described are under no meter."""
        ends: dict[int, datetime] = {}
        logs = _logs()
        for source in logs:
            through = log_selectors.complete_through(source)
            if through is not None:
                ends[source.pk] = through
        return MeteredSpan(self._hours(logs, ends, start, end), max(ends.values(), default=None))

    @staticmethod
    def marks() -> dict[date, str]:
        """What was counted of each log's month, and up to when the log is whole: a line is never taken back."""
        counted: dict[date, list[object]] = defaultdict(list)
        through = {source.pk: log_selectors.complete_through(source) for source in _logs()}
        rows = LogDay.objects.filter(source__in=list(through), lines__gt=0).order_by()
        for month, source, lines in (
            rows.values_list(TruncMonth("day"), "source")
            .annotate(lines=Sum("lines"))
            .order_by("source")
        ):
            counted[month].append((source, lines, reach_in(month, through[source])))
        return {month: repr(parts) for month, parts in counted.items()}

    def _hours(
        self, logs: list[Source], ends: dict[int, datetime], start: datetime, end: datetime
    ) -> Iterator[MeteredHour]:
        places = origin_places()
        for source in logs:
            until = min(end, ends.get(source.pk, start))
            if until > start:
                for row in _bytes(source, start, until):
                    hour = _metered(row, places)
                    if hour is not None:
                        yield hour


def _logs() -> list[Source]:
    kinds = [kind for kind, reader in sources().items() if isinstance(reader, UsageSource)]
    return list(Source.objects.filter(kind__in=kinds).order_by("slug"))


_Row = tuple[datetime, str, str, Decimal, bool]
"""Hour, metric, host, quantity, whether it is sampled."""


def _bytes(source: Source, start: datetime, end: datetime) -> list[_Row]:
    files = usage_lake.files(UsageFile.Kind.FACTS, sources=[source], first=start, last=end)
    if not files:
        return []
    listed = ", ".join(map(literal, files.paths))
    window = (f"TIMESTAMP {literal(f'{moment:%Y-%m-%d %H:%M:%S}')}" for moment in (start, end))
    with connect(threads=1) as engine:
        return engine.execute(
            f"""
            SELECT hour, metric, host, CAST(sum(quantity) AS DECIMAL(38,18)), bool_or(is_sampled)
            FROM read_parquet([{listed}], hive_partitioning=false)
            WHERE metric IN ('origin_bytes', 'edge_bytes') AND hour >= {next(window)} AND hour < {next(window)}
            GROUP BY ALL ORDER BY ALL
            """
        ).fetchall()


def _metered(row: _Row, places: HostPatterns[Place]) -> MeteredHour | None:
    hour, metric, host, quantity, is_sampled = row
    meter, place = "edge_bytes", Place(OriginKind.OTHER)
    if metric == "origin_bytes":
        place = places.find(host) or place
        if place.kind not in _METERS:
            return None
        meter = _METERS[place.kind]
    return MeteredHour(
        hour=hour.replace(tzinfo=UTC),
        meter=meter,
        quantity=quantity,
        account=place.account,
        region_id=place.region_id,
        resource_id=host,
        tags={"host": host} if host else {},
        is_sampled=is_sampled,
    )


METERED = LogpushMeters()
