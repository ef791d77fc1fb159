"""Plotly figures as plain dicts, each with its summary and its table. Pure.

Colours are names of custom properties (``--chart-1``), which the page's script resolves, so that one
figure serves light and dark. Floats are for drawing only: the table beside it holds the decimals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from allocation.core.pnl import Pnl
from dashboards import numbers
from dashboards.shown import is_empty
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import EXACT, ZERO, exact_sum, foot, ratio

Figure = dict[str, Any]

LINE, GOAL, MUTED, UP, DOWN = "--chart-1", "--chart-goal", "--text-muted", "--chart-1", "--chart-2"


@dataclass(frozen=True)
class Chart:
    """A figure, the sentence that says the same, and the table with the same numbers."""

    key: str
    title: str
    figure: Figure
    summary: str
    table: Table


@dataclass(frozen=True)
class MarginPoint:
    """The margin of one day: not ``complete`` while hours still arrive, not ``loaded`` without any figure."""

    day: date
    margin: Decimal | None
    revenue: Decimal
    cost: Decimal
    complete: bool
    loaded: bool = True


@dataclass(frozen=True)
class BridgeStep:
    """One bar of the bridge: what moved the margin, in percentage points."""

    label: str
    points: Decimal
    money: Decimal | None = None


def layout(**more: Any) -> Figure:
    """The frame that every figure has, with ``more`` laid over it."""
    axis = {
        "gridcolor": "--border",
        "linecolor": "--border-strong",
        "zerolinecolor": "--border-strong",
        "tickfont": {"color": MUTED, "size": 12},
        "fixedrange": True,
    }
    base: Figure = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "--text"},
        "margin": {"l": 52, "r": 16, "t": 12, "b": 36},
        "height": 260,
        "showlegend": False,
        "hoverlabel": {
            "bgcolor": "--surface",
            "bordercolor": "--border-strong",
            "font": {"color": "--text"},
        },
        "xaxis": {**axis, "showgrid": False},
        "yaxis": axis,
    }
    for name, value in more.items():
        base[name] = {**base[name], **value} if isinstance(base.get(name), dict) else value
    return base


def _percent(share: Decimal | None) -> float | None:
    return None if share is None else float(numbers.percent_value(share, 2))


def margin_line(points: Sequence[MarginPoint], goal: Decimal) -> Figure:
    """Gross margin by day with the goal drawn and labelled on the line itself."""
    days = [point.day.isoformat() for point in points]
    settled = [point.margin if point.complete else None for point in points]
    traces: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Gross margin",
            "x": days,
            "y": [_percent(share) for share in settled],
            "line": {"color": LINE, "width": 2},
            "connectgaps": False,
            "hovertemplate": "%{x|%-d %b %Y}<br>gross margin %{y:.1f} %<extra></extra>",
        }
    ]
    open_days = _open_part(points)
    if open_days:
        traces.append(
            {
                **traces[0],
                "name": "Incomplete",
                "x": [point.day.isoformat() for point in open_days],
                "y": [_percent(point.margin) for point in open_days],
                "line": {"color": LINE, "width": 2, "dash": "dot"},
                "hovertemplate": "%{x|%-d %b %Y}, incomplete<br>gross margin %{y:.1f} %<extra></extra>",
            }
        )
    goal_y = float(goal * 100)
    shapes = [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": goal_y,
            "y1": goal_y,
            "line": {"color": GOAL, "width": 1.5, "dash": "dash"},
        }
    ]
    shown = [share for point in points if (share := _percent(point.margin)) is not None]
    labels = [_beside(goal_y, f"goal {numbers.goal_text(goal)}", GOAL)]
    low, high = min([*shown, goal_y]), max([*shown, goal_y])
    room = max((high - low) * 0.12, 1.0)
    if shown and abs(shown[-1] - goal_y) > room:
        labels.append(_beside(shown[-1], f"margin {shown[-1]:.1f} %", LINE))
    return {
        "data": traces,
        "layout": layout(
            shapes=shapes,
            annotations=labels,
            margin={"r": 96},
            yaxis={"ticksuffix": " %", "range": [low - room, high + room]},
            xaxis={"type": "date", "tickformat": "%-d %b", "nticks": 5, "tickangle": 0},
        ),
    }


def _beside(height: float, text: str, colour: str) -> Figure:
    """A label at the right end of a line, instead of a legend."""
    return {
        "xref": "paper",
        "x": 1.005,
        "xanchor": "left",
        "y": height,
        "showarrow": False,
        "text": text,
        "font": {"color": colour, "size": 12},
    }


def _open_part(points: Sequence[MarginPoint]) -> Sequence[MarginPoint]:
    """The incomplete days at the end, with the last complete one so that the line joins."""
    first = next((i for i, point in enumerate(points) if not point.complete), None)
    return () if first is None else points[max(first - 1, 0) :]


def margin_line_table(points: Sequence[MarginPoint], currency: str, reason: str) -> Table:
    """The numbers of ``margin_line``."""
    columns = (
        Column("day", "Day"),
        Column("revenue", "Revenue", Kind.MONEY, currency),
        Column("cost", "Cost", Kind.MONEY, currency),
        Column("margin", "Gross margin", Kind.PERCENT),
    )
    rows = [
        Row(
            (
                Cell(point.day.isoformat(), note="" if point.complete else "incomplete"),
                Cell(point.revenue) if point.revenue else Cell(reason=reason),
                Cell(point.cost) if point.loaded else Cell(reason="nothing is loaded for this day"),
                Cell(point.margin) if point.margin is not None else Cell(reason=reason),
            )
        )
        for point in points
    ]
    return Table("margin-line", "Gross margin by day", columns, rows)


def margin_line_summary(points: Sequence[MarginPoint], goal: Decimal) -> str:
    """What the line shows, in one sentence."""
    known = [point for point in points if point.margin is not None and point.complete]
    if not known:
        return (
            "No day of this span has both revenue and complete cost, so there is no margin to draw."
        )
    margins = [point.margin for point in known if point.margin is not None]
    below = sum(1 for margin in margins if margin < goal)
    share = f"{below or 'none'} of {numbers.counted(len(known), 'day')} {'were' if below > 1 else 'was'} below"
    lowest = min(known, key=lambda point: point.margin or ZERO)
    return (
        f"Between {known[0].day:%-d %b} and {known[-1].day:%-d %b} {known[-1].day:%Y} the gross margin by day "
        f"went from {numbers.percent(margins[0])} to {numbers.percent(margins[-1])}; the lowest was "
        f"{numbers.percent(min(margins))} on {lowest.day:%-d %b}; "
        f"{share} the goal of {numbers.goal_text(goal)}."
    )


def bridge_steps(previous: Pnl, current: Pnl) -> list[BridgeStep]:
    """What moved the margin from ``previous`` to ``current``, in points that add up as shown.

    First the revenue (the earlier cost over the new revenue), then each part of the cost over the new
    revenue. Empty where one of the two has no margin.
    """
    before, now = previous.gross_margin, current.gross_margin
    if before is None or now is None:
        return []
    start, end = numbers.percent_value(before), numbers.percent_value(now)
    revenue = EXACT.subtract(current.revenue, previous.revenue)
    effects = [
        ("Revenue", revenue, _share(previous.cost, previous) - _share(previous.cost, current))
    ]
    names = dict.fromkeys([*previous.direct, *current.direct])
    parts: list[tuple[str, Decimal, Decimal]] = [
        (name, previous.direct.get(name, ZERO), current.direct.get(name, ZERO)) for name in names
    ]
    parts.append(("Shared cost", previous.shared or ZERO, current.shared or ZERO))
    for name, old, new in parts:
        change = EXACT.subtract(new, old)
        if change:
            effects.append((name, change, -_share(change, current)))
    effects[1:] = sorted(effects[1:], key=lambda effect: effect[2])
    shown = _fitted([effect * 100 for _, _, effect in effects], end - start)
    return [
        BridgeStep("Before", start),
        *(
            BridgeStep(name, part, money)
            for (name, money, _), part in zip(effects, shown, strict=True)
        ),
        BridgeStep("Now", end),
    ]


def _share(amount: Decimal, pnl: Pnl) -> Decimal:
    return ratio(amount, pnl.revenue) or ZERO


def _fitted(values: Sequence[Decimal], target: Decimal) -> list[Decimal]:
    """``values`` at one decimal, adding up to ``target``: the largest takes what rounding leaves."""
    shown = [part * 10 for part in foot([value / 10 for value in values])]
    left = target - exact_sum(shown)
    largest = max(range(len(shown)), key=lambda i: abs(shown[i]))
    shown[largest] += left
    return [numbers.round_places(part, 1) for part in shown]


def margin_bridge(steps: Sequence[BridgeStep]) -> Figure:
    """The steps as floating bars: each starts where the one before it ended (an invisible base)."""
    bases, heights, colours, texts = [], [], [], []
    level = ZERO
    for index, step in enumerate(steps):
        whole = index in {0, len(steps) - 1}
        bases.append(0.0 if whole else float(level))
        heights.append(float(step.points))
        colours.append("--chart-total" if whole else UP if step.points >= 0 else DOWN)
        shown = f"{abs(step.points):,f}"
        texts.append(f"{shown} %" if whole else numbers.signed(shown, step.points, plus=True))
        level = step.points if whole else level + step.points
    ends = [base + height for base, height in zip(bases, heights, strict=True)]
    floor, ceiling = min([*ends, *bases[1:-1]]), max([*ends, *bases[1:-1]])
    room = max((ceiling - floor) * 0.25, 1.0)
    return {
        "data": [
            {
                "type": "bar",
                "x": [step.label for step in steps],
                "y": heights,
                "base": bases,
                "text": texts,
                "textposition": "outside",
                "cliponaxis": False,
                "marker": {"color": colours},
                "hovertemplate": "%{x}: %{text}<extra></extra>",
                "constraintext": "none",
            }
        ],
        "layout": layout(
            yaxis={"ticksuffix": " %", "range": [floor - room, ceiling + room]},
            xaxis={"type": "category", "automargin": True},
            margin={"t": 24},
            bargap=0.35,
            height=300,
        ),
    }


def bridge_table(steps: Sequence[BridgeStep], currency: str) -> Table:
    """The numbers of ``margin_bridge``; the points add up from the first row to the last."""
    columns = (
        Column("step", "Step"),
        Column("money", "Change in amount", Kind.MONEY, currency),
        Column("points", "Margin, points", Kind.POINTS),
    )
    rows = [
        Row(
            (
                Cell(step.label),
                Cell(step.money) if step.money is not None else Cell("", kind=Kind.TEXT),
                Cell(step.points)
                if step.money is not None
                else Cell(step.points / 100, kind=Kind.PERCENT),
            ),
            kind="sum" if step.money is None else "line",
        )
        for step in steps
    ]
    return Table("bridge", "What moved the margin", columns, rows)


def bridge_summary(steps: Sequence[BridgeStep], period: str) -> str:
    """What the bridge shows, in one sentence."""
    moved = steps[-1].points - steps[0].points
    worst = min(steps[1:-1], key=lambda step: step.points)
    best = max(steps[1:-1], key=lambda step: step.points)
    text = f"From {period} the gross margin went {_moved(moved)}, from {steps[0].points:f} % to {steps[-1].points:f} %"
    if worst.points < 0:
        text += f"; {worst.label} took {abs(worst.points):f} points"
    if best.points > 0:
        text += f"; {best.label} gave {best.points:f} points"
    return f"{text}."


def _moved(points: Decimal) -> str:
    word = numbers.direction(points)
    return "nowhere" if word == "unchanged" else f"{word} {abs(points):f} points"


def margin_points(
    columns: Mapping[str, Pnl], days: Sequence[date], complete_through: date | None
) -> list[MarginPoint]:
    """One point for each of ``days``; days after ``complete_through`` are incomplete."""
    points = []
    for day in days:
        pnl = columns.get(day.isoformat(), Pnl())
        complete = complete_through is not None and day <= complete_through
        margin = pnl.gross_margin if pnl.cost else None
        points.append(MarginPoint(day, margin, pnl.revenue, pnl.cost, complete, not is_empty(pnl)))
    return points
