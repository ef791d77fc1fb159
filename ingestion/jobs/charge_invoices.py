"""Spread invoiced months anew, once a day, by the usage that became known since they were loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from finops.core.jobs import is_due
from finops.job_kinds import JobError, Report, Wanted
from finops.job_views import last_ended
from ingestion.core.delivery import LoadRefusedError
from ingestion.invoice_models import InvoiceLine
from ingestion.invoices import charge_again

_SUBJECT = "invoices"


class ChargeInvoices:
    """Takes no arguments. A month whose usage did not change stays as it is."""

    id = "charge-invoices"
    title = "Spread invoices by usage"
    max_attempts = 3

    @staticmethod
    def due(now: datetime) -> Iterable[Wanted]:
        """Once a day, where any invoice names a meter."""
        if not is_due(last_ended("charge-invoices", _SUBJECT), timedelta(days=1), now):
            return
        if InvoiceLine.objects.filter(invoice__is_void=False).exclude(meter="").exists():
            yield Wanted(_SUBJECT)

    @staticmethod
    def run(subject: str, arguments: Mapping[str, Any], report: Report) -> str:  # noqa: ARG004
        """Look at every month. Raises ``JobError`` where the ledger refuses one."""
        try:
            months = charge_again()
        except LoadRefusedError as error:
            raise JobError(str(error)) from None
        return f"{months} invoiced months looked at."


JOB = ChargeInvoices()
