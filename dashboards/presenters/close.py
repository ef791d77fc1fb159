"""Month close: the months, the checklist, the figures that will be reported. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from allocation.core.checks import CheckState, Item
from allocation.core.closing import EXCHANGE, PRIOR_PERIOD
from allocation.core.pnl import Pnl
from dashboards import numbers
from dashboards.shown import Shown, shown
from dashboards.tables import Cell, Column, Kind, Row, RowKind, Table, Tone
from finops.core.amounts import EXACT, ZERO, exact_sum, foot
from finops.core.periods import add_months

if TYPE_CHECKING:
    from allocation.close_selectors import MonthState

STATE_WORDS = {
    CheckState.OK: "✓ in order",
    CheckState.OPEN: "◆ open",
    CheckState.BLOCKED: "✕ blocks",
}
_BORNE = (PRIOR_PERIOD, EXCHANGE)
_REPORTED = "As reported where the month is closed"
_TONES: dict[CheckState, Tone] = {
    CheckState.OK: "",
    CheckState.OPEN: "warning",
    CheckState.BLOCKED: "danger",
}


@dataclass(frozen=True)
class ShownItem:
    """One item of the checklist: ``url`` leads on, ``accepted`` is the reason that was typed or kept."""

    id: str
    title: str
    word: str
    tone: Tone
    sentence: str
    figure: str
    details: tuple[str, ...]
    url: str
    label: str
    is_open: bool
    accepted: str


def sentence(month: date, state: MonthState, items: Sequence[Item]) -> str:
    """Whether the month is closed, can be closed, or what is missing."""
    name = f"{month:%B %Y}"
    if state.is_closed and state.closed_at:
        when = f"{state.closed_at.day} {state.closed_at:%b %Y}"
        return f"{name} was closed on {when} by {state.closed_by}."
    if state.is_closed:
        return f"{name} had no figures and closed with a later month."
    blocked = [item for item in items if item.found.state is CheckState.BLOCKED]
    if blocked:
        return f"{name} cannot be closed yet: {blocked[0].found.sentence}"
    left = sum(item.found.state is CheckState.OPEN for item in items)
    if not left:
        return f"{name} can be closed: every item of the checklist is in order."
    return (
        f"{name} can be closed once {numbers.counted(left, 'open item')} of the checklist "
        f"{'is' if left == 1 else 'are'} settled or accepted with a reason."
    )


def shown_items(
    items: Sequence[Item], url: Callable[[Item], str], accepted: Mapping[str, str]
) -> list[ShownItem]:
    """The checklist as the page lists it."""
    return [
        ShownItem(
            id=item.id,
            title=item.title,
            word=STATE_WORDS[item.found.state],
            tone=_TONES[item.found.state],
            sentence=item.found.sentence,
            figure=item.found.figure,
            details=item.found.details,
            url=url(item),
            label=item.found.where.label if item.found.where else "",
            is_open=item.found.state is CheckState.OPEN,
            accepted=accepted.get(item.id, ""),
        )
        for item in items
    ]


def months_table(states: Sequence[MonthState], url: Callable[[date], str], currency: str) -> Table:
    """One row per month, newest first."""
    columns = (
        Column("month", "Month"),
        Column("revenue", "Revenue", Kind.MONEY, currency, title=_REPORTED),
        Column("cost", "Cost", Kind.MONEY, currency, title=_REPORTED),
        Column("revenue_changed", "Revenue since changed by", Kind.MONEY, currency),
        Column("changed", "Cost since changed by", Kind.MONEY, currency),
        Column("state", "State"),
        Column("bills", "Bills"),
        Column("closed", "Closed (UTC)", Kind.TIME),
        Column("by", "By"),
    )
    return Table(
        "months",
        "Months and their state",
        columns,
        [
            Row(
                (
                    Cell(
                        f"{one.month:%B %Y}",
                        href=url(one.month),
                        note="" if one.is_over else "so far",
                    ),
                    Cell(one.revenue),
                    Cell(one.cost),
                    _changed(one, one.revenue_changed),
                    _changed(one, one.changed),
                    Cell(one.state, note="" if one.is_over else "not over"),
                    _bills(one),
                    Cell(one.closed_at, reason="it is not closed by a person"),
                    Cell(one.closed_by)
                    if one.closed_by
                    else Cell(reason="it is not closed by a person"),
                )
            )
            for one in states
        ],
        empty="There is no month with figures yet.",
    )


def _changed(one: MonthState, amount: Decimal) -> Cell:
    if not one.is_closed:
        return Cell(reason="an open month changes with every delivery")
    return Cell(amount, plus=True, tone="" if amount else "quiet")


def _bills(one: MonthState) -> Cell:
    if not one.bills:
        return Cell(reason="no bill is loaded")
    order = ("final", "provisional", "open")
    return Cell(", ".join(f"{one.bills[name]} {name}" for name in order if one.bills.get(name)))


def figures_table(
    pnl: Pnl,
    restated: Pnl | None,
    currency: str,
    *,
    borne_revenue: Decimal = ZERO,
    so_far: str = "",
) -> Table:
    """What the month reports, from revenue to tax; of a closed month (``restated``) beside what is known now.

    ``borne_revenue`` is what of the revenue is that of earlier months; ``so_far`` the days that a month which is not
    over is told of.
    """
    sides = [shown(pnl)] if restated is None else [shown(pnl), shown(restated)]
    caption = "As it will be reported" if restated is None else "As reported"
    if so_far:
        caption = so_far
    columns = [Column("line", ""), Column("amount", caption, Kind.MONEY, currency)]
    if restated is not None:
        columns += [
            Column("restated", "As restated", Kind.MONEY, currency),
            Column("change", "Change", Kind.MONEY, currency),
        ]

    def row(label: str, amount: Callable[[Shown], Decimal | None], kind: RowKind = "line") -> Row:
        values = [amount(side) for side in sides]
        cells = [
            Cell(reason=side.reason) if value is None else Cell(value)
            for value, side in zip(values, sides, strict=True)
        ]
        if restated is not None:
            then, now = values[0] or ZERO, values[1] or ZERO
            cells.append(Cell(EXACT.subtract(now, then), plus=True))
        return Row((Cell(label), *cells), kind)

    def part(name: str) -> Callable[[Shown], Decimal | None]:
        return lambda side: side.direct.get(name, ZERO)

    names = sorted({name for side in sides for name in side.direct} - set(_BORNE))
    names += [name for name in _BORNE if any(name in side.direct for side in sides)]
    earned: list[Row] = []
    if borne_revenue:
        # In cents that foot to the revenue beneath, as the parts of the cost do.
        own, borne = foot([EXACT.subtract(pnl.revenue, borne_revenue), borne_revenue])
        first = {id(sides[0]): (own, borne)}
        earned = [
            row(
                "Revenue of the month", lambda side: first.get(id(side), (side.revenue,))[0], "part"
            ),
            row(
                "Prior-period adjustments of revenue",
                lambda side: first.get(id(side), (ZERO, ZERO))[1],
                "part",
            ),
        ]
    margin = [
        Cell(kind=Kind.PERCENT, reason=side.reason)
        if side.margin is None
        else Cell(side.margin, kind=Kind.PERCENT)
        for side in sides
    ]
    rows = [
        *earned,
        row("Revenue", lambda side: side.revenue, "sum"),
        *(row(name, part(name), "part") for name in names),
        row("Cost of revenue", lambda side: side.cost, "sum"),
        row("Gross profit", lambda side: side.gross_profit, "total"),
        Row(
            (Cell("Gross margin %"), *margin, *([Cell("")] if restated is not None else [])), "sum"
        ),
        row("Credits", lambda side: side.credits),
        row("Tax and the like, below the line", lambda side: exact_sum(side.below_line.values())),
    ]
    return Table("figures", f"{caption}, on effective cost", columns, rows)


def reach_note(month: date, last_day: date | None, *, is_over: bool) -> str:
    """Until which day figures of an open month are told; empty where the whole month's cost has come."""
    name = f"{month:%B %Y}"
    if last_day is None or last_day < month:
        return f"No whole day of cost of {name} has come yet."
    day = f"{last_day.day} {last_day:%b}"
    if not is_over:
        return (
            f"Cost and revenue through {day}, the last day whose cost has come: {name} is not over."
        )
    if last_day < add_months(month, 1) - timedelta(days=1):
        return (
            f"The cost of {name} has come through {day}, and the revenue is the whole month's: so a close would report "
            "it now."
        )
    return ""


def checklist_table(items: Sequence[ShownItem]) -> Table:
    """The checklist for a download."""
    columns = (
        Column("item", "Item"),
        Column("state", "State"),
        Column("figure", "Figure"),
        Column("found", "What was found"),
        Column("details", "Cases"),
        Column("accepted", "Accepted because"),
    )
    return Table(
        "checklist",
        "Close checklist",
        columns,
        [
            Row(
                (
                    Cell(item.title),
                    Cell(item.word, tone=item.tone),
                    Cell(item.figure),
                    Cell(item.sentence),
                    Cell(" ".join(item.details)),
                    Cell(item.accepted),
                )
            )
            for item in items
        ],
    )
