"""Keep what was estimated for each day, and put beside it what the bill says once it has come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from django.db import transaction

from finops.core.amounts import EXACT, ZERO, to_money
from finops.core.periods import month_start
from ingestion.core.estimates import estimated_cost
from ingestion.core.frontier import Bill, billed_through
from ingestion.estimate_models import BilledMeter, MeterDay
from ingestion.estimate_rates import Rates
from ingestion.selectors import current_bills

_DAY = timedelta(days=1)
_PLACES = Decimal("0.0001")


def keep_estimates(
    days: Mapping[tuple[str, str, date], Decimal],
    complete: Mapping[str, datetime],
    bills: Sequence[Bill],
    rates: Rates,
    *,
    now: datetime,
    first: date,
) -> None:
    """Write down the estimate of each whole day from ``first`` on that no bill has reached the end of.

    What was written down of a day that a bill has reached stays as it was: it is what people saw before.
    """
    quantities: dict[tuple[str, date, str], Decimal] = defaultdict(Decimal)
    costs: dict[tuple[str, date, str], Decimal] = defaultdict(Decimal)
    accounts: dict[tuple[str, date, str], set[str]] = defaultdict(set)
    for (meter, account, day), quantity in sorted(days.items()):
        start = datetime.combine(day, time(), UTC)
        if day < first or start + _DAY > complete[meter]:
            continue
        through = billed_through(bills, meter=meter, account=account, month=month_start(day))
        if through is not None and through >= start + _DAY:
            continue
        rate = rates.of(meter, account, start)
        if rate is None or not rate.per_unit:
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


def compare(bills: Sequence[Bill], *, now: datetime) -> int:
    """Put what bills say beside each estimate whose day they have reached the end of; how many days changed.

    A bill that is restated is compared anew, one that is withdrawn no longer.
    """
    kept = list(MeterDay.objects.order_by("pk"))
    billed = _billed({row.meter for row in kept})
    changed: list[MeterDay] = []
    for row in kept:
        found = _found(row, billed) if _is_covered(row, bills) else None
        told = (None, None, False) if found is None else found
        if (row.billed_quantity, row.billed_cost, row.is_monthly) != told:
            row.billed_quantity, row.billed_cost, row.is_monthly = told
            row.compared_at = None if found is None else now
            changed.append(row)
    with transaction.atomic():
        MeterDay.objects.bulk_update(
            changed,
            ["billed_quantity", "billed_cost", "is_monthly", "compared_at"],
            batch_size=500,
        )
    return len(changed)


_Billed = tuple[Decimal | None, Decimal, bool]


def _billed(meters: set[str]) -> dict[tuple[str, date, str], list[tuple[str, _Billed]]]:
    rows = BilledMeter.objects.filter(load__in=current_bills(), meter__in=meters)
    found: dict[tuple[str, date, str], list[tuple[str, _Billed]]] = defaultdict(list)
    for row in rows.order_by("pk"):
        found[row.meter, row.day, row.billing_currency].append(
            (row.account, (row.quantity, row.billed_cost, row.is_monthly))
        )
    return found


def _is_covered(row: MeterDay, bills: Sequence[Bill]) -> bool:
    end = datetime.combine(row.day, time(), UTC) + _DAY
    return all(
        (
            through := billed_through(
                bills, meter=row.meter, account=account, month=month_start(row.day)
            )
        )
        is not None
        and through >= end
        for account in row.accounts
    )


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
