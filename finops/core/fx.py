"""Exchange rates: of a day, averaged over a month, crossed over a common currency. Pure.

A rate is a decimal with 12 decimals at most, so that amount times rate is exact: the parts of a sum, converted, add
up to the sum, converted, to the last digit, and no residual arises. What rounding the rate itself leaves is
``MonthRate.rounding``, one unit of currency being converted.

Source of the convention: the European Central Bank averages the rates of the days on which it published one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from finops.core.periods import add_months

RATE_QUANTUM = Decimal("0.000000000001")
LOOK_BACK = timedelta(days=10)
"""Longer than any holiday without a published rate."""

_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN)


class MissingRateError(ValueError):
    """No rate is known; the message is one sentence that names the pair and the days."""


@dataclass(frozen=True)
class Quote:
    """One unit of ``base`` was ``rate`` units of ``quote`` on ``day``, as ``source`` published it."""

    day: date
    base: str
    quote: str
    rate: Decimal
    source: str = ""


@dataclass(frozen=True)
class MonthRate:
    """One unit of ``base`` in ``quote`` for a month: the average over ``days`` published days.

    ``provisional`` while the month may still bring days. Without a day of its own a month that runs takes the last
    one before it, and ``days`` is 0.
    """

    base: str
    quote: str
    month: date
    rate: Decimal
    days: int
    first: date
    last: date
    provisional: bool
    source: str
    rounding: Fraction = Fraction(0)

    @property
    def basis(self) -> str:
        """What it is, in words: ``average of Sep 2026``."""
        if not self.days:
            return f"of {self.last:%-d %b %Y}"
        average = f"average of {self.month:%b %Y}"
        return f"{average}, through {self.last:%-d %b}" if self.provisional else average


def rate_on(quotes: Iterable[Quote], base: str, quote: str, day: date) -> tuple[date, Decimal]:
    """The last day up to ``day`` with a rate, at most ``LOOK_BACK`` before it, and the rate.

    Raises ``MissingRateError``.
    """
    if base == quote:
        return day, Decimal(1)
    known = _by_day(quotes)
    for found in sorted(known, reverse=True):
        if day - LOOK_BACK <= found <= day:
            crossed = _cross(known[found], base, quote)
            if crossed is not None:
                return found, _rounded(crossed)
    msg = (
        f"No rate from {base} to {quote} is known for {day} or the {LOOK_BACK.days} days before: add it to the "
        "exchange rates."
    )
    raise MissingRateError(msg)


def month_average(
    quotes: Iterable[Quote], base: str, quote: str, month: date, *, today: date
) -> MonthRate:
    """The average of the month's published days. Raises ``MissingRateError``.

    Cross rates are made day by day and averaged then. ``today`` says whether the month may still bring days.
    """
    end = add_months(month, 1)
    if base == quote:
        return MonthRate(base, quote, month, Decimal(1), 1, month, month, False, "")
    known = _by_day(quotes)
    crossed = {
        day: rate
        for day in sorted(known)
        if month <= day < end and (rate := _cross(known[day], base, quote)) is not None
    }
    provisional = today < end
    sources = sorted(
        {
            one.source
            for day in crossed
            for pair, one in known[day].items()
            if one.source and {base, quote} & set(pair)
        }
    )
    if crossed:
        exact = sum(crossed.values(), Fraction(0)) / len(crossed)
        average = _rounded(exact)
        return MonthRate(
            base,
            quote,
            month,
            average,
            len(crossed),
            min(crossed),
            max(crossed),
            provisional,
            ", ".join(sources),
            exact - Fraction(average),
        )
    if provisional:
        earlier = [one for day in known.values() for one in day.values()]
        day, last = rate_on(earlier, base, quote, month)
        return MonthRate(base, quote, month, last, 0, day, day, True, "")
    msg = f"No rate from {base} to {quote} is known for any day of {month:%B %Y}: add it to the exchange rates."
    raise MissingRateError(msg)


_Day = Mapping[tuple[str, str], Quote]


def _by_day(quotes: Iterable[Quote]) -> dict[date, dict[tuple[str, str], Quote]]:
    found: dict[date, dict[tuple[str, str], Quote]] = defaultdict(dict)
    for one in quotes:
        found[one.day][one.base, one.quote] = one
    return found


def _cross(day: _Day, base: str, quote: str) -> Fraction | None:
    """The day's rate: as published, turned round, or over one currency that both were published against."""
    direct = _pair(day, base, quote)
    if direct is not None:
        return direct
    for pivot in sorted({name for pair in day for name in pair} - {base, quote}):
        first, second = _pair(day, base, pivot), _pair(day, pivot, quote)
        if first is not None and second is not None:
            return first * second
    return None


def _pair(day: _Day, base: str, quote: str) -> Fraction | None:
    if (base, quote) in day:
        return Fraction(day[base, quote].rate)
    if (quote, base) in day:
        return 1 / Fraction(day[quote, base].rate)
    return None


def _rounded(exact: Fraction) -> Decimal:
    scaled = exact * 10**12
    whole = round(scaled)  # half to even, exact on fractions
    return Decimal(whole).scaleb(-12, context=_ROUNDING)
