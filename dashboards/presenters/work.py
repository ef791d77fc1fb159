"""What is loaded from where in the background, with the buttons that start and stop it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from dashboards.tables import Action, Cell, Column, Kind, Row, Table
from ingestion.core.lateness import in_words

if TYPE_CHECKING:
    from finops.job_views import JobRow
    from ingestion.models import Connection

Address = Callable[[object], str]
"""The address that a button of this row posts to."""


def connections_table(
    rows: Sequence[Connection], *, loading: Collection[str], load_url: Address | None
) -> Table:
    """The places that are looked at on a schedule; ``load_url`` where the person may load them."""
    columns = [
        Column("slug", "Connection"),
        Column("location", "Place"),
        Column("every", "Looked at"),
        Column("checked", "Last look (UTC)", Kind.TIME),
        Column("problem", "Problem"),
    ]
    if load_url:
        columns.append(Column("do", "Do"))

    def row(connection: Connection) -> Row:
        cells = [
            Cell(connection.slug, note="" if connection.is_active else "inactive"),
            Cell(connection.location),
            _every(connection),
            Cell(connection.checked_at, reason="nobody has looked at it yet"),
            Cell(connection.problem, tone="danger" if connection.problem else ""),
        ]
        if load_url:
            busy = "a load is under way" if connection.slug in loading else ""
            action = Action(
                "Load now",
                load_url(connection.slug),
                f"from {connection.slug}",
                busy,
                key=f"load-{connection.slug}",
            )
            cells.append(Cell("", actions=(action,)))
        return Row(cells)

    return Table(
        "connections",
        "Places looked at on a schedule",
        columns,
        [row(connection) for connection in rows],
        empty="No place is looked at on a schedule: an admin adds connections in the admin.",
    )


def _every(connection: Connection) -> Cell:
    if not connection.is_active:
        return Cell("only by hand")
    minutes = connection.check_every_minutes
    if not minutes:
        return Cell("all the time", note="each round of the worker, about each minute")
    return Cell(f"every {in_words(timedelta(minutes=minutes))}")


def jobs_table(
    rows: Sequence[JobRow], *, cancel_url: Address | None, retry_url: Address | None
) -> Table:
    """What waits, runs and has ended in the background; the addresses where the person may act."""
    columns = [
        Column("job", "Job"),
        Column("about", "About"),
        Column("state", "State"),
        Column("tries", "Tries"),
        Column("created", "Asked for (UTC)", Kind.TIME),
        Column("finished", "Ended (UTC)", Kind.TIME),
        Column("outcome", "What came of it"),
    ]
    if cancel_url and retry_url:
        columns.append(Column("do", "Do"))

    def row(job: JobRow) -> Row:
        cells = [
            Cell(f"#{job.pk}"),
            Cell(f"{job.kind} {job.subject}", note=job.requested_by),
            Cell(
                job.state,
                note=job.progress_text,
                tone="danger" if job.state == "failed" else "",
                percent=job.percent if job.state == "running" else None,
            ),
            Cell(f"{job.attempts} of {job.max_attempts}"),
            Cell(job.created_at),
            Cell(job.finished_at, reason="it has not ended"),
            Cell(job.outcome),
        ]
        if cancel_url and retry_url:
            cells.append(Cell("", actions=_actions(job, cancel_url, retry_url)))
        return Row(cells)

    return Table(
        "jobs",
        "Jobs: what waits or runs first",
        columns,
        [row(job) for job in rows],
        empty="Nothing was done in the background yet.",
    )


def _actions(job: JobRow, cancel_url: Address, retry_url: Address) -> tuple[Action, ...]:
    about = f"job {job.pk}, {job.kind} {job.subject}"
    if job.is_active:
        stopping = "it is stopping" if job.cancel_requested else ""
        return (Action("Cancel", cancel_url(job.pk), about, stopping, key=f"cancel-{job.pk}"),)
    if job.state in {"failed", "cancelled"}:
        return (Action("Retry", retry_url(job.pk), about, key=f"retry-{job.pk}"),)
    return ()
