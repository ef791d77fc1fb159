"""Money and usage as whole numbers of 1e-10, and as the text AWS prints. No binary fractions.

Unit of every ``int`` amount here and in the rest of the package: 1e-10 of a US dollar, or 1e-10 of
the usage unit. AWS rounds line costs to ten decimals, so nothing is lost.
"""

from __future__ import annotations

from decimal import Decimal

UNIT = 10**10
"""How many steps make one dollar, or one unit of usage."""

_SMALLEST_PLAIN = UNIT // 1000
_LARGEST_PLAIN = UNIT * 10**7


def from_decimal(value: Decimal) -> int:
    """Dollars or usage units as steps; digits beyond the tenth decimal are cut."""
    return int(value * UNIT)


def to_decimal(steps: int) -> Decimal:
    """Steps as an exact amount of dollars or usage units."""
    return Decimal(steps).scaleb(-10)


def plain(steps: int) -> str:
    """An amount in plain notation without an exponent, for records that people read."""
    return format(to_decimal(steps), "f")


def java_double(steps: int) -> str:
    """An amount as AWS prints a double: ``0.768``, ``1.24889E-5``, ``2.5E7``, ``0.0``.

    Plain from 0.001 to below ten million, scientific elsewhere, always one digit behind the point.
    """
    if steps < 0:
        return "-" + java_double(-steps)
    if _SMALLEST_PLAIN <= steps < _LARGEST_PLAIN:
        whole, rest = divmod(steps, UNIT)
        return f"{whole}.{f'{rest:010d}'.rstrip('0') or '0'}"
    if steps == 0:
        return "0.0"
    text = str(steps)
    return f"{text[0]}.{text[1:].rstrip('0') or '0'}E{len(text) - 11}"


def rate_text(steps: int) -> str:
    """A rate as AWS prints it: ten decimals, ``0.0230000000``."""
    whole, rest = divmod(steps, UNIT)
    return f"{whole}.{rest:010d}"


def cost_of(amount: int, rate: int) -> int:
    """Usage times rate in dollar steps, rounded half up at the tenth decimal."""
    return (amount * rate + UNIT // 2) // UNIT
