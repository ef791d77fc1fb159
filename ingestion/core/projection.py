"""How much a month will have used at its end, from the days that are known. Pure.

A day to come is expected as pages forecast it (``ingestion.core.forecast``): one projection, one figure. With less
than two weeks of history it is the mean of its weekday within the known days, or the mean of all of them while its
weekday has not been seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from finops.core.periods import Window
from ingestion.core.forecast import forecast_day, is_long_enough

_PARTS = 10_000
"""A month has so many parts of a meter's unit at most, as the database keeps quantities: days of stored bytes are
thirtieths that do not sum to a whole, and a vendor who rounds up would charge one unit more for the rest."""


def expected_month(
    known: Mapping[date, Decimal],
    month: date,
    *,
    at_least: Mapping[date, Decimal] | None = None,
    unused_until: date | None = None,
) -> Fraction:
    """The quantity of ``month`` (its first day): what is known, and what is expected of its other days.

    ``known`` are whole days, of earlier months too; ``at_least`` what was used of days that are not whole. Before
    ``unused_until`` there was surely no use, which says nothing of later days. Four decimals; 0 where nothing is
    known.
    """
    partial = at_least or {}
    by_weekday: dict[int, list[Decimal]] = defaultdict(list)
    for day, quantity in known.items():
        by_weekday[day.weekday()].append(quantity)
    everything = _mean(list(known.values()))
    total = Fraction(0)
    last = max(known, default=month)
    history = {day: float(quantity) for day, quantity in known.items()}
    is_seasonal = is_long_enough(history, last)
    for day in Window.of_month(month).each_day():
        if day in known:
            total += Fraction(known[day])
            continue
        if unused_until is not None and day < unused_until:
            continue
        seen = by_weekday.get(day.weekday())
        expected = _mean(seen) if seen else everything
        if is_seasonal and day > last:
            expected = Fraction(forecast_day(history, last, day))
        total += max(expected, Fraction(partial.get(day, Decimal(0))))
    return Fraction(round(total * _PARTS), _PARTS)


def _mean(quantities: Sequence[Decimal]) -> Fraction:
    return sum(map(Fraction, quantities), Fraction(0)) / max(len(quantities), 1)
