"""Nothing is being loaded that may still change the month."""

from __future__ import annotations

from allocation.core.checks import Asked, CheckState, Found, Where
from finops.core.periods import month_text
from finops.models import Job

_SHOWN = 10


class Jobs:
    """A load under way commits before the close or is booked as an adjustment after it; waiting is cleaner."""

    id = "jobs"
    title = "No load is under way"
    order = 100

    def look(self, asked: Asked) -> Found:
        """Names running jobs that load, unless they are told of other months."""
        month = month_text(asked.month)
        running = Job.objects.filter(state=Job.State.RUNNING).order_by("pk")
        found = [job for job in running if _concerns(job.arguments, month)]
        where = Where("data-health", "Data health")
        if found:
            details = tuple(f"Job {job.pk}, {job.kind} {job.subject}." for job in found[:_SHOWN])
            return Found(
                CheckState.OPEN,
                "Work is under way that may change the month: wait for its end.",
                f"{len(found)} running",
                details,
                where,
            )
        return Found(CheckState.OK, "Nothing is being loaded.", where=where)


def _concerns(arguments: object, month: str) -> bool:
    told = arguments if isinstance(arguments, dict) else {}
    since, until = str(told.get("since") or ""), str(told.get("until") or "")
    return not (since and month < since) and not (until and month > until)


CHECK = Jobs()
