"""Estimate what is used and not billed yet, as soon as something of it changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from finops.job_kinds import JobError, Report, Wanted
from ingestion.core.delivery import LoadRefusedError, SourceError
from ingestion.core.pricing import PriceError
from ingestion.estimating import JOB_KIND, SUBJECT, estimate, is_stale


class Estimate:
    """Takes no arguments."""

    id = JOB_KIND
    title = "Estimate"
    max_attempts = 4

    @staticmethod
    def due(now: datetime) -> Iterable[Wanted]:
        """When usage, prices, bills or owners changed since the last one."""
        if is_stale(now):
            yield Wanted(SUBJECT)

    @staticmethod
    def run(subject: str, arguments: Mapping[str, Any], report: Report) -> str:  # noqa: ARG004
        """One estimate of everything. Raises ``JobError`` where usage or a price cannot be computed with."""
        try:
            return str(estimate(progress=report))
        except (LoadRefusedError, PriceError, SourceError) as error:
            raise JobError(str(error)) from None


JOB = Estimate()
