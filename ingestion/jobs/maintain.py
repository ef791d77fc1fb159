"""Keep the lake small, once a day: retention, orphans, compaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from finops import clock
from finops.core.jobs import is_due
from finops.job_kinds import JobError, Report, Wanted
from finops.job_views import last_ended
from ingestion.core.delivery import SourceError
from ingestion.maintenance import upkeep

_SUBJECT = "lake"


class Maintain:
    """Takes no arguments."""

    id = "maintain"
    title = "Keep the lake"
    max_attempts = 3

    @staticmethod
    def due(now: datetime) -> Iterable[Wanted]:
        """Once a day."""
        if is_due(last_ended("maintain", _SUBJECT), timedelta(days=1), now):
            yield Wanted(_SUBJECT)

    @staticmethod
    def run(subject: str, arguments: Mapping[str, Any], report: Report) -> str:  # noqa: ARG004
        """One round. Raises ``JobError`` where the lake's bucket refuses."""
        try:
            return str(upkeep(now=clock.now(), progress=report))
        except SourceError as error:
            raise JobError(str(error)) from None


JOB = Maintain()
