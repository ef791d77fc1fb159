"""Look at a connection and load what is new; hourly for bills, or as its schedule says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from finops import clock, job_table
from finops.core.jobs import is_due
from finops.core.periods import parse_month
from finops.job_kinds import JobError, Report, Wanted
from ingestion.estimating import JOB_KIND, SUBJECT, is_stale
from ingestion.models import Connection
from ingestion.services import collect


class Collect:
    """``arguments``: ``since`` and ``until`` (months as YYYY-MM), ``again`` and ``whole``; all may be missing."""

    id = "collect"
    title = "Load"
    max_attempts = 4

    @staticmethod
    def due(now: datetime) -> Iterable[Wanted]:
        """Every active connection whose time has come."""
        for connection in Connection.objects.filter(is_active=True):
            every = timedelta(minutes=connection.check_every_minutes)
            if is_due(connection.checked_at, every, now):
                yield Wanted(connection.slug)

    @staticmethod
    def run(subject: str, arguments: Mapping[str, Any], report: Report) -> str:
        """Load what is new. Raises ``JobError`` where nothing could be loaded."""
        connection = Connection.objects.filter(slug=subject).first()
        if connection is None:
            msg = f"There is no connection {subject!r} any more."
            raise JobError(msg, final=True)
        since, until = (
            parse_month(arguments[name]) if arguments.get(name) else None
            for name in ("since", "until")
        )
        found = collect(
            connection=connection,
            since=since,
            until=until,
            again=bool(arguments.get("again")),
            whole=bool(arguments.get("whole")),
            progress=report,
        )
        by_status = {
            status: [one for one in found.outcomes if one.status == status]
            for status in dict.fromkeys(one.status for one in found.outcomes)
        }
        failed = by_status.get("failed", [])
        if failed and len(failed) == len(found.outcomes):
            raise JobError(failed[0].sentence, final=all(one.final for one in failed))
        # What came may be usage beyond the bills, or the bill of what was estimated: no need to wait for the schedule.
        if is_stale(clock.now()):
            job_table.enqueue(kind=JOB_KIND, subject=SUBJECT)
        parts = [f"{len(ones)} {status}" for status, ones in by_status.items()]
        rows = sum(one.rows for one in by_status.get("loaded", []))
        rejected = sum(one.rejected_rows for one in by_status.get("loaded", []))
        text = f"Deliveries: {', '.join(parts)}." if parts else "No delivery in these months."
        if rows:
            text += f" {rows:,} rows read, {rejected:,} put aside."
        return text + (f" {failed[0].sentence}" if failed else "")


JOB = Collect()
