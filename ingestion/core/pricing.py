"""What a month's quantity costs under one price: exact, with what is included, tiers and rounding. Pure.

Included quantities, tiers, fees and minimums belong to one account and one month, so cost is computed on
the month's whole quantity and then split: at the *average* rate over who caused it, while a saving is
worth the *marginal* rate (a request below the included quantity saves nothing).

Quantities are in the meter's own unit (bytes, requests), rates are money per one of them, as fractions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TypeVar

from finops.core.amounts import EXACT, LAKE_QUANTUM, ZERO, split_by_weights

Quantity = int | Decimal | Fraction
K = TypeVar("K")

_MOST_DECIMALS = 60
_LAKE_DECIMALS = 18


class PriceError(ValueError):
    """A price or a quantity that cannot be computed with; the message is one sentence."""


class Rounding(StrEnum):
    """How usage is rounded before it is charged."""

    EXACT = "exact"
    UP = "up"


@dataclass(frozen=True)
class Tier:
    """``unit_price`` holds for the units beyond ``above``, counted after what is included."""

    above: Decimal
    unit_price: Decimal


@dataclass(frozen=True)
class Price:
    """One price of one meter, for everyone (``account`` empty) or for one account.

    ``unit`` is what the vendor prices (``GB``, ``million requests``), ``unit_size`` how many of the meter's
    quantity it holds. ``included`` and the bounds of ``tiers`` count units, per account and month;
    ``monthly_fee`` comes on top of usage, ``minimum_charge`` is what usage costs at least. Amounts are in
    ``currency``. It holds from ``valid_from`` until, and without, ``valid_until``. ``version`` is the id of
    the row that it was read from, 0 where it was not.
    """

    provider: str
    meter: str
    unit: str
    unit_size: int
    unit_price: Decimal
    valid_from: date
    valid_until: date | None = None
    account: str = ""
    currency: str = "USD"
    tiers: tuple[Tier, ...] = ()
    included: Decimal = ZERO
    rounding: Rounding = Rounding.EXACT
    monthly_fee: Decimal = ZERO
    minimum_charge: Decimal = ZERO
    source: str = ""
    source_read_on: date | None = None
    note: str = ""
    version: int = 0

    def holds_on(self, day: date) -> bool:
        """Whether it is in force on ``day``."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)


@dataclass(frozen=True)
class MeterCost:
    """What one meter costs an account in one month, and the price that says so."""

    meter: str
    quantity: Fraction
    cost: Decimal
    price: Price

    @property
    def currency(self) -> str:
        """Of ``cost``."""
        return self.price.currency


def decimal_of(value: Fraction) -> Decimal:
    """``value`` exactly, where it ends within 60 decimals; else at the lake's 18 decimals, half to even."""
    left, places = value.denominator, 0
    while left % 10 == 0:
        left, places = left // 10, places + 1
    for factor in (2, 5):
        while left % factor == 0:
            left, places = left // factor, places + 1
    if left != 1 or places > _MOST_DECIMALS:
        places = _LAKE_DECIMALS
    return Decimal(round(value * 10**places)).scaleb(-places, EXACT)


def month_average(daily: Sequence[Quantity], days: int) -> Fraction:
    """The average of a level over a billing period of ``days``: a byte-month per byte held all along.

    R2 takes the peak of each day and 30 days; days that are not given held nothing.
    Raises ``PriceError`` where there are more values than days.
    """
    if len(daily) > days or days < 1:
        msg = f"{len(daily)} days do not fit into a billing period of {days} days."
        raise PriceError(msg)
    return sum((_exact(level) for level in daily), Fraction(0)) / days


def cost(price: Price, quantity: Quantity) -> Decimal:
    """What ``quantity`` costs an account in one month, in ``price.currency``.

    Exact, as ``decimal_of`` says. Raises ``PriceError`` for a negative quantity.
    """
    return decimal_of(_cost(price, quantity))


