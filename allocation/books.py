"""The closed books: their lock, and what becomes known of closed months booked as adjustments.

Whatever writes the ledger calls ``book_cost_changes`` or ``book_revenue_changes`` in its own transaction, so that
reported + adjustments = restated at every moment that a reader can see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from django.db.models import DateField, F, Sum
from django.db.models.functions import TruncMonth

from allocation.close_models import (
    Books,
    PriorPeriodAdjustment,
    ReportedPnl,
    ReportedRevenue,
    RevenueAdjustment,
)
from allocation.core.closing import Amounts, CostKey, RevenueKey, differences, first_open, is_closed
from allocation.models import LedgerMonth, RecognisedRevenue
from finops import clock
from finops.bulk import insert_rows
from finops.core.periods import add_months, month_text
from ingestion.models import Load

_ROW = 1
_KEY = CostKey._fields[1:]
_AMOUNTS = ("billed_cost", "effective_cost")


def lock() -> Books:
    """The row of the books, locked until the transaction ends: closing and loading take turns."""
    Books.objects.get_or_create(pk=_ROW)
    return Books.objects.select_for_update().get(pk=_ROW)


def closed_through() -> date | None:
    """The last closed month; every month before it is closed too."""
    return Books.objects.filter(pk=_ROW).values_list("closed_through", flat=True).first()


def ledger_costs(months: Iterable[date]) -> dict[CostKey, Amounts]:
    """Billed and effective cost of these months as the ledger holds them now."""
    keys = [name for name in _KEY if name != "billing_period"]
    rows = (
        LedgerMonth.objects.filter(month__in=list(months))
        .order_by()
        .annotate(bill=F("load__billing_period"))
        .values_list("month", "bill", *keys)
        .annotate(billed=Sum("billed_cost"), effective=Sum("effective_cost"))
    )
    found: dict[CostKey, Amounts] = {}
    for month, bill, source, *rest, billed, effective in rows.iterator():
        found[CostKey(month, source, bill, *rest)] = (billed, effective)
    return found


def ledger_revenue(*, through: date, since: date | None = None) -> dict[RevenueKey, Amounts]:
    """Recognised revenue by month, up to and including the month ``through``."""
    rows = RecognisedRevenue.objects.filter(day__lt=add_months(through, 1))
    if since is not None:
        rows = rows.filter(day__gte=since)
    grouped = (
        rows.order_by()
        .annotate(month=TruncMonth("day", output_field=DateField()))
        .values_list("month", "tenant_id", "currency")
        .annotate(total=Sum("amount"))
    )
    return {RevenueKey(*row[:3]): (row[3],) for row in grouped}


def book_cost_changes(*, load: Load, months: Iterable[date]) -> int:
    """Book what ``load`` changed of closed ``months``; how many adjustments that were.

    Call it at the end of the transaction that wrote the ledger: nobody else commits a load until that ends.
    """
    through = lock().closed_through
    closed = [month for month in sorted(set(months)) if is_closed(month, through)]
    if through is None or not closed:
        return 0
    reported = (
        ReportedPnl.objects.filter(closed__month__in=closed, closed__reopened_at__isnull=True)
        .order_by()
        .values_list("closed__month", *_KEY)
        .annotate(billed=Sum("billed_cost"), effective=Sum("effective_cost"))
    )
    booked = (
        PriorPeriodAdjustment.objects.filter(cost_month__in=closed)
        .order_by()
        .values_list("cost_month", *_KEY)
        .annotate(billed=Sum("billed_cost"), effective=Sum("effective_cost"))
    )
    left = differences(ledger_costs(closed), _by_key(reported), _by_key(booked))
    why = (
        f"{load.source.slug} delivered its bill of {month_text(load.billing_period)} again or late."
    )
    now, into = clock.now(), first_open(through)
    return insert_rows(
        PriorPeriodAdjustment,
        ("cost_month", *_KEY, *_AMOUNTS, "booked_month", "load_id", "why", "made_at"),
        ((*key, *amounts, into, load.pk, why, now) for key, amounts in sorted_items(left)),
    )


def book_revenue_changes(*, why: str) -> int:
    """Book what changed of the revenue of closed months; how many adjustments that were."""
    through = lock().closed_through
    if through is None:
        return 0
    reported = ReportedRevenue.objects.filter(closed__reopened_at__isnull=True).values_list(
        "closed__month", "tenant_id", "currency", "amount"
    )
    booked = (
        RevenueAdjustment.objects.order_by()
        .values_list("service_month", "tenant_id", "currency")
        .annotate(total=Sum("amount"))
    )
    left = differences(
        ledger_revenue(through=through),
        {RevenueKey(*row[:3]): (row[3],) for row in reported},
        {
            RevenueKey(month, tenant, currency): (total,)
            for month, tenant, currency, total in booked
        },
    )
    now, into = clock.now(), first_open(through)
    RevenueAdjustment.objects.bulk_create(
        RevenueAdjustment(
            service_month=key.month,
            booked_month=into,
            tenant_id=key.tenant_id,
            currency=key.currency,
            amount=amounts[0],
            why=why[:300],
            made_at=now,
        )
        for key, amounts in sorted(left.items())
    )
    return len(left)


def sorted_items(found: Mapping[CostKey, Amounts]) -> list[tuple[CostKey, Amounts]]:
    """In an order that does not depend on the database; what nobody bears comes first."""
    return sorted(found.items(), key=lambda item: tuple(str(part) for part in item[0]))


def _by_key(rows: Iterable[tuple[object, ...]]) -> dict[CostKey, Amounts]:
    return {CostKey(*key): (billed, effective) for *key, billed, effective in rows}  # type: ignore[arg-type, misc]  # a row of the columns above
