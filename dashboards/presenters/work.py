"""What is loaded from where in the background, and the bridge of costs, as tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import exact_sum

if TYPE_CHECKING:
    from allocation.bridges import BridgeLine
    from finops.job_views import JobRow
    from ingestion.models import Connection


def bridge_table(rows: Sequence[BridgeLine]) -> Table:
    """Billed and effective cost of each kind of charge; the totals are those of the loads."""
    columns = (
        Column("step", "Kind of charge"),
        Column("currency", "Currency"),
        Column("billed", "Billed", Kind.EXACT),
        Column("change", "Change", Kind.EXACT, title="Effective minus billed"),
        Column("effective", "Effective", Kind.EXACT),
        Column("lines", "Lines", Kind.NUMBER),
    )
    totals = []
    for currency in sorted({row.currency for row in rows}):
        mine = [row for row in rows if row.currency == currency]
        totals.append(
            Row(
                (
                    Cell("Total"),
                    Cell(currency),
                    Cell(exact_sum(row.billed_cost for row in mine)),
                    Cell(exact_sum(row.change for row in mine)),
                    Cell(exact_sum(row.effective_cost for row in mine)),
                    Cell(sum(row.lines for row in mine)),
                ),
                "total",
            )
        )
    lines = [
        Row(
            (
                Cell(row.step),
                Cell(row.currency),
                Cell(row.billed_cost),
                Cell(row.change),
                Cell(row.effective_cost),
                Cell(row.lines),
            )
        )
        for row in rows
    ]
    return Table(
        "bridge",
        "Billed and effective cost of each kind of charge",
        columns,
        lines,
        totals,
        empty="No bill is loaded yet.",
    )


def connections_table(rows: Sequence[Connection]) -> Table:
    """The places that are looked at on a schedule."""
    columns = (
        Column("slug", "Connection"),
        Column("location", "Place"),
        Column("every", "Every (min)", Kind.NUMBER),
        Column("checked", "Last look (UTC)", Kind.TIME),
        Column("problem", "Problem"),
    )
    return Table(
        "connections",
        "Places looked at on a schedule",
        columns,
        [
            Row(
                (
                    Cell(row.slug, note="" if row.is_active else "inactive"),
                    Cell(row.location),
                    Cell(row.check_every_minutes),
                    Cell(row.checked_at, reason="nobody has looked at it yet"),
                    Cell(row.problem, tone="danger" if row.problem else ""),
                )
            )
            for row in rows
        ],
        empty="No place is looked at on a schedule: an admin adds connections in the admin.",
    )


def jobs_table(rows: Sequence[JobRow]) -> Table:
    """What waits, runs and has ended in the background."""
    columns = (
        Column("job", "Job"),
        Column("about", "About"),
        Column("state", "State"),
        Column("tries", "Tries"),
        Column("created", "Asked for (UTC)", Kind.TIME),
        Column("finished", "Ended (UTC)", Kind.TIME),
        Column("outcome", "What came of it"),
    )
    return Table(
        "jobs",
        "Jobs: what waits or runs first",
        columns,
        [
            Row(
                (
                    Cell(f"#{row.pk}"),
                    Cell(f"{row.kind} {row.subject}", note=row.requested_by),
                    Cell(
                        row.state,
                        note=row.progress_text,
                        tone="danger" if row.state == "failed" else "",
                    ),
                    Cell(f"{row.attempts} of {row.max_attempts}"),
                    Cell(row.created_at),
                    Cell(row.finished_at, reason="it has not ended"),
                    Cell(row.outcome),
                )
            )
            for row in rows
        ],
        empty="Nothing was done in the background yet.",
    )
