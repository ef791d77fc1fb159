"""The chart of a month's time stamps: running tokens, the projection's range, the commitment's part. Pure.

Floats are for drawing only; the table beside it holds whole tokens.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.charts import GOAL, LINE, MUTED, Chart, Figure, layout
from dashboards.presenters.stamps import month_name
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.periods import add_months

if TYPE_CHECKING:
    from ingestion.core.forecast import Projection
    from ingestion.tsa_selectors import StampMonth


def chart(found: StampMonth) -> Chart:
    """Tokens of the month, running, with the projection's range and the commitment's part."""
    days, running = _running(found)
    projection = found.projection
    table = Table(
        "stamps-numbers",
        f"Tokens of {month_name(found.month)} by day",
        (
            Column("day", "Day"),
            Column("tokens", "Tokens", Kind.NUMBER),
            Column("running", "Month to date", Kind.NUMBER),
        ),
        _day_rows(found, days, running),
        empty="No token is known for this month.",
    )
    return Chart(
        key="stamps",
        title=f"Tokens of {month_name(found.month)}, running",
        figure=_figure(found, days, running),
        summary=_summary(found, projection),
        table=table,
    )


def _running(found: StampMonth) -> tuple[list[date], list[int]]:
    last = max(found.by_day, default=found.month)
    days = [found.month + timedelta(days=i) for i in range((last - found.month).days + 1)]
    total, running = 0, []
    for day in days:
        total += found.by_day.get(day, 0)
        running.append(total)
    return days, running


def _day_rows(found: StampMonth, days: list[date], running: list[int]) -> list[Row]:
    rows = [
        Row((Cell(day.isoformat()), Cell(found.by_day.get(day, 0)), Cell(total)))
        for day, total in zip(days, running, strict=True)
        if found.by_day
    ]
    total = running[-1]
    for day, tokens in _coming(found.projection):
        total += tokens
        shown = tokens + (found.by_day.get(day, 0))
        rows = [row for row in rows if row.cells[0].value != day.isoformat()]
        rows.append(Row((Cell(day.isoformat(), note="projected"), Cell(shown), Cell(total))))
    return rows


def _coming(projection: Projection | None) -> list[tuple[date, int]]:
    return list(projection.by_day.items()) if projection else []


def _figure(found: StampMonth, days: list[date], running: list[int]) -> Figure:
    traces: list[Figure] = []
    projection, coming = found.projection, _coming(found.projection)
    if projection and coming:
        at = coming[0][0] - timedelta(days=1)
        # The fan begins where what is known ends: the last whole day.
        x = [at.isoformat(), *(day.isoformat() for day, _ in coming)]
        known = projection.actual
        start = known - found.by_day.get(coming[0][0], 0)
        points, total = [float(start)], known
        for _, tokens in coming:
            total += tokens
            points.append(float(total))
        rest = projection.point - known
        if projection.low is not None and projection.high is not None and rest:
            for name, end, fill in (
                ("Low", projection.low, None),
                ("High", projection.high, "tonexty"),
            ):
                scale = (end - known) / rest
                fan = [points[0], *(known + (point - known) * scale for point in points[1:])]
                traces.append(_band(name, x, fan, fill))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "Projected",
                "x": x,
                "y": points,
                "line": {"color": LINE, "width": 2, "dash": "dot"},
                "hovertemplate": "%{x|%-d %b}<br>about %{y:,.0f} tokens<extra></extra>",
            }
        )
    whole = len([day for day in days if not coming or day < coming[0][0]])
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Tokens",
            "x": [day.isoformat() for day in days[:whole]],
            "y": running[:whole],
            "line": {"color": LINE, "width": 2},
            "hovertemplate": "%{x|%-d %b}<br>%{y:,.0f} tokens<extra></extra>",
        }
    )
    traces += _commitment(found)
    return {
        "data": traces,
        "layout": layout(
            margin={"l": 64},
            yaxis={"rangemode": "tozero", "tickformat": ",.0f"},
            xaxis={"type": "date", "tickformat": "%-d %b", "nticks": 6, "tickangle": 0},
        ),
    }


def _band(name: str, x: list[str], y: list[float], fill: str | None) -> Figure:
    band: Figure = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": {"color": MUTED, "width": 1, "dash": "dot"},
        "hovertemplate": f"%{{x|%-d %b}}<br>{name.lower()}: %{{y:,.0f}} tokens<extra></extra>",
    }
    return band | {"fill": fill, "fillcolor": "--accent-soft"} if fill else band


def _commitment(found: StampMonth) -> list[Figure]:
    if len(found.contracts) != 1 or not found.contracts[0].expected:
        return []
    part = float(found.contracts[0].expected)
    last = add_months(found.month, 1) - timedelta(days=1)
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Commitment",
            "x": [found.month.isoformat(), last.isoformat()],
            "y": [part / last.day, part],
            "line": {"color": GOAL, "width": 1.5, "dash": "dash"},
            "hovertemplate": "%{x|%-d %b}<br>commitment: %{y:,.0f} tokens<extra></extra>",
        }
    ]


def _summary(found: StampMonth, projection: Projection | None) -> str:
    text = f"{numbers.counted(found.tokens, 'token')} so far, the solid line."
    if projection and projection.by_day:
        text += " The dotted line is the projection"
        text += ", the shaded part its range." if projection.low is not None else "."
    if _commitment(found):
        text += " The dashed line is the month's part of the commitment."
    return text
