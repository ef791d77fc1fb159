"""Rates of days and months: exact until they are stated, then a decimal that multiplies exactly."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.core.amounts import EXACT, exact_sum
from finops.core.fx import MissingRateError, Quote, month_average, rate_on

APRIL, TODAY = date(2026, 4, 1), date(2026, 6, 1)
RATES = st.decimals("0.0001", "9999", places=4)


def quote(day: int, rate: str, other: str = "USD") -> Quote:
    return Quote(date(2026, 4, day), "EUR", other, Decimal(rate), "ecb.csv")


def test_a_day_without_a_rate_takes_the_last_one_before_it() -> None:
    quotes = [quote(1, "1.08"), quote(3, "1.10")]
    assert rate_on(quotes, "EUR", "USD", date(2026, 4, 2)) == (date(2026, 4, 1), Decimal("1.08"))
    with pytest.raises(MissingRateError, match="from EUR to USD is known for 2026-04-30"):
        rate_on(quotes, "EUR", "USD", date(2026, 4, 30))


def test_an_open_month_has_the_average_to_date_and_says_so() -> None:
    found = month_average(
        [quote(1, "1.0"), quote(2, "1.2")], "EUR", "USD", APRIL, today=date(2026, 4, 3)
    )
    assert (found.rate, found.provisional) == (Decimal("1.1"), True)
    assert found.basis == "average of Apr 2026, through 2 Apr"


def test_a_month_that_just_began_takes_the_last_rate() -> None:
    found = month_average(
        [quote(30, "1.2")], "EUR", "USD", date(2026, 5, 1), today=date(2026, 5, 1)
    )
    assert (found.rate, found.days, found.basis) == (Decimal("1.2"), 0, "of 30 Apr 2026")


def test_a_past_month_without_a_rate_has_none() -> None:
    with pytest.raises(MissingRateError, match="any day of April 2026"):
        month_average([], "EUR", "USD", APRIL, today=TODAY)


def test_a_pair_is_turned_round_and_crossed() -> None:
    quotes = [quote(1, "1.25"), quote(1, "0.8", "GBP")]
    assert month_average(quotes, "USD", "EUR", APRIL, today=TODAY).rate == Decimal("0.8")
    assert month_average(quotes, "GBP", "USD", APRIL, today=TODAY).rate == Decimal("1.5625")


@given(
    st.lists(RATES, min_size=1, max_size=28),
    st.lists(st.decimals(-(10**9), 10**9, places=8), max_size=20),
)
def test_parts_converted_sum_to_the_whole_converted(
    rates: list[Decimal], parts: list[Decimal]
) -> None:
    quotes = [
        Quote(APRIL + timedelta(days=number), "EUR", "USD", rate)
        for number, rate in enumerate(rates)
    ]
    found = month_average(quotes, "EUR", "USD", APRIL, today=TODAY)
    converted = exact_sum(EXACT.multiply(part, found.rate) for part in parts)
    assert converted == EXACT.multiply(exact_sum(parts), found.rate)
    exact = sum(map(Fraction, rates)) / len(rates)
    assert Fraction(found.rate) + found.rounding == exact
    assert abs(found.rounding) <= Fraction(1, 2 * 10**12)
