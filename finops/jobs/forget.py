"""Forget what the API answered more than a day ago, and scheduled jobs of last week; once a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from finops import clock
from finops.api.idempotency import KEPT_FOR, forget_answers
from finops.core.jobs import is_due
from finops.job_kinds import Report, Wanted
from finops.job_table import forget_looks
from finops.job_views import last_ended

_SUBJECT = "api answers"
LOOKS_KEPT_FOR = timedelta(days=7)
"""How long a scheduled job that is done stays; what a person asked for, and what failed, stays for good."""


class Forget:
    """Takes no arguments."""

    id = "forget"
    title = "Forget old answers of the API and old jobs"
    max_attempts = 3

    @staticmethod
    def due(now: datetime) -> Iterable[Wanted]:
        """Once a day."""
        if is_due(last_ended("forget", _SUBJECT), timedelta(days=1), now):
            yield Wanted(_SUBJECT)

    @staticmethod
    def run(subject: str, arguments: Mapping[str, Any], report: Report) -> str:  # noqa: ARG004
        """One round."""
        now = clock.now()
        answers = forget_answers(before=now - KEPT_FOR)
        looks = forget_looks(before=now - LOOKS_KEPT_FOR)
        return f"{answers} old answers of the API and {looks} old scheduled jobs removed."


JOB = Forget()
