"""Every source that delivers bills has delivered the month's, and it is final."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from allocation.core.checks import Asked, CheckState, Found, Where
from allocation.models import LedgerMonth
from finops.core.focus import CostKind
from finops.core.periods import add_months, month_text
from ingestion.core.months import MonthStatus, month_status
from ingestion.models import Load, Source

_MONTHS_BACK = 2


class Bills:
    """A source is expected to bill a month when it billed it or one of the two before."""

    id = "bills"
    title = "Bills have come and are final"
    order = 20

    def look(self, asked: Asked) -> Found:
        """Names what is missing, open or provisional."""
        month = asked.month
        billed = LedgerMonth.objects.filter(
            month__gte=add_months(month, -_MONTHS_BACK), month__lte=month, kind=CostKind.BILLED
        )
        expected = set(billed.order_by().values_list("source_id", flat=True).distinct())
        loads = {
            load.source_id: load
            for load in Load.objects.filter(
                state=Load.State.CURRENT, billing_period=month, source_id__in=expected
            )
        }
        sources = Source.objects.filter(pk__in=expected, is_active=True).order_by("slug")
        details = []
        final = 0
        for source in sources:
            load = loads.get(source.pk)
            if load is None:
                details.append(f"{source.name}: no bill for {month_text(month)} has come.")
                continue
            status, reason = month_status(
                month,
                data_through=load.data_through,
                is_invoiced=load.is_invoiced,
                today=asked.now.date(),
                final_after=timedelta(days=settings.BILL_FINAL_AFTER_DAYS),
            )
            if status is MonthStatus.FINAL:
                final += 1
            else:
                details.append(f"{source.name}: the bill is {status.value}, {reason}.")
        total = final + len(details)
        where = Where("reconciliation", "Reconciliation", {"period": month_text(month)})
        if not total:
            sentence = "No source has billed this month or the two before."
            return Found(CheckState.OPEN, sentence, "0 bills", where=where)
        figure = f"{final} of {total} final"
        if details:
            sentence = (
                "Not every bill has come and is final: what comes later becomes an adjustment."
            )
            return Found(CheckState.OPEN, sentence, figure, tuple(details), where)
        return Found(
            CheckState.OK, "Every expected bill has come and is final.", figure, where=where
        )


CHECK = Bills()
