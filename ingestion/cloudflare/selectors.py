"""Reads over usage that APIs told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db.models import Max, OuterRef, Subquery

from finops.core.periods import Window
from ingestion.cloudflare_models import UsageCheck, UsageHour, WorkerDeployment
from ingestion.core.r2 import R2_METRICS
from ingestion.core.usage import UsageFact
from ingestion.core.worker_cpu import Marker
from ingestion.models import Source

_WORKER_METRICS = ("worker_requests", "worker_cpu_us", "worker_cpu_us_p50", "worker_cpu_us_p99")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def newest_checks() -> list[UsageCheck]:
    """The newest look through each connection, by its name."""
    newest = UsageCheck.objects.order_by().values("connection").annotate(newest=Max("id"))
    return list(
        UsageCheck.objects.filter(pk__in=newest.values("newest"))
        .select_related("connection", "source")
        .order_by("connection__slug")
    )


def usage_facts(window: Window, metrics: tuple[str, ...]) -> list[UsageFact]:
    """The stored facts of ``metrics`` within ``window``, by hour."""
    rows = UsageHour.objects.filter(
        metric__in=metrics, hour__gte=_midnight(window.start), hour__lt=_midnight(window.end)
    )
    names = (
        "hour",
        "metric",
        "quantity",
        "account",
        "zone",
        "host",
        "cache_status",
        "script",
        "bucket",
        "storage_class",
        "is_sampled",
    )
    return [UsageFact(**row) for row in rows.values(*names)]


def worker_facts(window: Window) -> list[UsageFact]:
    """Requests, CPU time and its quantiles of every Worker within ``window``."""
    return usage_facts(window, _WORKER_METRICS)


def r2_facts(window: Window) -> list[UsageFact]:
    """Operations on R2 and what was stored in it within ``window``."""
    return usage_facts(window, R2_METRICS)


def deployments(window: Window) -> list[Marker]:
    """The deployments of Workers within ``window``, the oldest first."""
    rows = WorkerDeployment.objects.filter(
        created_at__gte=_midnight(window.start), created_at__lt=_midnight(window.end)
    ).order_by("created_at")
    return [Marker(row.script, row.created_at, row.message) for row in rows]


@dataclass(frozen=True)
class AskedSpan:
    """What a source that is asked has told: its first day, up to when it was read whole, days with anything."""

    first_day: date | None
    read_through: datetime | None
    days: frozenset[date]


def asked_spans(window: Window) -> dict[int, AskedSpan]:
    """The span of every source that is asked, by source; ``days`` are those within ``window``. Two queries."""
    hours: dict[int, set[date]] = {}
    rows = UsageHour.objects.filter(
        hour__gte=_midnight(window.start), hour__lt=_midnight(window.end)
    ).order_by()
    for source, hour in rows.values_list("source_id", "hour").distinct():
        hours.setdefault(source, set()).add(hour.astimezone(UTC).date())
    # One seek in an index for each source: grouping would read every hour that was ever told.
    first = UsageHour.objects.filter(source=OuterRef("pk")).order_by("hour").values("hour")[:1]
    whole = UsageCheck.objects.filter(source=OuterRef("pk"), data_through__isnull=False)
    sources = Source.objects.filter(usage_checks__isnull=False).order_by().distinct()
    told = sources.annotate(
        first_hour=Subquery(first),
        through=Subquery(whole.order_by("-data_through").values("data_through")[:1]),
    ).values_list("pk", "first_hour", "through")
    return {
        source: AskedSpan(
            first_hour.astimezone(UTC).date() if first_hour else None,
            through,
            frozenset(hours.get(source, ())),
        )
        for source, first_hour, through in told
    }
