"""The days of usage that is sent, logged or asked for: one state and one reason for each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingestion.core.grid import DayState, asked_days, rate_days, sent_days, usage_days

NOW = datetime(2026, 4, 30, 12, tzinfo=UTC)
DAYS = [date(2026, 4, 25) + timedelta(days=n) for n in range(6)]


def states(first_day: date | None, *sent: date) -> list[DayState]:
    cells = sent_days(
        DAYS,
        with_usage=sent,
        first_day=first_day,
        expected_every=timedelta(hours=36),
        now=NOW,
    )
    return [cell.state for cell in cells]


def test_nothing_is_expected_before_the_first_day_that_was_sent():
    assert set(states(None)) == {DayState.OUTSIDE}


def test_a_day_is_due_until_its_time_is_over_and_then_late():
    outside, complete, late, due, partial = (
        DayState.OUTSIDE,
        DayState.COMPLETE,
        DayState.LATE,
        DayState.DUE,
        DayState.PARTIAL,
    )
    found = states(DAYS[1], DAYS[1], DAYS[5])
    assert found == [outside, complete, late, late, due, partial]
    assert states(DAYS[1], *DAYS[1:5])[-1] == due


def logged(newest: datetime, *counted: date, hours: int = 2) -> list[tuple[DayState, str]]:
    cells = usage_days(
        DAYS,
        with_usage=counted,
        first_day=DAYS[0],
        newest_event=newest,
        expected_every=timedelta(hours=hours),
        now=NOW,
    )
    return [(cell.state, cell.reason) for cell in cells]


def test_a_day_of_a_log_is_partial_while_lines_come_and_late_when_they_cease():
    today = (*DAYS,)
    assert logged(NOW - timedelta(minutes=110), *today)[-1] == (
        DayState.PARTIAL,
        "lines have come until 10:10",
    )
    assert logged(NOW - timedelta(minutes=111), *today)[-1] == (
        DayState.LATE,
        "lines have come until 10:09, and nothing for 111 minutes since",
    )
    assert logged(NOW - timedelta(minutes=111), *today, hours=3)[-1][0] is DayState.PARTIAL


def test_a_day_of_a_log_that_lacks_its_last_minutes_only_is_not_called_late_but_the_next_one_is():
    newest = datetime(2026, 4, 29, 23, 51, tzinfo=UTC)
    found = logged(newest, *DAYS[:5])
    assert found[-2] == (DayState.PARTIAL, "lines have come until 23:51")
    assert found[-1] == (DayState.LATE, "no line has come for 12 hours")
    found = logged(newest - timedelta(minutes=2), *DAYS[:5])
    assert found[-2] == (
        DayState.LATE,
        "lines have come until 23:49, and nothing for 12 hours since",
    )
    assert logged(newest, *DAYS[:5], hours=13)[-1][0] is DayState.DUE


def asked(through: datetime | None, *told: date, first: date | None = DAYS[1]) -> list[DayState]:
    cells = asked_days(
        DAYS,
        with_usage=told,
        first_day=first,
        read_through=through,
        expected_every=timedelta(hours=3),
        now=NOW,
    )
    assert all(cell.reason for cell in cells)
    return [cell.state for cell in cells]


def test_a_day_of_an_api_is_whole_up_to_where_it_was_read():
    outside, complete, missing, partial, late, due = (
        DayState.OUTSIDE,
        DayState.COMPLETE,
        DayState.MISSING,
        DayState.PARTIAL,
        DayState.LATE,
        DayState.DUE,
    )
    found = asked(NOW - timedelta(hours=3), DAYS[1], DAYS[3], DAYS[4], DAYS[5])
    assert found == [outside, complete, missing, complete, complete, partial]
    found = asked(NOW - timedelta(hours=15), DAYS[1])
    assert found[-2:] == [late, due], "yesterday was read until 21:00 and never since"
    assert asked(None, DAYS[1])[1:] == [late] * 4 + [due]
    assert set(asked(NOW, first=None)) == {outside}


@given(st.integers(0, 150), st.sets(st.sampled_from(DAYS)))
def test_a_day_of_an_api_that_was_not_read_to_its_end_is_never_complete(hours, told):
    through = NOW - timedelta(hours=hours)
    for day, state in zip(DAYS, asked(through, *told), strict=True):
        end = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
        assert (state is DayState.COMPLETE) == (day >= DAYS[1] and day in told and end <= through)


def test_rates_are_known_for_the_days_that_have_one():
    cells = rate_days(DAYS[:2], with_rates={DAYS[0]})
    assert [cell.state for cell in cells] == [DayState.COMPLETE, DayState.OUTSIDE]
