"""A job whose newest try used up all its attempts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from finops.core.alerts import Finding, Severity, without_figures
from finops.models import Job

_LOOKED_AT = timedelta(days=7)


class FailedJob:
    """One finding per kind and subject of which the newest job that ended has failed within a week."""

    id = "failed-job"

    def findings(self, now: datetime) -> Iterable[Finding]:
        """The newest end counts: a later success, or a cancellation by a person, settles it."""
        ended = Job.objects.exclude(state__in=Job.ACTIVE).filter(finished_at__gte=now - _LOOKED_AT)
        newest: dict[tuple[str, str], Job] = {}
        for job in ended.order_by("finished_at", "id"):
            newest[job.kind, job.subject] = job
        for (kind, subject), job in sorted(newest.items()):
            if job.state == Job.State.FAILED:
                yield Finding(
                    self.id,
                    f"{kind} {subject}",
                    Severity.WARNING,
                    f"The job {kind} {subject} failed after {job.attempts} of {job.max_attempts} "
                    f"attempts: {job.error} Try it again on Data health once the cause is gone.",
                    {"job": job.pk, "attempts": job.attempts},
                    about=without_figures(job.error),
                )


CHECK = FailedJob()
