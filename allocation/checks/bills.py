"""Every source that delivers bills has delivered the month's, and it is final."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date, timedelta

from django.conf import settings
from django.db.models import Q

from allocation.core.checks import Asked, CheckState, Found, Where
from allocation.models import LedgerMonth
from finops.core.focus import CostKind
from finops.core.periods import add_months, month_text
from ingestion.core.lateness import bills_whole_months
from ingestion.core.months import MonthStatus, month_status
from ingestion.invoice_models import SOURCE_KIND as INVOICES
from ingestion.models import Load, Source

_MONTHS_BACK = 2


class Bills:
    """A source, or a supplier of invoices, is expected to bill a month when it billed it or one of the two before."""

    id = "bills"
    title = "Bills have come and are final"
    order = 20

    def look(self, asked: Asked) -> Found:
        """Names what is missing, open or provisional; what comes once a month, also from when on it is missed."""
        month = asked.month
        billed = LedgerMonth.objects.filter(
            month__gte=add_months(month, -_MONTHS_BACK),
            month__lte=month,
            kind__in=(CostKind.BILLED, CostKind.TRUE_UP),
        )
        expected = set(billed.order_by().values_list("source_id", flat=True).distinct())
        loads, invoicing = _loads(month, expected)
        sources = Source.objects.filter(pk__in=expected, is_active=True).order_by("slug")
        suppliers: set[str] = set()
        details = []
        final = 0
        due = add_months(month, 1) + timedelta(days=settings.BILL_EXPECTED_AFTER_DAYS)
        today = asked.now.date()
        for source in sources:
            if source.kind == INVOICES:
                suppliers.add(source.service_provider_name)
                continue
            load = loads.get(source.pk)
            if load is None:
                late = (
                    _missed(due, today) if bills_whole_months(source.expected_every_hours) else ""
                )
                details.append(f"{source.name}: no bill for {month_text(month)} has come{late}.")
                continue
            status, reason = _status(load, month, today)
            if status is MonthStatus.FINAL:
                final += 1
            else:
                details.append(f"{source.name}: the bill is {status.value}, {reason}.")
        for supplier in sorted(suppliers):
            said = _of_invoices(supplier, invoicing[supplier], month, today)
            final += not said
            details += said
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


def _loads(
    month: date, expected: Collection[int]
) -> tuple[dict[object, Load], dict[str, list[Load]]]:
    """The month's loads of the ``expected`` sources, and those of invoices by supplier.

    Each settled invoice is a source of its own: what is expected is an invoice of the supplier.
    """
    loads: dict[object, Load] = {}
    invoicing: dict[str, list[Load]] = defaultdict(list)
    for load in Load.objects.filter(
        Q(source_id__in=expected) & ~Q(source__kind=INVOICES)
        | Q(source__kind=INVOICES, lines__gt=0),
        state=Load.State.CURRENT,
        billing_period=month,
    ).select_related("source"):
        if load.source.kind == INVOICES:
            invoicing[load.source.service_provider_name].append(load)
        else:
            loads[load.source_id] = load
    return loads, invoicing


def _of_invoices(supplier: str, loads: list[Load], month: date, today: date) -> list[str]:
    """What is to be said of a supplier's invoices; nothing where they have come and are final."""
    if not loads:
        due = add_months(month, 1) + timedelta(days=settings.BILL_EXPECTED_AFTER_DAYS)
        return [f"{supplier}: no invoice for {month_text(month)} has come{_missed(due, today)}."]
    for status, reason in (_status(load, month, today) for load in loads):
        if status is not MonthStatus.FINAL:
            return [f"{supplier}: its invoices are {status.value}, {reason}."]
    return []


def _status(load: Load, month: date, today: date) -> tuple[MonthStatus, str]:
    return month_status(
        month,
        data_through=load.data_through,
        is_invoiced=load.is_invoiced,
        today=today,
        final_after=timedelta(days=settings.BILL_FINAL_AFTER_DAYS),
    )


def _missed(due: date, today: date) -> str:
    """By when it is expected, and for how long it has been missed."""
    if today <= due:
        return f"; it is expected by {due:%-d %b %Y}"
    days = (today - due).days
    return f"; it was expected by {due:%-d %b %Y}, {days} day{'' if days == 1 else 's'} ago"


CHECK = Bills()
