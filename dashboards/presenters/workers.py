"""CPU per request of Workers: the sentence, the charts, the tables. Pure.

Times are µs in the core and ms here. Floats are for drawing only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from dashboards.charts import LINE, Chart, Figure, layout
from dashboards.numbers import grouped, round_places
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import EXACT, exact_sum
from ingestion.core.worker_cpu import (
    Change,
    CpuPoint,
    Marker,
    Step,
    largest_change,
    per_request,
    total_cpu,
)

CHARTED = 4
"""How many Workers have a chart; the table and the export hold all."""
AROUND = timedelta(days=2)
"""How much time before and after a deployment is compared."""

Series = Mapping[str, Sequence[CpuPoint]]

_DEPLOYED = "--chart-2"
_US_IN_HOUR = Decimal(3_600_000_000)


def ms(value: Decimal | None, places: int = 3) -> Decimal | None:
    """µs as ms."""
    return None if value is None else round_places(value / 1000, places)


def sentence(series: Series, markers: Sequence[Marker], span: str) -> str:
    """What CPU the Workers used, and the deployment that changed most."""
    every = [point for points in series.values() for point in points]
    if not every:
        return f"No usage of a Worker is known for {span}."
    requests = exact_sum(point.requests for point in every)
    mean = per_request(every)
    count = f"{len(series)} Worker{'' if len(series) == 1 else 's'}"
    if mean is None:
        return f"{count} had {_count(requests)} requests in {span}; their CPU time is not known."
    change = largest_change(
        {name: list(points) for name, points in series.items()}, markers, AROUND
    )
    hours = round_places(total_cpu(every) / _US_IN_HOUR, 1)
    text = f"{count} used {grouped(hours)} hours of CPU for {_count(requests)} requests in {span}, {ms(mean)} ms each."
    return f"{text} {_changed(change)}" if change else text


def _changed(change: Change) -> str:
    marker = change.marker
    return (
        f"{marker.script} uses {ms(change.after)} ms a request since its deployment of "
        f"{marker.moment.day} {marker.moment:%b %H:%M}, {round_places(change.times, 1)} times the {ms(change.before)} "
        "ms before it."
    )


def _count(value: Decimal) -> str:
    return grouped(round_places(value, 0))


def summary_table(series: Series, markers: Sequence[Marker]) -> Table:
    """One row for each Worker, the most CPU first."""
    columns = (
        Column("script", "Worker"),
        Column("requests", "Requests", Kind.NUMBER),
        Column("cpu", "CPU", Kind.NUMBER, "hours"),
        Column("each", "CPU per request", Kind.NUMBER, "ms"),
        Column("p50", "Highest P50", Kind.NUMBER, "ms"),
        Column("p99", "Highest P99", Kind.NUMBER, "ms"),
        Column("deployments", "Deployments", Kind.NUMBER),
    )
    rows = []
    for name, points in series.items():
        known = any(point.cpu_us is not None for point in points)
        mean = per_request(points)
        reason = next((point.reason for point in points if point.reason), "")
        cpu = round_places(EXACT.create_decimal(total_cpu(points)) / _US_IN_HOUR, 2)
        rows.append(
            Row(
                (
                    Cell(name),
                    Cell(exact_sum(point.requests for point in points)),
                    Cell(cpu) if known else Cell(reason=reason),
                    Cell(ms(mean), reason=reason),
                    _quantile([point.p50 for point in points]),
                    _quantile([point.p99 for point in points]),
                    Cell(sum(marker.script == name for marker in markers)),
                )
            )
        )
    return Table(
        "workers",
        "Workers by CPU time",
        columns,
        rows,
        empty="No Worker was used in these days.",
    )


def _quantile(values: Sequence[Decimal | None]) -> Cell:
    highest = max((value for value in values if value is not None), default=None)
    return Cell(ms(highest), reason="Cloudflare gave no quantile")


def series_table(series: Series, markers: Sequence[Marker], step: Step) -> Table:
    """Every point of every Worker: what is exported."""
    columns = (Column("script", "Worker"), *_point_columns(step), Column("is_sampled", "Sampled"))
    rows = [
        Row(
            (
                Cell(name),
                *_cells(point, _within(markers, name, point, step)),
                Cell("yes" if point.is_sampled else "no"),
            )
        )
        for name, points in series.items()
        for point in points
    ]
    return Table(
        "workers-cpu",
        f"CPU per request by {step}",
        columns,
        rows,
        empty="No Worker was used in these days.",
    )


def _point_columns(step: Step) -> tuple[Column, ...]:
    return (
        Column("moment", f"{step.capitalize()} (UTC)", Kind.TIME),
        Column("requests", "Requests", Kind.NUMBER),
        Column("cpu", "CPU", Kind.NUMBER, "ms"),
        Column("each", "CPU per request", Kind.NUMBER, "ms"),
        Column("p50", "P50", Kind.NUMBER, "ms"),
        Column("p99", "P99", Kind.NUMBER, "ms"),
        Column("deployed", "Deployed"),
    )


def _cells(point: CpuPoint, deployed: Sequence[Marker]) -> tuple[Cell, ...]:
    quantile = "Cloudflare gave no quantile"
    return (
        Cell(point.moment),
        Cell(point.requests),
        Cell(ms(point.cpu_us), reason=point.reason),
        Cell(ms(point.per_request), reason=point.reason),
        Cell(ms(point.p50), reason=quantile),
        Cell(ms(point.p99), reason=quantile),
        Cell("; ".join(_deployed(marker) for marker in deployed)),
    )


def _within(markers: Sequence[Marker], name: str, point: CpuPoint, step: Step) -> list[Marker]:
    width = timedelta(hours=1) if step == "hour" else timedelta(days=1)
    return [
        marker
        for marker in markers
        if marker.script == name and point.moment <= marker.moment < point.moment + width
    ]


def _deployed(marker: Marker) -> str:
    return f"{marker.moment:%H:%M} {marker.message}".strip()


# --- charts ------------------------------------------------------------------------------------------


def charts(series: Series, markers: Sequence[Marker], step: Step) -> list[Chart]:
    """One chart for each of the Workers with the most CPU, each on its own scale."""
    found = []
    for number, name in enumerate(list(series)[:CHARTED], start=1):
        points = series[name]
        own = [marker for marker in markers if marker.script == name]
        rows = [Row(_cells(point, _within(own, name, point, step))) for point in points]
        table = Table(
            f"cpu-{number}-numbers", f"CPU per request of {name}", _point_columns(step), rows
        )
        found.append(
            Chart(
                key=f"cpu-{number}",
                title=name,
                figure=cpu_figure(points, own),
                summary=_summary(name, points, own),
                table=table,
            )
        )
    return found


def _summary(name: str, points: Sequence[CpuPoint], markers: Sequence[Marker]) -> str:
    known = [point for point in points if point.per_request is not None]
    if not known:
        return f"CPU per request of {name} is not known: {points[0].reason}."
    low = min(known, key=lambda point: point.per_request or Decimal(0))
    high = max(known, key=lambda point: point.per_request or Decimal(0))
    deployed = ", ".join(_when(marker.moment) for marker in markers)
    text = (
        f"Between {ms(low.per_request)} ms ({_when(low.moment)}) and {ms(high.per_request)} ms "
        f"({_when(high.moment)}) of CPU per request"
    )
    return f"{text}; deployed {deployed}." if deployed else f"{text}; not deployed in these days."


def _when(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %H:%M}"


def cpu_figure(points: Sequence[CpuPoint], markers: Sequence[Marker]) -> Figure:
    """CPU per request in ms over time, with a dashed line at each deployment."""
    shapes = [
        {
            "type": "line",
            "x0": _x(marker.moment),
            "x1": _x(marker.moment),
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"color": _DEPLOYED, "width": 1.5, "dash": "dash"},
        }
        for marker in markers
    ]
    labels = [
        {
            "x": _x(marker.moment),
            "yref": "paper",
            "y": 1.02,
            "yanchor": "bottom",
            "showarrow": False,
            "text": "deployed",
            "font": {"color": _DEPLOYED, "size": 11},
        }
        for marker in markers
    ]
    values = [ms(point.per_request) for point in points]
    trace: Figure = {
        "type": "scatter",
        "mode": "lines",
        "name": "CPU per request",
        "x": [_x(point.moment) for point in points],
        "y": [None if value is None else float(value) for value in values],
        "line": {"color": LINE, "width": 2},
        "connectgaps": False,
        "hovertemplate": "%{x|%-d %b %H:%M}<br>%{y:.3f} ms a request<extra></extra>",
    }
    return {
        "data": [trace],
        "layout": layout(
            shapes=shapes,
            annotations=labels,
            margin={"t": 26},
            yaxis={"ticksuffix": " ms", "rangemode": "tozero"},
            xaxis={"type": "date", "tickformat": "%-d %b", "nticks": 6, "tickangle": 0},
        ),
    }


def _x(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
