"""The days of usage that clients send: one state and one reason for each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from ingestion.core.grid import DayState, sent_days

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
