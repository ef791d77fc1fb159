"""Exact amounts of money: parse, round, split and show. Pure: no Django, no clock, no network.

Three precisions, each with one purpose:

* the lake keeps 18 decimals (``DECIMAL(38,18)``), every digit the provider printed;
* the database keeps 8 decimals (``finops.money.MoneyField``), what rounding leaves is named;
* pages show cents, rounded there and only there, so that shown lines foot to the shown total.

Python's default decimal context keeps 28 digits and rounds silently beyond them, which a large sum
with 18 decimals exceeds; everything here computes in ``EXACT``, which refuses to round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import (
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Adds, subtracts and multiplies money; raises ``decimal.Inexact`` rather than lose a digit."""

_ROUNDING = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, Overflow])

ZERO = Decimal(0)
CENT = Decimal("0.01")
MONEY_QUANTUM = Decimal("0.00000001")
LAKE_QUANTUM = Decimal("0.000000000000000001")
TAIL_UNITS = 10**10
"""A tail counts units of 1e-18 inside one unit of 1e-8."""

MAX_AMOUNT_TEXT = 64
"""No provider prints an amount with more characters."""
_MAX_INTEGER_DIGITS = 20
NEXT_TO_NOTHING = r"[eE]-0*([4-9][0-9]|[1-9][0-9]{2})"
"""An exponent below -39, as in the smallest doubles: no price, and an exact sum would need its digits."""


class AmountError(ValueError):
    """A text that is no amount; the message is one clause that completes "the cost …"."""


def parse_amount(text: str) -> Decimal:
    """Read one amount exactly, plain (``-0.0104``) or scientific (``1.24889E-5``).

    Raises ``AmountError`` for anything that is not a finite number below 1e20 in magnitude, and for exponents
    below -39.
    """
    stripped = text.strip()
    if not stripped:
        msg = "is empty"
        raise AmountError(msg)
    if len(stripped) > MAX_AMOUNT_TEXT:
        msg = f"is {len(stripped)} characters long"
        raise AmountError(msg)
    if re.search(NEXT_TO_NOTHING, stripped):
        msg = "is closer to 0 than any price"
        raise AmountError(msg)
    try:
        # Python would also take digits of other scripts and underscores between them.
        value = Decimal(stripped if stripped.isascii() and "_" not in stripped else "?")
    except InvalidOperation:
        msg = "is not a number"
        raise AmountError(msg) from None
    if not value.is_finite():
        msg = "is not a finite number"
        raise AmountError(msg)
    if value.adjusted() >= _MAX_INTEGER_DIGITS:
        msg = "is larger than any bill (20 digits before the point)"
        raise AmountError(msg)
    return value


def exact_sum(values: Iterable[Decimal]) -> Decimal:
    """The sum of ``values`` with every digit kept."""
    total = ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total


def to_lake(value: Decimal) -> Decimal:
    """``value`` at the lake's 18 decimals, half away from zero, as the engine's cast rounds."""
    return value.quantize(LAKE_QUANTUM, rounding=ROUND_HALF_UP, context=_ROUNDING)


def to_money(value: Decimal) -> Decimal:
    """``value`` at the database's 8 decimals, half to even."""
    return value.quantize(MONEY_QUANTUM, rounding=ROUND_HALF_EVEN, context=_ROUNDING)


def to_cents(value: Decimal) -> Decimal:
    """``value`` in cents, half away from zero, as an invoice rounds. For showing only."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP, context=_ROUNDING)


def split_exact(value: Decimal) -> tuple[Decimal, int]:
    """Split an 18-decimal amount into 8 decimals (towards minus infinity) and a tail of 1e-18 units.

    ``split_exact(Decimal("-1.5436190783"))`` is ``(Decimal("-1.54361908"), 1700000000)``; because the
    tail is never negative, equal amounts have equal parts and a database can compare them.
    """
    head = value.quantize(MONEY_QUANTUM, rounding=ROUND_FLOOR, context=_ROUNDING)
    tail = EXACT.multiply(EXACT.subtract(value, head), Decimal(10**18))
    if tail != tail.to_integral_value():
        msg = f"{value} has more than 18 decimals"
        raise AmountError(msg)
    return head, int(tail)


def join_exact(head: Decimal, tail: int) -> Decimal:
    """The inverse of ``split_exact``."""
    return EXACT.add(head, EXACT.multiply(Decimal(tail), LAKE_QUANTUM))


def plain(value: Decimal) -> str:
    """``value`` as plain text with no exponent and no trailing zeros: ``-1.5436190783``, ``0``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def money_text(value: Decimal, currency: str) -> str:
    """``value`` in cents with thousands and its currency: ``-1,234.50 USD``. For showing only."""
    return f"{to_cents(value):,.2f} {currency}"


def ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    """``part / whole`` to 10 decimals, or ``None`` where ``whole`` is zero (a ratio is not money)."""
    if not whole:
        return None
    return _ROUNDING.divide(part, whole).quantize(Decimal("0.0000000001"), context=_ROUNDING)


def split_by_weights(
    amount: Decimal, weights: Sequence[Decimal | int], *, quantum: Decimal = MONEY_QUANTUM
) -> list[Decimal]:
    """Split ``amount`` in proportion to ``weights`` so that the parts sum to it exactly.

    Largest remainder in units of ``quantum``; ties go to the earlier weight. Negative amounts split
    as their mirror image. All-zero weights split evenly. Raises ``AmountError`` where there is no
    weight, a weight is negative, or ``amount`` is finer than ``quantum``.
    """
    if not weights:
        msg = "cannot be split over nobody"
        raise AmountError(msg)
    if any(weight < 0 for weight in weights):
        msg = "cannot be split by a negative weight"
        raise AmountError(msg)
    scaled = [Decimal(weight) for weight in weights]
    if not any(scaled):
        scaled = [Decimal(1)] * len(scaled)
    units_exact = _ROUNDING.divide(amount, quantum)
    if units_exact != units_exact.to_integral_value():
        msg = f"{amount} is finer than {quantum}"
        raise AmountError(msg)
    units = abs(int(units_exact))
    # Integers from here on: a common power of ten turns decimal weights into whole ones.
    exponent = min(int(weight.as_tuple().exponent) for weight in scaled)
    whole = [int(EXACT.scaleb(weight, -min(exponent, 0))) for weight in scaled]
    total = sum(whole)
    shares = [units * weight // total for weight in whole]
    remainders = [units * weight % total for weight in whole]
    left = units - sum(shares)
    for index in sorted(range(len(whole)), key=lambda i: (-remainders[i], i))[:left]:
        shares[index] += 1
    sign = -1 if amount < 0 else 1
    return [EXACT.multiply(Decimal(sign * share), quantum) for share in shares]


def foot(values: Sequence[Decimal]) -> list[Decimal]:
    """Round ``values`` to cents so that they add up to their rounded total.

    Each shown value is within one cent of the true one, and a value that is exactly zero stays zero.
    """
    total_cents = int(EXACT.scaleb(to_cents(exact_sum(values)), 2))
    scaled = [EXACT.scaleb(value, 2) for value in values]
    floors = [int(value.to_integral_value(rounding=ROUND_FLOOR)) for value in scaled]
    left = total_cents - sum(floors)
    order = sorted(
        (i for i, value in enumerate(scaled) if value != floors[i]),
        key=lambda i: (-(scaled[i] - floors[i]), i),
    )
    # The rounded total lies between the floors and the ceilings, so there are fractions enough.
    for index in order[:left]:
        floors[index] += 1
    return [EXACT.scaleb(Decimal(value), -2) for value in floors]
