"""Billing periods and reporting windows."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.core.periods import (
    PRESETS,
    PeriodError,
    Window,
    add_months,
    days_in_month,
    month_text,
    parse_month,
    resolve_period,
)

days = st.dates(date(1990, 1, 1), date(2080, 12, 31))
TODAY = date(2026, 4, 22)


def window(first: str, end: str) -> Window:
    return Window(date.fromisoformat(first), date.fromisoformat(end))


@given(days)
def test_a_month_reads_back(day):
    assert parse_month(month_text(day)) == day.replace(day=1)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "26-04", "2026-4", "2026-04-01", "x", "0001-01"]
)
def test_what_is_no_month_says_what_to_write(text):
    with pytest.raises(PeriodError, match="YYYY-MM"):
        parse_month(text)


@given(days, st.integers(-600, 600))
def test_months_add_up(day, months):
    moved = add_months(day, months)
    assert moved.day == 1
    assert add_months(moved, -months) == day.replace(day=1)
    assert (add_months(day, 1) - day.replace(day=1)).days == days_in_month(day)


@given(days, st.integers(1, 400))
def test_a_window_is_its_days(start, length):
    span = Window(start, start + timedelta(days=length))
    listed = list(span.each_day())
    assert len(listed) == span.days == length
    assert listed[0] == span.start
    assert listed[-1] == span.last_day
    assert all(day in span for day in listed)
    assert span.end not in span
    months = list(span.each_month())
    assert months == sorted({day.replace(day=1) for day in listed})


def test_an_empty_window_is_refused():
    with pytest.raises(PeriodError, match="is empty"):
        Window(TODAY, TODAY)


@given(days, st.sampled_from([preset.key for preset in PRESETS if preset.key != "last-month"]))
def test_every_preset_ends_with_today(today, key):
    period = resolve_period(key, today=today)
    assert period.window.last_day == today
    assert period.label


@given(days, st.sampled_from([preset.key for preset in PRESETS]))
def test_what_came_before_ends_no_later_than_the_window_starts(today, key):
    period = resolve_period(key, today=today)
    assert period.previous.end <= period.window.start
    assert period.previous.start < period.window.start


@pytest.mark.parametrize(
    ("key", "now", "before"),
    [
        ("today", ("2026-04-22", "2026-04-23"), ("2026-04-21", "2026-04-22")),
        ("7d", ("2026-04-16", "2026-04-23"), ("2026-04-09", "2026-04-16")),
        ("mtd", ("2026-04-01", "2026-04-23"), ("2026-03-01", "2026-03-23")),
        ("last-month", ("2026-03-01", "2026-04-01"), ("2026-02-01", "2026-03-01")),
        ("3m", ("2026-02-01", "2026-04-23"), ("2025-11-01", "2026-01-23")),
        ("quarter", ("2026-04-01", "2026-04-23"), ("2026-01-01", "2026-01-23")),
        ("2026-02", ("2026-02-01", "2026-03-01"), ("2026-01-01", "2026-02-01")),
    ],
)
def test_periods_and_what_they_compare_with(key, now, before):
    period = resolve_period(key, today=TODAY)
    assert period.window == window(*now)
    assert period.previous == window(*before)


def test_a_month_to_date_compares_with_what_a_shorter_month_has():
    period = resolve_period("mtd", today=date(2026, 3, 31))
    assert period.previous == window("2026-02-01", "2026-03-01")


def test_a_custom_span_includes_its_last_day():
    period = resolve_period("custom", today=TODAY, start="2026-04-01", end="2026-04-01")
    assert period.window == window("2026-04-01", "2026-04-02")


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        ("2026-04-02", "2026-04-01", "swap the two days"),
        ("", "2026-04-01", "from='' is not a day"),
        ("2026-04-01", "soon", "to='soon' is not a day"),
    ],
)
def test_a_bad_span_says_what_to_write(start, end, sentence):
    with pytest.raises(PeriodError, match=sentence):
        resolve_period("custom", today=TODAY, start=start, end=end)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_address_gives_a_period_or_a_sentence(key, start, end):
    sentence = ""
    try:
        resolve_period(key, today=TODAY, start=start, end=end)
    except PeriodError as error:
        sentence = str(error)
    assert sentence == "" or sentence.endswith(".")
