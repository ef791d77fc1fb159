"""The month's end as it is projected, against what came: better than the mean of weekdays, and within 3 %."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from finops.core.periods import Window, add_months
from ingestion.core.projection import expected_month
from simulator import tsa
from simulator.company import TENANTS
from tests.simulator.deliveries import utc

ORIGIN = utc(2026, 1, 1)
KNOWN_DAYS = (4, 9, 14, 19, 24)


def tokens(seed: int) -> dict[date, Decimal]:
    """What the simulated company stamps on each of 300 days."""
    return {
        (ORIGIN + timedelta(days=number)).date(): Decimal(
            sum(tsa._count(seed, one, ORIGIN, ORIGIN + timedelta(days=number)) for one in TENANTS)
        )
        for number in range(300)
    }


def mean_of_weekdays(known: dict[date, Decimal], month: date) -> Fraction:
    seen: dict[int, list[Decimal]] = defaultdict(list)
    for day, count in known.items():
        seen[day.weekday()].append(count)
    return sum(
        (
            Fraction(known[day])
            if day in known
            else sum(map(Fraction, seen[day.weekday()]), Fraction(0)) / len(seen[day.weekday()])
            for day in Window.of_month(month).each_day()
        ),
        Fraction(0),
    )


@pytest.mark.parametrize("seed", [7, 11, 13])
def test_the_projection_is_closer_than_the_mean_of_weekdays(seed: int) -> None:
    series = tokens(seed)
    seasonal: list[Fraction] = []
    plain: list[Fraction] = []
    for month in (add_months(ORIGIN.date(), number) for number in range(2, 9)):
        came = Fraction(sum(series[day] for day in Window.of_month(month).each_day()))
        for count in KNOWN_DAYS:
            window = Window(month - timedelta(days=28), month + timedelta(days=count))
            known = {day: series[day] for day in window.each_day()}
            seasonal.append(abs(expected_month(known, month) - came) / came)
            plain.append(abs(mean_of_weekdays(known, month) - came) / came)
    error, other = (sum(errors) / len(errors) for errors in (seasonal, plain))
    print(f"seed {seed}: {float(error):.3%}, mean of weekdays {float(other):.3%}")
    assert error < other
    assert error < Fraction(1, 100)
    assert max(seasonal) < Fraction(3, 100)
