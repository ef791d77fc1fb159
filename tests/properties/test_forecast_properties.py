"""The forecast: exact where the past repeats itself, honest about its errors, and never looking ahead."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.core.forecast import LEAST_ORIGINS, back_test, forecast_day, project

START, END = date(2026, 4, 1), date(2026, 5, 1)
FIRST = date(2026, 1, 1)
COUNTS = st.lists(st.integers(0, 10_000), min_size=120, max_size=120)
SOME = st.lists(st.integers(1, 10_000), min_size=120, max_size=120)


def days(counts: list[int]) -> dict[date, int]:
    return {FIRST + timedelta(days=i): count for i, count in enumerate(counts)}


WEEKLY = days([100, 100, 100, 100, 100, 20, 10] * 18)


def test_a_past_that_repeats_itself_is_forecast_exactly():
    found = project(WEEKLY, start=START, end=END, last=date(2026, 4, 12))
    assert found is not None
    assert found.point == sum(WEEKLY[START + timedelta(days=i)] for i in range(30))
    assert found.low == found.point == found.high
    assert found.back_test.mape == pytest.approx(0)
    assert found.back_test.origins >= LEAST_ORIGINS


def test_half_of_the_growth_goes_on():
    growing = {day: round(1000 * 1.05 ** ((day - FIRST).days / 7)) for day in WEEKLY}
    found = project(growing, start=START, end=END, last=date(2026, 4, 12))
    assert found is not None
    actual = sum(growing[START + timedelta(days=i)] for i in range(30))
    known = sum(growing[START + timedelta(days=i)] for i in range(12))
    recent = [growing[date(2026, 4, 12) - timedelta(days=i)] for i in range(28)]
    flat = known + sum(recent) / 28 * 18
    assert flat * 1.01 < found.point < actual
    assert found.point == pytest.approx(actual, rel=0.05)


@given(COUNTS)
def test_at_the_end_of_the_month_the_projection_is_what_there_is(counts):
    history = days(counts)
    found = project(history, start=START, end=END, last=END - timedelta(days=1))
    total = sum(count for day, count in history.items() if START <= day < END)
    assert found is not None
    assert (found.point, found.low, found.high) == (total, total, total)


@given(SOME, st.integers(0, 28), st.floats(0, 1))
def test_the_range_holds_the_point_and_the_days_add_up_to_it(counts, passed, partial):
    last = START + timedelta(days=passed - 1)
    found = project(days(counts), start=START, end=END, last=last, partial=partial)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.actual <= found.low <= found.point <= found.high
    assert found.actual + sum(found.by_day.values()) == found.point
    assert min(found.by_day.values()) >= 0


@given(COUNTS, COUNTS, st.integers(0, 28))
def test_nothing_after_what_is_known_is_looked_at(counts, others, passed):
    last = START + timedelta(days=passed - 1)
    known = days(counts)
    changed = {
        day: count if day <= last else other
        for (day, count), other in zip(known.items(), others, strict=True)
    }
    assert project(known, start=START, end=END, last=last) == project(
        changed, start=START, end=END, last=last
    )
    day = last + timedelta(days=9)
    assert forecast_day(known, last, day) == forecast_day(changed, last, day)


def test_the_back_test_tells_the_error_of_an_erratic_past():
    erratic = days([100, 300] * 60)
    found = back_test(erratic, last=date(2026, 4, 12), days=1)
    assert found.mape is not None
    assert 0.2 < found.mape < 2


def test_with_less_than_two_weeks_nothing_is_said():
    assert (
        project(days([5] * 13), start=FIRST, end=date(2026, 2, 1), last=date(2026, 1, 13)) is None
    )
    short = project(days([5] * 15), start=FIRST, end=date(2026, 2, 1), last=date(2026, 1, 15))
    assert short is not None
    assert (short.point, short.low, short.high) == (155, None, None)
    assert project({}, start=START, end=END, last=START) is None
