"""Alerts: what is wrong now, since when, and who has seen it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.tables import Action, Cell, Column, Kind, Row, Table

if TYPE_CHECKING:
    from finops.models import Alert


def alerts_sentence(rows: Sequence[Alert]) -> str:
    """How many alerts are open, the most severe one in full; empty where none is."""
    open_now = [row for row in rows if row.resolved_at is None]
    if not open_now:
        return ""
    counted = numbers.counted(len(open_now), "alert is open", "alerts are open")
    return f"{counted}. {open_now[0].sentence}"


def alerts_table(rows: Sequence[Alert], *, acknowledge_url: Callable[[int], str] | None) -> Table:
    """Open alerts, then the resolved; ``acknowledge_url`` where the person may acknowledge."""
    columns = [
        Column("what", "What"),
        Column("state", "State"),
        Column("since", "First seen (UTC)", Kind.TIME),
        Column("last", "Last seen (UTC)", Kind.TIME),
        Column("seen_by", "Acknowledged"),
    ]
    if acknowledge_url:
        columns.append(Column("do", "Do"))

    def row(alert: Alert) -> Row:
        is_open = alert.resolved_at is None
        by = alert.acknowledged_by.get_username() if alert.acknowledged_by else "a former user"
        cells = [
            Cell(alert.sentence, note=f"{alert.kind}, {alert.subject}"),
            Cell(
                "open" if is_open else "resolved",
                note="" if is_open else f"{alert.resolved_at:%Y-%m-%d %H:%M}",
                tone=("danger" if alert.severity == "danger" else "warning")
                if is_open
                else "quiet",
            ),
            Cell(alert.first_seen),
            Cell(alert.last_seen),
            Cell(
                f"{by}, {alert.acknowledged_at:%Y-%m-%d %H:%M}" if alert.acknowledged_at else None,
                reason="nobody has acknowledged it",
            ),
        ]
        if acknowledge_url:
            wanted = is_open and alert.acknowledged_at is None
            about = f"{alert.kind} {alert.subject}"
            action = Action(
                "Acknowledge", acknowledge_url(alert.pk), about, key=f"acknowledge-{alert.pk}"
            )
            cells.append(Cell("", actions=(action,) if wanted else ()))
        return Row(cells)

    return Table(
        "alerts",
        "Alerts: open ones first, then those that were resolved within a week",
        columns,
        [row(alert) for alert in rows],
        empty="No alert is open, and none was within a week.",
    )