def average_rate(price: Price, quantity: Quantity) -> Fraction | None:
    """Cost per one of the quantity, exact; ``None`` where nothing was used: a fee for nothing has no rate."""
    exact = _exact(quantity)
    return _cost(price, exact) / exact if exact else None


def marginal_rate(price: Price, quantity: Quantity) -> Fraction:
    """What one more costs beyond ``quantity``, exact: 0 below what is included and below the minimum.

    Rounding is left aside: within a started billing unit the next operation is free, yet a million of
    them are not.
    """
    units = _exact(quantity) / price.unit_size
    beyond = units - Fraction(price.included)
    if beyond < 0 or _usage_cost(price, units) < Fraction(price.minimum_charge):
        return Fraction(0)
    unit_price = price.unit_price
    for tier in price.tiers:
        if beyond >= Fraction(tier.above):
            unit_price = tier.unit_price
    return Fraction(unit_price) / price.unit_size


def cost_of_share(price: Price, usage: Mapping[K, Quantity]) -> dict[K, Decimal]:
    """A month's cost of an account over its consumers, at the average rate; the parts sum to it exactly.

    Ties of the largest remainder go to who comes first in ``usage``. Where nobody used anything, a fee is
    shared evenly. Raises ``finops.core.amounts.AmountError`` where there is no consumer.
    """
    total = sum((_exact(quantity) for quantity in usage.values()), Fraction(0))
    return split_cost(cost(price, total), usage)


def split_cost(amount: Decimal, usage: Mapping[K, Quantity]) -> dict[K, Decimal]:
    """``amount`` in proportion to ``usage``, in units of 1e-18, or finer where ``amount`` is finer."""
    weights = [_exact(quantity) for quantity in usage.values()]
    common = math.lcm(*(weight.denominator for weight in weights))
    exponent = min(int(LAKE_QUANTUM.as_tuple().exponent), int(amount.as_tuple().exponent))
    parts = split_by_weights(
        amount, [int(weight * common) for weight in weights], quantum=Decimal(1).scaleb(exponent)
    )
    return dict(zip(usage, parts, strict=True))


def month_cost(
    prices: Mapping[str, Price], usage: Mapping[str, Quantity]
) -> tuple[tuple[MeterCost, ...], tuple[str, ...]]:
    """What an account's month costs, meter by meter, and a sentence for each meter that has no price.

    ``prices`` and ``usage`` are by meter. A meter without usage is not charged: name it with 0 where a
    fee is due all the same.
    """
    costs, problems = [], []
    for meter, quantity in usage.items():
        price = prices.get(meter)
        if price is None:
            problems.append(f"{meter} has no price: add one to the price list.")
            continue
        costs.append(MeterCost(meter, _exact(quantity), cost(price, quantity), price))
    return tuple(costs), tuple(problems)


def _exact(quantity: Quantity) -> Fraction:
    if isinstance(quantity, float) or (isinstance(quantity, Decimal) and not quantity.is_finite()):
        msg = f"{quantity} is not a quantity."
        raise PriceError(msg)
    exact = Fraction(quantity)
    if exact < 0:
        msg = f"A quantity cannot be negative: {quantity}."
        raise PriceError(msg)
    return exact


def _cost(price: Price, quantity: Quantity) -> Fraction:
    usage = _usage_cost(price, _exact(quantity) / price.unit_size)
    return Fraction(price.monthly_fee) + max(usage, Fraction(price.minimum_charge))


def _usage_cost(price: Price, units: Fraction) -> Fraction:
    if price.rounding is Rounding.UP:
        units = Fraction(math.ceil(units))
    beyond = max(units - Fraction(price.included), Fraction(0))
    bounds = [Fraction(0), *(Fraction(tier.above) for tier in price.tiers)]
    unit_prices = [price.unit_price, *(tier.unit_price for tier in price.tiers)]
    total = Fraction(0)
    for index, (low, unit_price) in enumerate(zip(bounds, unit_prices, strict=True)):
        high = bounds[index + 1] if index + 1 < len(bounds) else beyond
        total += max(min(beyond, high) - low, Fraction(0)) * Fraction(unit_price)
    return total
