"""Look for what is wrong, every five minutes and after each load; alerts open and resolve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from finops.alerting import check_all
from finops.core.jobs import is_due
from finops.job_kinds import Report, Wanted
from finops.job_views import last_ended
from finops.models import Job
from ingestion.models import Load

_SUBJECT = "health"
_EVERY = timedelta(minutes=5)


class CheckHealth:
    """Takes no arguments."""

    id = "check-health"
    title = "Look for what is wrong"
    max_attempts = 1
    is_routine = True

    @staticmethod
    def due(now: datetime) -> Iterable[Wanted]:
        """Every five minutes, and once a load has become visible since the last round."""
        last = last_ended("check-health", _SUBJECT)
        if is_due(last, _EVERY, now) or Load.objects.filter(committed_at__gt=last).exists():
            yield Wanted(_SUBJECT)

    @staticmethod
    def run(subject: str, arguments: Mapping[str, Any], report: Report) -> str:  # noqa: ARG004
        """One round. Earlier rounds that ended well are forgotten, so that the list of jobs stays readable."""
        changes = check_all()
        Job.objects.filter(kind="check-health", state=Job.State.DONE).delete()
        open_now = len(changes.opened) + len(changes.standing)
        return (
            f"{len(changes.opened)} alerts opened, {len(changes.over)} resolved, {open_now} open."
        )


JOB = CheckHealth()
