"""How much a month will have used at its end, from the days that are known. Pure.

A day that is not known yet is expected to be as the mean of its weekday within the known days, or as the mean
of all of them while its weekday has not been seen. The month's shape over a week is in it, a trend is not: over
what is left of a month that is a small error, and it shrinks day by day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from finops.core.periods import Window


def expected_month(
    known: Mapping[date, Decimal],
    month: date,
    *,
    at_least: Mapping[date, Decimal] | None = None,
    unused_until: date | None = None,
) -> Fraction:
    """The quantity of ``month`` (its first day): what is known, and what is expected of its other days.

    ``known`` are whole days, of earlier months too; ``at_least`` what was used of days that are not whole. Before
    ``unused_until`` there was surely no use, which says nothing of later days. 0 where nothing is known.
    """
    partial = at_least or {}
    by_weekday: dict[int, list[Decimal]] = defaultdict(list)
    for day, quantity in known.items():
        by_weekday[day.weekday()].append(quantity)
    everything = _mean(list(known.values()))
    total = Fraction(0)
    for day in Window.of_month(month).each_day():
        if day in known:
            total += Fraction(known[day])
            continue
        if unused_until is not None and day < unused_until:
            continue
        seen = by_weekday.get(day.weekday())
        total += max(_mean(seen) if seen else everything, Fraction(partial.get(day, Decimal(0))))
    return total


def _mean(quantities: Sequence[Decimal]) -> Fraction:
    return sum(map(Fraction, quantities), Fraction(0)) / max(len(quantities), 1)
