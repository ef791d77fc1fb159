"""What pages say of closed months: who closed them, and what became known since. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.state import Link
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import EXACT, exact_sum

if TYPE_CHECKING:
    from allocation.changes import Booked, Change
    from allocation.close_models import PriorPeriodAdjustment, RevenueAdjustment
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
        Column("amount", "Revenue", Kind.EXACT),
        Column("currency", "Currency"),
        *(_worth_columns(rows) if foreign else ()),
        Column("of", "Revenue of"),
        Column("in", "Booked in"),
        Column("made", "Booked (UTC)", Kind.TIME),
        Column("why", "Why"),
    )
    lines = [
        Row(
            (
                Cell(row.tenant.name),
                Cell(row.amount, plus=True),
                Cell(row.currency),
                *(_worth(row.amount, row) if foreign else ()),
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
    rows: Sequence[PriorPeriodAdjustment], *, metric: Metric, empty: str, with_tenant: bool = False
) -> Table:
    """One row per adjustment of cost, newest first, exact; the totals foot, by currency and in what they are worth.

    An exchange difference has no amount: what it is about stands already.
    """
    foreign = any(row.billing_currency != row.quote for row in rows)
    columns = [
        *([Column("tenant", "Tenant")] if with_tenant else []),
        Column("what", "Of what"),
        Column("amount", f"{metric.capitalize()} cost", Kind.EXACT),
        Column("currency", "Currency"),
        *(_worth_columns(rows) if foreign else ()),
        Column("of", "Cost of"),
        Column("in", "Booked in"),
        Column("made", "Booked (UTC)", Kind.TIME),
        Column("why", "Why"),
    ]

    def amount(row: PriorPeriodAdjustment) -> Decimal:
        cost: Decimal = row.billed_cost if metric == "billed" else row.effective_cost
        return cost

    def line(row: PriorPeriodAdjustment) -> Row:
        owner = row.tenant.name if row.tenant else "Unallocated"
        held = Cell(reason=_STANDS) if row.is_exchange else Cell(amount(row), plus=True)
        kind = "exchange difference" if row.is_exchange else row.charge_category
        return Row(
            (
                *([Cell(owner)] if with_tenant else []),
                Cell(f"{row.service_provider_name}, {row.service_category}, {kind}"),
                held,
                Cell(row.billing_currency),
                *(_worth(amount(row), row) if foreign else ()),
                Cell(f"{row.cost_month:%Y-%m}"),
                Cell(f"{row.booked_month:%Y-%m}"),
                Cell(row.made_at),
                Cell(row.why),
            )
        )

    def total(currency: str) -> Row:
        mine = [row for row in rows if row.billing_currency == currency]
        held = exact_sum(amount(row) for row in mine if not row.is_exchange)
        worth = exact_sum(worth_of(amount(row), row) for row in mine)
        return Row(
            (
                Cell("Total"),
                *([Cell("")] if with_tenant else []),
                Cell(held, plus=True),
                Cell(currency),
                *((Cell(worth, plus=True), Cell("")) if foreign else ()),
                *(Cell("") for _ in range(4)),
            ),
            "total",
        )

    totals = [total(currency) for currency in sorted({row.billing_currency for row in rows})]
    caption = "Prior-period adjustments of cost"
    return Table("adjustments", caption, columns, [line(row) for row in rows], totals, empty)


def worth_of(amount: Decimal, row: PriorPeriodAdjustment | RevenueAdjustment) -> Decimal:
    """What an adjustment's ``amount`` adds to the figures, in its ``quote``; zero while no rate is known."""
    return EXACT.multiply(amount, Decimal(row.rate))


def _worth_columns(
    rows: Sequence[PriorPeriodAdjustment | RevenueAdjustment],
) -> tuple[Column, Column]:
    unit = ", ".join(sorted({row.quote for row in rows}))
    return Column("worth", "In the figures", Kind.EXACT, unit), Column("rate", "Rate", Kind.EXACT)


def _worth(amount: Decimal, row: PriorPeriodAdjustment | RevenueAdjustment) -> tuple[Cell, Cell]:
    rate = Decimal(row.rate)
    if not rate:
        return Cell(reason=_NO_RATE), Cell(reason=_NO_RATE)
    return Cell(worth_of(amount, row), plus=True), Cell(rate)
