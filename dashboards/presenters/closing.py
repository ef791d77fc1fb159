"""What pages say of closed months: who closed them, and what became known since. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.state import Link
from dashboards.tables import Cell, Column, Kind, Row, RowKind, Table
from finops.core.amounts import EXACT, exact_sum, foot

if TYPE_CHECKING:
    from allocation.changes import Booked, Change
    from allocation.close_models import PriorPeriodAdjustment, RevenueAdjustment
    from allocation.close_selectors import AdjustmentSum
    from allocation.core.figures import Metric, Slice

_MOST_NOTES = 3
_STANDS = "the amount stands already, what changed is its rate"
_NO_RATE = "no rate is known, so it is in no figure yet"


@dataclass(frozen=True)
class Closing:
    """The switch between restated and reported figures, and what is to be known of closed months."""

    offered: bool
    notes: tuple[str, ...]
    links: tuple[Link, ...]


def closing_notes(
    changes: Sequence[Change], booked: Sequence[Booked], slice_: Slice
) -> tuple[str, ...]:
    """One sentence for each closed month of the page, the newest first, and for each month that bears earlier ones."""
    notes = [_closed(change, slice_) for change in reversed(changes)]
    if len(notes) > _MOST_NOTES:
        more = numbers.counted(len(notes) - _MOST_NOTES, "earlier month is", "earlier months are")
        notes = [*notes[:_MOST_NOTES], f"{more} closed, too."]
    return (*notes, *(_bears(one, slice_.currency) for one in booked))


def closed_marks(changes: Sequence[Change]) -> dict[str, str]:
    """Month as ``YYYY-MM`` → the mark in the head of its column."""
    return {
        f"{one.close.month:%Y-%m}": f"closed {one.close.closed_at.day} {one.close.closed_at:%b}"
        for one in changes
    }


def _closed(change: Change, slice_: Slice) -> str:
    close, currency = change.close, slice_.currency
    said = (
        f"{_month(close.month)} was closed on {close.closed_at.day} {close.closed_at:%b %Y} "
        f"by {close.closed_by}"
    )
    if not change.is_any:
        return f"{said}; nothing has changed since."
    parts = []
    if change.cost:
        parts.append(
            f"cost as reported {numbers.money(change.reported_cost)} {currency}, "
            f"since changed by {numbers.money(change.cost, plus=True)}"
        )
    if change.revenue:
        parts.append(
            f"revenue as reported {numbers.money(change.reported_revenue)} {currency}, "
            f"since changed by {numbers.money(change.revenue, plus=True)}"
        )
    return f"{said}; {'; '.join(parts)}."


def _bears(booked: Booked, currency: str) -> str:
    of = numbers.listed([_month(month) for month in booked.months])
    parts = []
    if booked.cost:
        parts.append(f"cost {numbers.money(booked.cost, plus=True)} {currency}")
    if booked.revenue:
        parts.append(f"revenue {numbers.money(booked.revenue, plus=True)} {currency}")
    amounts = " and ".join(parts) or "amounts that cancel out"
    return f"{_month(booked.booked_month)} bears prior-period adjustments of {of}: {amounts}."


def _month(month: date) -> str:
    return f"{month:%B %Y}"


def revenue_table(rows: Sequence[RevenueAdjustment]) -> Table:
    """One row per adjustment of revenue, newest first, exact."""
    foreign = any(row.currency != row.quote for row in rows)
    columns = (
        Column("tenant", "Tenant"),
        *(_worth_columns(rows) if foreign else ()),
        Column("amount", "Revenue", Kind.EXACT),
        Column("currency", "Currency"),
        Column("of", "Revenue of"),
        Column("in", "Booked in"),
        Column("made", "Booked (UTC)", Kind.TIME),
        Column("why", "Why"),
    )
    lines = [
        Row(
            (
                Cell(row.tenant.name),
                *(_worth(worth_of(row.amount, row), row) if foreign else ()),
                Cell(row.amount, plus=True),
                Cell(row.currency),
                Cell(f"{row.service_month:%Y-%m}"),
                Cell(f"{row.booked_month:%Y-%m}"),
                Cell(row.made_at),
                Cell(row.why),
            )
        )
        for row in rows
    ]
    caption = "Prior-period adjustments of revenue"
    empty = "Nothing has become known of its revenue since the close."
    return Table("revenue-adjustments", caption, columns, lines, empty=empty)


def adjustments_table(
    rows: Sequence[PriorPeriodAdjustment],
    *,
    metric: Metric,
    empty: str,
    with_tenant: bool = False,
    sums: Sequence[AdjustmentSum] = (),
) -> Table:
    """One row per adjustment of cost, newest first; the totals foot, by currency and in what they are worth.

    Amounts are exact, what they are worth is in cents. An exchange difference has no amount: what it is about stands
    already. ``sums`` are those of all adjustments where ``rows`` are the newest of them: the older ones are a row.
    """
    foreign = any(row.billing_currency != row.quote for row in rows)
    columns = [
        *([Column("tenant", "Tenant")] if with_tenant else []),
        *(_worth_columns(rows) if foreign else ()),
        Column("amount", f"{metric.capitalize()} cost", Kind.EXACT),
        Column("currency", "Currency"),
        Column("what", "Of what"),
        Column("of", "Cost of"),
        Column("in", "Booked in"),
        Column("made", "Booked (UTC)", Kind.TIME),
        Column("why", "Why"),
    ]

    def amount(row: PriorPeriodAdjustment) -> Decimal:
        cost: Decimal = row.billed_cost if metric == "billed" else row.effective_cost
        return cost

    def line(row: PriorPeriodAdjustment, worth: Decimal) -> Row:
        owner = row.tenant.name if row.tenant else "Unallocated"
        held = Cell(reason=_STANDS) if row.is_exchange else Cell(amount(row), plus=True)
        kind = "exchange difference" if row.is_exchange else row.charge_category
        return Row(
            (
                *([Cell(owner)] if with_tenant else []),
                *(_worth(worth, row) if foreign else ()),
                held,
                Cell(row.billing_currency),
                Cell(f"{row.service_provider_name}, {row.service_category}, {kind}"),
                Cell(f"{row.cost_month:%Y-%m}"),
                Cell(f"{row.booked_month:%Y-%m}"),
                Cell(row.made_at),
                Cell(row.why),
            )
        )

    def summed(label: str, kind: RowKind, currency: str, held: Decimal, worth: Decimal) -> Row:
        first = Cell(label)
        return Row(
            (
                *([first] if with_tenant else []),
                *((Cell(worth, plus=True), Cell("")) if foreign else ()),
                Cell(held, plus=True),
                Cell(currency),
                *([Cell("")] if with_tenant else [first]),
                *(Cell("") for _ in range(4)),
            ),
            kind,
        )

    worths: dict[int, Decimal] = {}
    older, totals = [], []
    known = {one.currency: one for one in sums}
    for currency in sorted({*known, *(row.billing_currency for row in rows)}):
        mine = [row for row in rows if row.billing_currency == currency]
        held = exact_sum(amount(row) for row in mine if not row.is_exchange)
        exact = [worth_of(amount(row), row) for row in mine]
        every = known.get(currency)
        rest = every is not None and every.rows > len(mine)
        if every is not None and rest:
            exact.append(EXACT.subtract(every.worth, exact_sum(exact)))
        cents = foot(exact)
        worths |= {row.pk: worth for row, worth in zip(mine, cents, strict=False)}
        if every is not None and rest:
            label = numbers.counted(every.rows - len(mine), "older one")
            left = EXACT.subtract(every.amount, held)
            older.append(summed(label, "line", currency, left, cents[-1]))
            held = every.amount
        totals.append(summed("Total", "total", currency, held, exact_sum(cents)))
    caption = "Prior-period adjustments of cost"
    lines = [*(line(row, worths[row.pk]) for row in rows), *older]
    return Table("adjustments", caption, columns, lines, totals, empty)


def worth_of(amount: Decimal, row: PriorPeriodAdjustment | RevenueAdjustment) -> Decimal:
    """What an adjustment's ``amount`` adds to the figures, in its ``quote``; zero while no rate is known."""
    return EXACT.multiply(amount, Decimal(row.rate))


def _worth_columns(
    rows: Sequence[PriorPeriodAdjustment | RevenueAdjustment],
) -> tuple[Column, Column]:
    unit = ", ".join(sorted({row.quote for row in rows}))
    return Column("worth", "In the figures", Kind.MONEY, unit), Column("rate", "Rate", Kind.EXACT)


def _worth(worth: Decimal, row: PriorPeriodAdjustment | RevenueAdjustment) -> tuple[Cell, Cell]:
    rate = Decimal(row.rate)
    if not rate:
        return Cell(reason=_NO_RATE), Cell(reason=_NO_RATE)
    return Cell(worth, plus=True), Cell(rate)
