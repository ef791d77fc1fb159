"""The closed books: their lock, and what becomes known of closed months booked as adjustments.

Whatever writes the ledger calls ``book_cost_changes`` or ``book_revenue_changes`` in its own transaction, and so do
settlements of invoices and new exchange rates (``settings.PIPELINE``), so that reported + adjustments = restated at
every moment that a reader can see, in the reporting currency, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import DateField, F, Sum
from django.db.models.functions import TruncMonth

from allocation.close_models import (
    Books,
    PriorPeriodAdjustment,
    ReportedPnl,
    ReportedRevenue,
    RevenueAdjustment,
)
from allocation.closed_rates import freeze_late, reported_rates, restated_rates
from allocation.core.closing import (
    Amounts,
    AtRate,
    CostKey,
    RevenueKey,
    differences,
    first_open,
    is_closed,
)
from allocation.models import LedgerMonth, RecognisedRevenue
from finops import clock
from finops.bulk import insert_rows
from finops.core.amounts import plain
from finops.core.periods import add_months, month_text
from ingestion.invoices import settled_sources
from ingestion.models import Load

_ROW = 1
_KEY = CostKey._fields[1:]
_RATE = ("quote", "rate", "is_exchange")
_AMOUNTS = ("billed_cost", "effective_cost")
_Key = TypeVar("_Key", bound=tuple[Any, ...])


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
    why = (
        f"{load.source.slug} delivered its bill of {month_text(load.billing_period)} again or late."
    )
    return _book(months, why=why, load=load)


def book_settlements(*, supplier: str, months: Iterable[date]) -> int:
    """Book what the rates that invoices of ``supplier`` were paid at change of closed ``months``."""
    return _book(months, why=f"The rate that an invoice of {supplier} was paid at has changed.")


def book_rates() -> int:
    """Book amounts of closed months that had no rate until now, at the rate of their month."""
    through = lock().closed_through
    if through is None:
        return 0
    late = freeze_late(through=through)
    why = "A rate became known for a currency that had none."
    booked = _book(late, why=why)
    return booked + (_book_revenue(through, why=why) if late else 0)


def book_revenue_changes(*, why: str) -> int:
    """Book what changed of the revenue of closed months; how many adjustments that were."""
    through = lock().closed_through
    if through is None:
        return 0
    late = freeze_late(through=through)
    return _book_revenue(through, why=why) + _book(late, why=why)


def _book(months: Iterable[date], *, why: str, load: Load | None = None) -> int:
    through = lock().closed_through
    closed = [month for month in sorted(set(months)) if is_closed(month, through)]
    if through is None or not closed:
        return 0
    late = freeze_late(through=through, months=closed)
    reported = (
        ReportedPnl.objects.filter(closed__month__in=closed, closed__reopened_at__isnull=True)
        .order_by()
        .values_list("closed__month", *_KEY)
        .annotate(billed=Sum("billed_cost"), effective=Sum("effective_cost"))
    )
    booked = (
        PriorPeriodAdjustment.objects.filter(cost_month__in=closed)
        .order_by()
        .values_list("cost_month", *_KEY, *_RATE)
        .annotate(billed=Sum("billed_cost"), effective=Sum("effective_cost"))
    )
    known: dict[AtRate, Amounts] = {}
    for *key, quote, rate, is_exchange, billed, effective in booked:
        known[AtRate(CostKey(*key), quote, Decimal(rate), is_exchange)] = (billed, effective)
    now_known = restated_rates(closed)
    left = differences(
        now_known.of_cost(ledger_costs(closed)),
        reported_rates(closed).of_cost(_by_key(reported)),
        known,
    )
    now, into = clock.now(), first_open(through)
    paid = _words_of_settlements()
    count = insert_rows(
        PriorPeriodAdjustment,
        ("cost_month", *_KEY, *_RATE, *_AMOUNTS, "booked_month", "load_id", "why", "made_at"),
        (
            (
                *(*at.key, at.quote, plain(at.rate), at.is_exchange, *amounts, into),
                load.pk if load else None,
                (paid.get(at.key.source_id, why) if at.is_exchange else why)[:300],  # type: ignore[union-attr]  # a CostKey
                now,
            )
            for at, amounts in sorted_items(left)
        ),
    )
    return count + (_book_revenue(through, why=why) if late else 0)


def _book_revenue(through: date, *, why: str) -> int:
    reported = ReportedRevenue.objects.filter(closed__reopened_at__isnull=True).values_list(
        "closed__month", "tenant_id", "currency", "amount"
    )
    booked = (
        RevenueAdjustment.objects.order_by()
        .values_list("service_month", "tenant_id", "currency", "quote", "rate")
        .annotate(total=Sum("amount"))
    )
    restated = ledger_revenue(through=through)
    then = {RevenueKey(*row[:3]): (row[3],) for row in reported}
    months = {key.month for key in (*restated, *then)}
    left = differences(
        restated_rates(months).of_revenue(restated),
        reported_rates(months).of_revenue(then),
        {
            AtRate(RevenueKey(month, tenant, currency), quote, Decimal(rate)): (total,)
            for month, tenant, currency, quote, rate, total in booked
        },
    )
    now, into = clock.now(), first_open(through)
    RevenueAdjustment.objects.bulk_create(
        RevenueAdjustment(
            service_month=key.month,
            booked_month=into,
            tenant_id=key.tenant_id,
            currency=key.currency,
            quote=at.quote,
            rate=plain(at.rate),
            amount=amounts[0],
            why=why[:300],
            made_at=now,
        )
        for at, amounts in sorted(left.items())
        for key in [RevenueKey(*at.key)]
    )
    return len(left)


def sorted_items(found: Mapping[_Key, Amounts]) -> list[tuple[_Key, Amounts]]:
    """In an order that does not depend on the database; what nobody bears comes first."""
    return sorted(found.items(), key=lambda item: tuple(str(part) for part in _flat(item[0])))


def _flat(key: tuple[object, ...]) -> Iterable[object]:
    for part in key:
        if isinstance(part, tuple):
            yield from part
        else:
            yield part


def _words_of_settlements() -> dict[int, str]:
    return {
        one.source_id: (
            f"{one.supplier} invoice {one.invoice_id} counts at the rate that was paid: "
            f"{plain(one.rate)} {one.settled_currency} for 1 {one.currency}."
        )
        for one in settled_sources()
    }


def _by_key(rows: Iterable[tuple[object, ...]]) -> dict[CostKey, Amounts]:
    return {CostKey(*key): (billed, effective) for *key, billed, effective in rows}  # type: ignore[arg-type, misc]  # a row of the columns above
