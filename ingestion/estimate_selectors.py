"""Reads of estimates: how they stand, and how far off they were."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from finops.core.amounts import EXACT, ZERO, exact_sum, ratio
from finops.core.periods import add_months, month_start
from ingestion.core.meters import METERS
from ingestion.estimate_models import EstimateRun, MeterDay


@dataclass(frozen=True)
class MeterError:
    """What was estimated for a meter in a month, before the bill came, against what the bill says.

    Over the days that a bill has reached the end of, ``days`` in number; ``period`` is the month's first day,
    amounts are in ``currency``. ``error`` is (estimated - billed) ÷ billed, ``mape`` the mean of the days'
    absolute errors (of days with a cost on the bill), for a bill that names months alone the month's. Both are
    ``None`` where the bill says 0. A quantity is in ``unit``; the billed one is ``None`` where the bill's unit
    says nothing.
    """

    provider: str
    meter: str
    title: str
    period: date
    currency: str
    unit: str
    days: int
    estimated: Decimal
    billed: Decimal
    estimated_quantity: Decimal
    billed_quantity: Decimal | None
    error: Decimal | None
    mape: Decimal | None
    compared_at: datetime


def meter_errors(period: date | None) -> list[MeterError]:
    """The error of each meter in the month ``period`` (its first day), or in all; the newest month first."""
    rows = MeterDay.objects.filter(compared_at__isnull=False)
    if period is not None:
        rows = rows.filter(day__gte=period, day__lt=add_months(period, 1))
    groups: dict[tuple[str, date, str], list[MeterDay]] = defaultdict(list)
    for row in rows.order_by("day", "pk"):
        groups[row.meter, month_start(row.day), row.billing_currency].append(row)
    found = [_error(*key, days) for key, days in groups.items()]
    return sorted(found, key=lambda one: (-one.period.toordinal(), one.provider, one.meter))


def last_estimate() -> EstimateRun | None:
    """How estimating stands; ``None`` before the first one."""
    return EstimateRun.objects.order_by("pk").first()


@dataclass(frozen=True)
class EstimatedRate:
    """Money per one of a meter's quantity as the last estimate had it, for usage until ``through``."""

    per_unit: Fraction
    currency: str
    through: datetime


def estimated_rate(meter: str, account: str, month: date) -> EstimatedRate | None:
    """The rate by which the ledger holds ``meter`` of ``account`` in ``month``; ``None`` where it was not estimated."""
    run = last_estimate()
    for one, whose, of_month, above, below, currency, *through in run.rates if run else []:
        if (one, whose, of_month) == (meter, account, f"{month:%Y-%m}") and through:
            rate = Fraction(int(above), int(below))
            return EstimatedRate(rate, currency, datetime.fromisoformat(through[0]))
    return None


def _error(meter: str, period: date, currency: str, days: list[MeterDay]) -> MeterError:
    estimated = exact_sum(row.estimated_cost for row in days)
    billed = exact_sum(row.billed_cost or ZERO for row in days)
    quantities = [row.billed_quantity for row in days]
    known = [quantity for quantity in quantities if quantity is not None]
    error = ratio(EXACT.subtract(estimated, billed), billed)
    return MeterError(
        provider=METERS[meter].provider,
        meter=meter,
        title=METERS[meter].title,
        period=period,
        currency=currency,
        unit=METERS[meter].quantity_unit,
        days=len(days),
        estimated=estimated,
        billed=billed,
        estimated_quantity=exact_sum(row.estimated_quantity for row in days),
        billed_quantity=exact_sum(known) if len(known) == len(quantities) else None,
        error=error,
        mape=_mape(days, error),
        compared_at=max(row.compared_at for row in days if row.compared_at is not None),
    )


def _mape(days: list[MeterDay], error: Decimal | None) -> Decimal | None:
    if any(row.is_monthly for row in days):
        return None if error is None else abs(error)
    errors = [
        abs(off)
        for row in days
        if (
            off := ratio(
                EXACT.subtract(row.estimated_cost, row.billed_cost or ZERO), row.billed_cost or ZERO
            )
        )
        is not None
    ]
    return ratio(exact_sum(errors), Decimal(len(errors)))
