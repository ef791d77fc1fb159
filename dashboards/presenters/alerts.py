"""Alerts: what is wrong now, since when, and who has seen it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.tables import Action, Cell, Column, Kind, Row, Table

if TYPE_CHECKING:
    from finops.models import Alert, User

_MOST_LAPSED = 2


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
            _seen(alert),
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


def _seen(alert: Alert) -> Cell:
    """Who has seen it as it is now; and who had before it asked again, the newest two."""
    lapsed = [one for one in alert.acknowledgements.all() if one.lapsed_at]
    told = [
        f"{_name(one.by)} had seen it on {one.at:%Y-%m-%d %H:%M}; it asks again since "
        f"{one.lapsed_at:%Y-%m-%d %H:%M}: {one.lapsed_because}."
        for one in lapsed[:_MOST_LAPSED]
    ]
    if len(lapsed) > _MOST_LAPSED:
        told.append(f"And {len(lapsed) - _MOST_LAPSED} before; the audit log has them.")
    note = " ".join(told)
    if alert.acknowledged_at is None:
        return Cell(reason="nobody has acknowledged it as it is now", note=note)
    return Cell(
        f"{_name(alert.acknowledged_by)}, {alert.acknowledged_at:%Y-%m-%d %H:%M}", note=note
    )


def _name(user: User | None) -> str:
    return user.get_username() if user else "a former user"
