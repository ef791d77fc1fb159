"""Monthly lines belong to every day of their charge period: exact shares of whole units. Pure.

A fee or a tax that is charged once for a month would make one day dear and the others cheap. What a
billing period can bear are its own days: a fee for a year is spread over the month that bills it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from finops.core.amounts import EXACT
from finops.core.periods import add_months, month_start


def days_of(start: date, until: date, billing_period: date) -> list[date]:
    """The days from ``start`` until (and without) ``until`` that lie in the billing period.

    Where none does, the first day alone: a late line keeps its own date.
    """
    first = max(start, month_start(billing_period))
    last = min(until, add_months(month_start(billing_period), 1))
    if last <= first:
        return [start]
    return [first + timedelta(days=number) for number in range((last - first).days)]


def shares(amount: Decimal, days: int, quantum: Decimal) -> Sequence[Decimal]:
    """``amount``, a multiple of ``quantum``, over days that differ by one quantum at most.

    Their sum is the amount; the first days bear what is left over.
    """
    units = int(amount.scaleb(-int(quantum.as_tuple().exponent), EXACT))
    each, left = divmod(abs(units), days)
    sign = -1 if units < 0 else 1
    return [
        EXACT.multiply(Decimal(sign * (each + (number < left))), quantum) for number in range(days)
    ]
