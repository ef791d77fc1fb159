"""Month close: the months, the checklist, the figures that will be reported. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from allocation.core.checks import CheckState, Item
from allocation.core.closing import PRIOR_PERIOD
from allocation.core.pnl import Pnl
from dashboards import numbers
from dashboards.shown import shown
from dashboards.tables import Cell, Column, Kind, Row, Table, Tone
from finops.core.amounts import exact_sum

if TYPE_CHECKING:
    from allocation.close_selectors import MonthState

STATE_WORDS = {
    CheckState.OK: "✓ in order",
    CheckState.OPEN: "◆ open",
    CheckState.BLOCKED: "✕ blocks",
}
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
        Column("state", "State"),
        Column("bills", "Bills"),
        Column("closed", "Closed (UTC)", Kind.TIME),
        Column("by", "By"),
        Column("cost", "Cost", Kind.MONEY, currency, title="As reported where it is closed"),
        Column("changed", "Changed since", Kind.MONEY, currency),
    )
    return Table(
        "months",
        "Months and their state",
        columns,
        [
            Row(
                (
                    Cell(f"{one.month:%B %Y}", href=url(one.month)),
                    Cell(one.state, note="" if one.is_over else "not over"),
                    _bills(one),
                    Cell(one.closed_at, reason="it is not closed by a person"),
                    Cell(one.closed_by)
                    if one.closed_by
                    else Cell(reason="it is not closed by a person"),
                    Cell(one.cost),
                    Cell(one.changed, plus=True)
                    if one.is_closed
                    else Cell(reason="an open month changes with every delivery"),
                )
            )
            for one in states
        ],
        empty="There is no month with figures yet.",
    )


def _bills(one: MonthState) -> Cell:
    if not one.bills:
        return Cell(reason="no bill is loaded")
    order = ("final", "provisional", "open")
    return Cell(", ".join(f"{one.bills[name]} {name}" for name in order if one.bills.get(name)))


def figures_table(pnl: Pnl, currency: str, *, is_closed: bool, metric: str = "effective") -> Table:
    """What the month reports, from revenue to margin after credits; every part foots."""
    figures = shown(pnl)
    caption = "As reported" if is_closed else "As it will be reported"
    rows: list[Row] = [Row((Cell("Revenue"), _or_none(figures.revenue, figures.reason)), "sum")]
    rows += [
        Row((Cell(name), Cell(amount)), "part")
        for name, amount in figures.direct.items()
        if name != PRIOR_PERIOD
    ]
    if PRIOR_PERIOD in figures.direct:
        rows.append(Row((Cell(PRIOR_PERIOD), Cell(figures.direct[PRIOR_PERIOD])), "part"))
    rows += [
        Row((Cell("Cost of revenue"), Cell(figures.cost)), "sum"),
        Row((Cell("Gross profit"), _or_none(figures.gross_profit, figures.reason)), "total"),
        Row(
            (
                Cell("Gross margin %"),
                Cell(figures.margin, kind=Kind.PERCENT)
                if figures.margin is not None
                else Cell(kind=Kind.PERCENT, reason=figures.reason),
            ),
            "sum",
        ),
        Row((Cell("Credits"), Cell(figures.credits))),
        Row(
            (
                Cell("Tax and the like, below the line"),
                Cell(exact_sum(figures.below_line.values())),
            )
        ),
    ]
    columns = (Column("line", ""), Column("amount", caption, Kind.MONEY, currency, metric))
    return Table("figures", f"{caption}, on {metric} cost", columns, rows)


def _or_none(value: object, reason: str) -> Cell:
    return Cell(reason=reason) if value is None else Cell(value)  # type: ignore[arg-type]  # an amount


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
