"""Every source that delivers bills has delivered the month's, and it is final."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from django.conf import settings
from django.db.models import Q

from allocation.core.checks import Asked, CheckState, Found, Where
from allocation.models import LedgerMonth
from finops.core.focus import CostKind
from finops.core.periods import add_months, month_text
from ingestion.core.months import MonthStatus, month_status
from ingestion.invoice_models import SOURCE_KIND
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
        loads: dict[str, list[Load]] = defaultdict(list)
        for load in Load.objects.filter(
            Q(source_id__in=expected) & ~Q(source__kind=SOURCE_KIND)
            | Q(source__kind=SOURCE_KIND, lines__gt=0),
            state=Load.State.CURRENT,
            billing_period=month,
        ).select_related("source"):
            loads[_biller(load.source)].append(load)
        sources = Source.objects.filter(pk__in=expected, is_active=True).order_by("slug")
        details = []
        final = 0
        for name in dict.fromkeys(_biller(source) for source in sources):
            if name not in loads:
                details.append(f"{name}: no bill for {month_text(month)} has come.")
                continue
            said = [
                f"{name}: the bill is {status.value}, {reason}."
                for load in loads[name]
                for status, reason in [_status(load, asked)]
                if status is not MonthStatus.FINAL
            ]
            final += not said
            details += said[:1]
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


def _biller(source: Source) -> str:
    """Who is to bill: all sources of a supplier's invoices are one, whichever of them were spread, or paid apart."""
    if source.kind == SOURCE_KIND:
        return f"{source.service_provider_name} invoices"
    return source.name


def _status(load: Load, asked: Asked) -> tuple[MonthStatus, str]:
    return month_status(
        load.billing_period,
        data_through=load.data_through,
        is_invoiced=load.is_invoiced,
        today=asked.now.date(),
        final_after=timedelta(days=settings.BILL_FINAL_AFTER_DAYS),
    )


CHECK = Bills()
