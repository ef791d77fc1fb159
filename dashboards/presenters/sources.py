"""Sources on Data health: how new each is, how often more is expected, and how late it is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboards.tables import Cell, Column, Kind, Row, Table
from ingestion.core.lateness import in_words

if TYPE_CHECKING:
    from ingestion.selectors import SourceFreshness

_NEVER = "it counts when it comes"


def sources_table(rows: Sequence[SourceFreshness]) -> Table:
    """Every active source, those that are late first."""
    columns = (
        Column("source", "Source"),
        Column("gives", "Delivers"),
        Column("state", "State"),
        Column("newest", "Newest data (UTC)", Kind.TIME),
        Column("expected", "Expected every (h)", Kind.NUMBER),
        Column("due", "Next due (UTC)", Kind.TIME),
        Column("late", "Late by"),
        Column("delivered", "Last delivery (UTC)", Kind.TIME),
    )
    by_lateness = sorted(rows, key=lambda one: (-one.late_by, one.name, one.slug))
    return Table(
        "sources",
        "Sources: newest data, how often more is expected, and how late it is",
        columns,
        [_row(source) for source in by_lateness],
        empty="No source is known yet: load a bill, or let an admin add a connection.",
    )


def _row(source: SourceFreshness) -> Row:
    return Row(
        (
            Cell(source.name, note=" · ".join(filter(None, (source.slug, source.provider)))),
            Cell(source.gives),
            Cell(source.state, tone="warning" if source.is_late else ""),
            Cell(source.newest, reason="nothing has been loaded yet"),
            Cell(source.expected_every_hours if source.due_at else None, reason=_NEVER),
            Cell(source.due_at, reason=_NEVER),
            Cell(in_words(source.late_by), tone="warning")
            if source.is_late
            else Cell("", reason="it is in time"),
            Cell(source.last_delivery_at, reason="no delivery of files was loaded"),
        )
    )
