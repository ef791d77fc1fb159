"""Egress in money: what left each origin and the edge in a window, by host and path, and what it costs.

All of it, billed already or not: at the average rate of its month, as the last estimate has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from finops.core.amounts import EXACT, ZERO
from finops.core.dialect import literal
from finops.core.periods import Window
from finops.engine import connect
from ingestion import usage_lake
from ingestion.core.cache_status import cache_ratios
from ingestion.core.egress import (
    EgressLine,
    Origin,
    OriginKind,
    Rate,
    UnpricedEgress,
    egress_costs,
)
from ingestion.core.usage import UsageFact
from ingestion.estimate_selectors import last_estimate
from ingestion.origins import origin_places
from ingestion.prices import edge_price_at
from ingestion.usage_models import UsageFile

_METRICS = ("origin_bytes", "edge_bytes", "cache_requests")


@dataclass(frozen=True)
class PathEgress:
    """One host and path prefix: bytes from the origin and to eyeballs, what both cost, and the hit ratio.

    ``costs`` is by currency; empty together with ``is_priced`` false where the origin's bytes have no price.
    ``origin`` is where the host's files lie, ``None`` where nobody said so.
    """

    host: str
    path: str
    origin_bytes: Decimal
    edge_bytes: Decimal
    costs: dict[str, Decimal]
    is_priced: bool
    hit: Decimal | None
    is_sampled: bool
    origin: OriginKind | None


@dataclass(frozen=True)
class Egress:
    """A window's egress, the most bytes from origins first, and sentences on what has no price.

    ``logged`` is from the first to the last UTC day of the window that a log tells of; ``None`` without any.
    """

    rows: tuple[PathEgress, ...]
    unpriced: tuple[str, ...]
    logged: Window | None = None


def egress(window: Window, *, most_paths: int) -> Egress:
    """By host and path; of a window with more than ``most_paths`` the rest of each host is its path "other"."""
    found = _facts(window, most_paths)
    lines: list[EgressLine] = []
    unpriced: list[UnpricedEgress] = []
    for month in sorted({row[0] for row in found}):
        facts = [_fact(row) for row in found if row[0] == month and row[1] != "cache_requests"]
        priced, unknown = egress_costs(
            facts, origins=_origins({fact.host for fact in facts}, month), edge_rate=_edge(month)
        )
        lines += priced
        unpriced += unknown
    days = [day for row in found for day in row[-2:]]
    logged = Window(min(days), max(days) + timedelta(days=1)) if days else None
    return Egress(_rows(found, lines, unpriced), _sentences(unpriced), logged)


def _facts(window: Window, most_paths: int) -> list[tuple[Any, ...]]:
    """Month, metric, host, path, cache status (of requests), quantity, whether sampled, first and last day."""
    start, end = (datetime.combine(day, time(), UTC) for day in (window.start, window.end))
    files = usage_lake.files(UsageFile.Kind.FACTS, first=start, last=end)
    if not files:
        return []
    listed = ", ".join(map(literal, files.paths))
    with connect() as engine:
        return engine.execute(
            f"""
            WITH facts AS (
                SELECT CAST(date_trunc('month', hour) AS DATE) AS month, metric, host, path_prefix,
                       CASE WHEN metric = 'cache_requests' THEN cache_status ELSE '' END AS status,
                       CAST(sum(quantity) AS DECIMAL(38,18)) AS quantity, bool_or(is_sampled) AS is_sampled,
                       CAST(min(hour) AS DATE) AS first_day, CAST(max(hour) AS DATE) AS last_day
                FROM read_parquet([{listed}], hive_partitioning=false)
                WHERE metric IN ({", ".join(map(literal, _METRICS))})
                      AND hour >= TIMESTAMP {literal(f"{start:%Y-%m-%d}")}
                      AND hour < TIMESTAMP {literal(f"{end:%Y-%m-%d}")}
                GROUP BY ALL
            ), places AS (
                SELECT host, path_prefix, row_number() OVER (ORDER BY
                    sum(CASE WHEN metric = 'origin_bytes' THEN quantity ELSE 0 END) DESC,
                    sum(CASE WHEN metric = 'edge_bytes' THEN quantity ELSE 0 END) DESC,
                    host, path_prefix) AS place
                FROM facts GROUP BY host, path_prefix
            )
            SELECT month, metric, host,
                   CASE WHEN place <= {int(most_paths)} THEN path_prefix ELSE 'other' END AS path, status,
                   CAST(sum(quantity) AS DECIMAL(38,18)), bool_or(is_sampled), min(first_day), max(last_day)
            FROM facts JOIN places USING (host, path_prefix)
            GROUP BY ALL ORDER BY ALL
            """
        ).fetchall()


def _fact(row: tuple[Any, ...]) -> UsageFact:
    month, metric, host, path, _, quantity, is_sampled, *_days = row
    moment = datetime.combine(month, time(), UTC)
    return UsageFact(moment, metric, quantity, host=host, path_prefix=path, is_sampled=is_sampled)


def _origins(hosts: Iterable[str], month: date) -> dict[str, Origin]:
    places, rates = origin_places(), _rates(month)
    found: dict[str, Origin] = {}
    for host in hosts:
        place = places.find(host)
        if place is not None:
            rate = rates.get(("egress_bytes", place.account))
            found[host] = Origin(place.kind, rate if place.kind is OriginKind.AWS else None)
    return found


def _rates(month: date) -> dict[tuple[str, str], Rate]:
    run = last_estimate()
    if run is None:
        return {}
    return {
        (meter, account): Rate(Fraction(int(above), int(below)), currency)
        for meter, account, of_month, above, below, currency, *_ in run.rates
        if of_month == f"{month:%Y-%m}"
    }


def _edge(month: date) -> Rate:
    price = edge_price_at("", month)
    known = _rates(month).get(("edge_bytes", ""))
    return known or Rate(Fraction(price.unit_price) / price.unit_size, price.currency)


def _rows(
    found: list[tuple[Any, ...]], lines: list[EgressLine], unpriced: list[UnpricedEgress]
) -> tuple[PathEgress, ...]:
    sums: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    statuses: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    sampled: set[tuple[str, str]] = set()
    for _, metric, host, path, status, quantity, is_sampled, *_days in found:
        into = statuses if metric == "cache_requests" else sums
        name = status if metric == "cache_requests" else metric
        into[host, path][name] = EXACT.add(into[host, path][name], quantity)
        if is_sampled:
            sampled.add((host, path))
    costs: dict[tuple[str, ...], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for line in lines:
        if line.cost:
            of_key = costs[line.key]
            of_key[line.currency] = EXACT.add(of_key[line.currency], line.cost)
    without = {one.key for one in unpriced}
    places = origin_places()
    kinds = {host: place.kind if (place := places.find(host)) else None for host, _ in sums}
    rows = [
        PathEgress(
            host=key[0],
            path=key[1],
            origin_bytes=sums[key].get("origin_bytes", ZERO),
            edge_bytes=sums[key].get("edge_bytes", ZERO),
            costs=dict(costs.get(key, {})),
            is_priced=key not in without,
            hit=cache_ratios(statuses[key]).hit,
            is_sampled=key in sampled,
            origin=kinds.get(key[0]),
        )
        for key in sorted({*sums, *statuses})
    ]
    return tuple(sorted(rows, key=lambda row: (-row.origin_bytes, -row.edge_bytes)))


def _sentences(unpriced: list[UnpricedEgress]) -> tuple[str, ...]:
    by_host: dict[str, Decimal] = defaultdict(Decimal)
    for one in unpriced:
        by_host[one.host] = EXACT.add(by_host[one.host], one.quantity)
    return tuple(
        f"{quantity / 10**9:,.1f} GB left the origin of {host}, which has no price: an admin says where it is "
        "under “Origins of hosts” in the admin, and what it costs in the price list."
        for host, quantity in sorted(by_host.items())
    )
