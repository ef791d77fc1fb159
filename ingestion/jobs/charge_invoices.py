"""Spread invoiced months by the usage that became known since they were loaded: at most hourly, what changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from finops.core.jobs import is_due
from finops.job_kinds import JobError, Report, Wanted
from finops.job_views import last_ended
from ingestion.core.delivery import LoadRefusedError
from ingestion.invoices import JOB_KIND, SUBJECT, charge_again, months_to_spread


class ChargeInvoices:
    """Takes no arguments. A month whose usage did not change stays as it is."""

    id = JOB_KIND
    title = "Spread invoices by usage"
    max_attempts = 3

    @staticmethod
    def due(now: datetime) -> Iterable[Wanted]:
        """An hour after the last time, where usage of an invoiced month changed."""
        if is_due(last_ended(JOB_KIND, SUBJECT), timedelta(hours=1), now) and months_to_spread():
            yield Wanted(SUBJECT)

    @staticmethod
    def run(subject: str, arguments: Mapping[str, Any], report: Report) -> str:  # noqa: ARG004
        """Spread what changed. Raises ``JobError`` where the ledger refuses one."""
        try:
            months = charge_again()
        except LoadRefusedError as error:
            raise JobError(str(error)) from None
        return f"{months} invoiced months spread anew."


JOB = ChargeInvoices()
