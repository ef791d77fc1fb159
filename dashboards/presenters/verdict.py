"""What can be said of one tenant's margin, in words and as a gauge. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from allocation.core.pnl import Pnl, Verdict
from dashboards import numbers
from dashboards.goals import ORIGINS
from dashboards.presenters.overview import goal_distance
from dashboards.shown import VERDICT_WORDS, Shown
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.tunables import Effective

if TYPE_CHECKING:
    from allocation.core.figures import UntaggedResource

_GAUGE_WIDTH = Decimal(400)


@dataclass(frozen=True)
class Gauge:
    """The margin between its bounds beside the goal, as x positions of a drawing 400 wide."""

    low: str
    width: str
    value: str
    goal: str
    start: str
    end: str


def sentence(name: str, figures: Shown, pnl: Pnl, goal: Effective, span: str) -> str:
    """The verdict: value, distance from the goal, and whether the bounds allow to say so."""
    origin = ORIGINS[goal.origin]
    goal_words = f"{numbers.goal_text(goal.value)} ({origin})"
    if figures.margin is None or figures.margin_low is None or figures.margin_high is None:
        return f"{name} has no gross margin for {span}: {figures.reason}. The goal is {goal_words}."
    margin = margin_text(figures, goal.value)
    if pnl.verdict(goal.value) is Verdict.CANNOT_TELL:
        low, high = (
            numbers.percent(share, numbers.places_beside(share, goal.value))
            for share in (figures.margin_low, figures.margin_high)
        )
        return (
            f"Cannot tell yet whether {name} reaches its goal of {goal_words}: the gross margin for {span} is "
            f"{margin}, and cost that nobody bears yet could put it anywhere from {low} to {high}."
        )
    certain = "" if not figures.has_bounds else ", whoever bears the uncertain cost"
    distance = goal_distance(figures.margin, goal.value)
    return f"{name}'s gross margin for {span} is {margin}, {distance} ({origin}){certain}."


def margin_text(figures: Shown, goal: Decimal) -> str:
    """The margin with the decimals that it needs beside the goal."""
    if figures.margin is None:
        return numbers.DASH
    return numbers.percent(figures.margin, numbers.places_beside(figures.margin, goal))


def verdict_words(pnl: Pnl, goal: Decimal, narrowed: str) -> str:
    """The verdict with its glyph."""
    return numbers.DASH if narrowed else VERDICT_WORDS[pnl.verdict(goal)]


def gauge(figures: Shown, goal: Decimal) -> Gauge | None:
    """The drawing, or ``None`` where there is no margin."""
    if figures.margin is None or figures.margin_low is None or figures.margin_high is None:
        return None
    marks = (figures.margin_low, figures.margin_high, figures.margin, goal)
    room = max((max(marks) - min(marks)) / 4, Decimal("0.02"))
    start, end = min(marks) - room, max(marks) + room

    def place(share: Decimal) -> Decimal:
        return (share - start) / (end - start) * _GAUGE_WIDTH

    low, high = place(figures.margin_low), place(figures.margin_high)
    return Gauge(
        low=f"{low:.1f}",
        width=f"{max(high - low, Decimal(2)):.1f}",
        value=f"{place(figures.margin):.1f}",
        goal=f"{place(goal):.1f}",
        start=numbers.percent(start, 0),
        end=numbers.percent(end, 0),
    )


def settling_table(rows: Sequence[UntaggedResource], currency: str) -> Table:
    """The untagged resources that would settle the bounds, by money."""
    columns = (
        Column("resource", "Resource"),
        Column("account", "Account"),
        Column("service", "Service"),
        Column("amount", "Cost that nobody bears", Kind.MONEY, currency),
    )
    return Table(
        "settling",
        "Untagged resources that would settle it",
        columns,
        [
            Row(
                (
                    Cell(row.resource_id)
                    if row.resource_id
                    else Cell("other lines of the account"),
                    Cell(row.sub_account_id or None, reason="the lines name no account"),
                    Cell(row.service_name),
                    Cell(row.amount),
                )
            )
            for row in rows
        ],
        empty="No uncertain cost is in the accounts of this tenant.",
    )
