"""Keep what was estimated for each day, and put beside it what the bill says once it has come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from django.db import transaction

from finops.core.amounts import EXACT, ZERO, to_money
from finops.core.periods import add_months
from ingestion.core.estimates import estimated_cost
from ingestion.core.frontier import Covers
from ingestion.estimate_models import BilledMeter, MeterDay
from ingestion.estimate_rates import Rates
from ingestion.selectors import current_bills

_DAY = timedelta(days=1)
_PLACES = Decimal("0.0001")


def keep_estimates(
    days: Mapping[tuple[str, str, date], Decimal],
    complete: Mapping[str, datetime],
    covers: Covers,
    rates: Rates,
    *,
    now: datetime,
    first: date,
) -> None:
    """Write down the estimate of each whole day from ``first`` on that no bill has reached the end of.

    What was written down of a day that a bill has reached once stays as it was: it is what people saw before, and
    what is estimated after a bill was seen would know what it is compared with.
    """
    frozen = set(
        MeterDay.objects.filter(day__gte=first, is_frozen=True).values_list(
            "meter", "day", "billing_currency"
        )
    )
    quantities: dict[tuple[str, date, str], Decimal] = defaultdict(Decimal)
    costs: dict[tuple[str, date, str], Decimal] = defaultdict(Decimal)
    accounts: dict[tuple[str, date, str], set[str]] = defaultdict(set)
    for (meter, account, day), quantity in sorted(days.items()):
        start = datetime.combine(day, time(), UTC)
        if day < first or start + _DAY > complete[meter]:
            continue
        if covers.holds_day(meter, account, day):
            continue
        rate = rates.of(meter, account, start)
        if rate is None or not rate.per_unit or (meter, day, rate.currency) in frozen:
            continue
        key = (meter, day, rate.currency)
        quantities[key] = EXACT.add(quantities[key], quantity)
        costs[key] = EXACT.add(costs[key], estimated_cost(quantity, rate))
        accounts[key].add(account)
    MeterDay.objects.bulk_create(
        [
            MeterDay(
                meter=meter,
                day=day,
                billing_currency=currency,
                accounts=sorted(accounts[meter, day, currency]),
                estimated_quantity=quantity.quantize(_PLACES, rounding=ROUND_HALF_EVEN),
                estimated_cost=to_money(costs[meter, day, currency]),
                estimated_at=now,
            )
            for (meter, day, currency), quantity in quantities.items()
        ],
        update_conflicts=True,
        unique_fields=["meter", "day", "billing_currency"],
        update_fields=["accounts", "estimated_quantity", "estimated_cost", "estimated_at"],
        batch_size=500,
    )


def compare(covers: Covers, months: Sequence[date], *, now: datetime) -> int:
    """Put what bills say beside each estimate of ``months`` whose day they cover; how many days changed.

    A bill that is restated is compared anew, one that is withdrawn no longer.
    """
    changed: list[MeterDay] = []
    for month in months:
        days = {"day__gte": month, "day__lt": add_months(month, 1)}
        kept = list(MeterDay.objects.filter(**days).order_by("pk"))
        billed = _billed({row.meter for row in kept}, month)
        for row in kept:
            is_covered = all(
                covers.holds_day(row.meter, account, row.day) for account in row.accounts
            )
            found = _found(row, billed) if is_covered else None
            told = (None, None, False) if found is None else found
            if (row.billed_quantity, row.billed_cost, row.is_monthly) != told:
                row.billed_quantity, row.billed_cost, row.is_monthly = told
                row.compared_at = None if found is None else now
                row.is_frozen = row.is_frozen or found is not None
                changed.append(row)
    with transaction.atomic():
        MeterDay.objects.bulk_update(
            changed,
            ["billed_quantity", "billed_cost", "is_monthly", "is_frozen", "compared_at"],
            batch_size=500,
        )
    return len(changed)


_Billed = tuple[Decimal | None, Decimal, bool]


def _billed(
    meters: set[str], month: date
) -> dict[tuple[str, date, str], list[tuple[str, _Billed]]]:
    rows = BilledMeter.objects.filter(
        load__in=current_bills().filter(billing_period=month), meter__in=meters
    )
    found: dict[tuple[str, date, str], list[tuple[str, _Billed]]] = defaultdict(list)
    for row in rows.order_by("pk"):
        found[row.meter, row.day, row.billing_currency].append(
            (row.account, (row.quantity, row.billed_cost, row.is_monthly))
        )
    return found


def _found(
    row: MeterDay, billed: Mapping[tuple[str, date, str], list[tuple[str, _Billed]]]
) -> _Billed:
    """What bills charge the accounts that were estimated; an account that is not told is any."""
    quantity: Decimal | None = ZERO
    cost, is_monthly = ZERO, False
    for account, (part, amount, monthly) in billed.get(
        (row.meter, row.day, row.billing_currency), []
    ):
        if account and "" not in row.accounts and account not in row.accounts:
            continue
        quantity = None if quantity is None or part is None else EXACT.add(quantity, part)
        cost = EXACT.add(cost, amount)
        is_monthly = is_monthly or monthly
    return quantity, cost, is_monthly
