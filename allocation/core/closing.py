"""Closed months: what later knowledge adds to what was reported, and the digest of a report. Pure.

The rule that everything here serves, for every key: reported + adjustments booked = restated, to the last digit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from finops.core.amounts import EXACT, ZERO, plain
from finops.core.periods import add_months

PRIOR_PERIOD = "Prior-period adjustments"
"""The line of a statement that bears what became known of closed months."""
EXCHANGE = "Prior-period exchange differences"
"""The line that bears what amounts of closed months are worth more, since they were paid at another rate."""

ONE = Decimal(1)
_Key = TypeVar("_Key", bound=Hashable)
Amounts = tuple[Decimal, ...]


class CostKey(NamedTuple):
    """What reported cost is about; ``source`` and ``tenant`` are ids, ``month`` a first day."""

    month: date
    source_id: int
    billing_period: date
    tenant_id: int | None
    environment: str
    product: str
    team: str
    service_provider_name: str
    service_category: str
    charge_category: str
    confidence: Decimal
    billing_currency: str
    kind: str


class RevenueKey(NamedTuple):
    """What reported revenue is about."""

    month: date
    tenant_id: int
    currency: str


class AtRate(NamedTuple):
    """An amount's key with what one unit of its currency is worth in ``quote``; 0 where no rate is known.

    With ``is_exchange`` the amount is one that stands already, and ``rate`` what it is worth more or less than there.
    """

    key: CostKey | RevenueKey
    quote: str
    rate: Decimal
    is_exchange: bool = False


@dataclass(frozen=True)
class Rates:
    """What amounts of closed months are worth: the one decision that reports and adjustments share.

    ``quotes`` is by month the currency that its figures are told in, ``rates`` by month and currency one unit's worth
    in it, and ``settled`` by month, source id and currency the rate that an invoice was paid at.
    """

    quotes: Mapping[date, str]
    rates: Mapping[tuple[date, str], Decimal]
    settled: Mapping[tuple[date, int, str], Decimal] = field(default_factory=dict)

    def of_cost(self, costs: Mapping[CostKey, Amounts]) -> dict[AtRate, Amounts]:
        """Costs at the rates of their months; what an invoice was paid above or below it is apart."""
        found: dict[AtRate, Amounts] = {}
        for key, amounts in costs.items():
            quote, rate, above = self.of_row(key.month, key.source_id, key.billing_currency)
            found[AtRate(key, quote, rate)] = amounts
            if above:
                found[AtRate(key, quote, above, True)] = amounts
        return found

    def of_row(self, month: date, source_id: int, currency: str) -> tuple[str, Decimal, Decimal]:
        """The currency it is told in, the rate of the month, and what it was paid above that (or, below 0, under)."""
        quote, rate = self._rate(month, currency)
        paid = self.settled.get((month, source_id, currency))
        if paid is None:
            return quote, rate, ZERO
        if not rate:
            return quote, paid, ZERO  # without a rate of the month the payment's is the only one
        return quote, rate, EXACT.subtract(paid, rate)

    def of_revenue(self, revenue: Mapping[RevenueKey, Amounts]) -> dict[AtRate, Amounts]:
        """Revenue at the rates of its months."""
        return {
            AtRate(key, *self._rate(key.month, key.currency)): amounts
            for key, amounts in revenue.items()
        }

    def _rate(self, month: date, currency: str) -> tuple[str, Decimal]:
        quote = self.quotes[month]
        return quote, ONE if currency == quote else self.rates.get((month, currency), ZERO)


def worth(found: AtRate, amount: Decimal) -> Decimal:
    """``amount`` in the key's ``quote``, exact."""
    return EXACT.multiply(amount, found.rate)


def is_closed(month: date, closed_through: date | None) -> bool:
    """Whether the books of ``month`` are closed; a month without any figures closes with the next one."""
    return closed_through is not None and month <= closed_through


def first_open(closed_through: date) -> date:
    """The month that bears what becomes known of closed ones."""
    return add_months(closed_through, 1)


def differences(
    restated: Mapping[_Key, Amounts],
    reported: Mapping[_Key, Amounts],
    booked: Mapping[_Key, Amounts],
) -> dict[_Key, Amounts]:
    """What is still to be booked, by key: restated − reported − booked, where any amount is not zero."""
    found: dict[_Key, Amounts] = {}
    for key in dict.fromkeys([*restated, *reported, *booked]):
        size = len(restated.get(key) or reported.get(key) or booked[key])
        none: Amounts = (ZERO,) * size
        columns = zip(
            restated.get(key, none), reported.get(key, none), booked.get(key, none), strict=True
        )
        left = tuple(
            EXACT.subtract(EXACT.subtract(now, then), since) for now, then, since in columns
        )
        if any(left):
            found[key] = left
    return found


def digest(tables: Mapping[str, Iterable[tuple[Any, ...]]]) -> str:
    """SHA-256 over rows of named tables, whatever their order; amounts in plain digits."""
    lines = [
        "\x1f".join([name, *(_text(value) for value in row)])
        for name, rows in tables.items()
        for row in rows
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _text(value: Any) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)
