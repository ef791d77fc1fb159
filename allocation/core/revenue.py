"""Revenue recognised straight-line: an invoiced amount spread over its service days. Pure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from finops.core.amounts import split_by_weights
from finops.core.periods import Window


def recognise(amount: Decimal, window: Window) -> list[tuple[date, Decimal]]:
    """``amount`` split evenly over the days of ``window``; the parts sum to it exactly.

    Amounts have 8 decimals; the 1e-8 that cannot be split evenly go to the first days.
    """
    parts = split_by_weights(amount, [1] * window.days)
    return list(zip(window.each_day(), parts, strict=True))
