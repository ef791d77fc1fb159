"""How late data is, to the moment, and how that is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.core.lateness import in_words, late_by

NOW = datetime(2026, 4, 30, 12, tzinfo=UTC)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_data_is_late_by_what_its_age_exceeds(age, allowed, has_come):
    every, moment = timedelta(minutes=allowed), NOW - timedelta(minutes=age)
    found = late_by(moment if has_come else None, moment, every, NOW)
    assert found == timedelta(minutes=max(age - allowed, 0))


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=1), "1 minute"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(hours=47, minutes=59), "47 hours"),
        (timedelta(hours=48), "2 days"),
    ],
)
def test_durations_are_told_in_their_largest_whole_unit(span, text):
    assert in_words(span) == text
