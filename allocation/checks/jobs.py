"""Nothing is being loaded that may still change the month."""

from __future__ import annotations

from allocation.core.checks import Asked, CheckState, Found, Where
from finops.core.periods import month_text
from finops.job_kinds import routine_kinds
from finops.models import Job

_SHOWN = 10


class Jobs:
    """A load commits before the close or is booked as an adjustment after it; waiting is cleaner."""

    id = "jobs"
    title = "No load is under way or waits"
    order = 100

    def look(self, asked: Asked) -> Found:
        """Names jobs that load and run or wait to run, unless they are told of other months."""
        month = month_text(asked.month)
        active = Job.objects.filter(state__in=(Job.State.RUNNING, Job.State.QUEUED))
        jobs = active.exclude(kind__in=routine_kinds()).order_by("pk")
        found = [job for job in jobs if _concerns(job.arguments, month)]
        where = Where("data-health", "Data health")
        if found:
            details = tuple(
                f"Job {job.pk}, {job.kind} {job.subject}, is {job.state}." for job in found[:_SHOWN]
            )
            running = sum(job.state == Job.State.RUNNING for job in found)
            return Found(
                CheckState.OPEN,
                "Work is under way or waits that may change the month: wait for its end.",
                f"{running} running, {len(found) - running} queued",
                details,
                where,
            )
        return Found(CheckState.OK, "Nothing is being loaded or waits to be.", where=where)


def _concerns(arguments: object, month: str) -> bool:
    told = arguments if isinstance(arguments, dict) else {}
    since, until = str(told.get("since") or ""), str(told.get("until") or "")
    return not (since and month < since) and not (until and month > until)


CHECK = Jobs()
