"""Egress by tenant, host and path: bytes, money and what the cache saved. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.state import span_text
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import EXACT, ZERO, exact_sum, money_text, to_cents

if TYPE_CHECKING:
    from finops.core.periods import Window
    from ingestion.egress_selectors import Egress, PathEgress

_GB = 10**9
_UNPRICED = "its origin has no price"
_ORIGINS = {"aws": "AWS", "r2": "R2, egress is free", "other": "elsewhere"}


def sentence(found: Egress, tenants: Mapping[str, str], span: str) -> str:
    """What egress costs, and who causes most of it; what has no price is counted."""
    if not found.rows:
        return f"No log of the edge is loaded for {span}."
    costs = _by_currency(found.rows)
    priced = [row for row in found.rows if row.is_priced]
    size = _gb(exact_sum(row.origin_bytes for row in priced))
    price = " and ".join(money_text(amount, currency) for currency, amount in costs.items())
    text = f"{numbers.grouped(size)} GB left the origins in {span} and cost {price or 'nothing'}"
    by_tenant: dict[str, Decimal] = defaultdict(Decimal)
    for row in found.rows:
        by_tenant[tenants.get(row.host, "")] += sum(row.costs.values(), ZERO)
    dearest = max(by_tenant, key=lambda name: (by_tenant[name], name))
    if len(costs) == 1 and by_tenant[dearest]:
        share = numbers.share_of(by_tenant[dearest], sum(by_tenant.values(), ZERO))
        who = dearest or "hosts of nobody"
        text += f"; {who} caused {numbers.percent(share or ZERO)} of it"
    without = [row for row in found.rows if not row.is_priced]
    if without:
        more = _gb(exact_sum(row.origin_bytes for row in without))
        hosts = numbers.counted(len({row.host for row in without}), "host")
        text += f"; {numbers.grouped(more)} GB of {hosts} have no price and are not in it"
    return f"{text}."


def logged_words(found: Egress, window: Window) -> str:
    """Which days of the window the figures stand for, where logs do not reach over all of it."""
    if found.logged is None or found.logged == window:
        return ""
    return (
        f"Logs tell of {span_text(found.logged)}; of the other days of this period none is loaded."
    )


def sampled_words(found: Egress) -> str:
    """That quantities are scaled from a sample, where they are."""
    return (
        "The log is a sample of the requests: quantities are scaled."
        if any(row.is_sampled for row in found.rows)
        else ""
    )


def egress_table(found: Egress, tenants: Mapping[str, str], currency: str) -> Table:
    """One row a host and path; ``tenants`` names whose a host is. Sizes are in GB of 10^9 bytes."""
    columns = (
        Column("tenant", "Tenant"),
        Column("host", "Host"),
        Column("path", "Path"),
        Column("cost", "Cost", Kind.MONEY, currency, title="Of both ways, at the month's average"),
        Column("origin", "From origin", Kind.NUMBER, "GB"),
        Column("edge", "To eyeballs", Kind.NUMBER, "GB"),
        Column("kind", "Origin", title="Where the host's files lie, as an admin said"),
        Column("hit", "Cache hit", Kind.PERCENT, title="Of the requests that the cache saw"),
    )
    rows = [_row(row, tenants.get(row.host, ""), currency) for row in found.rows]
    return Table(
        "egress",
        "Egress by tenant, host and path",
        columns,
        rows,
        totals=_totals(found.rows, currency) if rows else (),
        empty="No log of the edge is loaded for these days.",
    )


def _row(row: PathEgress, tenant: str, currency: str) -> Row:
    return Row(
        (
            Cell(tenant or None, reason="no tenant is known for this host"),
            Cell(row.host or None, reason="the log names no host"),
            Cell(row.path or None, reason="the log names no path"),
            _cost(row, currency),
            Cell(_gb(row.origin_bytes)),
            Cell(_gb(row.edge_bytes)),
            _origin(row),
            Cell(reason="the cache saw no request") if row.hit is None else Cell(row.hit),
        )
    )


def _origin(row: PathEgress) -> Cell:
    if row.origin is None:
        return Cell(reason="nobody said where this host's files lie")
    return Cell(_ORIGINS[row.origin.value])


def _cost(row: PathEgress, currency: str) -> Cell:
    if not row.is_priced:
        return Cell(reason=_UNPRICED)
    others = [
        money_text(amount, name) for name, amount in sorted(row.costs.items()) if name != currency
    ]
    return Cell(to_cents(row.costs.get(currency, ZERO)), note=" and ".join(others))


def _totals(rows: Sequence[PathEgress], currency: str) -> tuple[Row, ...]:
    """The exact total, rounded once; what rounding the rows leaves has a row of its own."""
    total = to_cents(_by_currency(rows).get(currency, ZERO))
    shown = exact_sum(to_cents(row.costs.get(currency, ZERO)) for row in rows if row.is_priced)
    left = EXACT.subtract(total, shown)
    found = []
    if left:
        blank = [Cell("")] * 2
        cells = (Cell("Rounding"), *blank, Cell(left, tone="quiet"), *blank, *blank)
        found.append(Row(cells, "rounding"))
    found.append(
        Row(
            (
                Cell("Total"),
                Cell(""),
                Cell(""),
                Cell(total),
                Cell(_gb(exact_sum(row.origin_bytes for row in rows))),
                Cell(_gb(exact_sum(row.edge_bytes for row in rows))),
                Cell(""),
                Cell(""),
            ),
            "total",
        )
    )
    return tuple(found)


def _by_currency(rows: Sequence[PathEgress]) -> dict[str, Decimal]:
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        for currency, amount in row.costs.items():
            costs[currency] = EXACT.add(costs[currency], amount)
    return dict(sorted(costs.items()))


def _gb(size: Decimal) -> Decimal:
    return numbers.round_places(size / _GB, 3)
