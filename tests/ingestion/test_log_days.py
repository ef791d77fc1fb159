"""Which day a key names, and what a look between two whole ones lists."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ingestion.core.log_days import day_of_folder, day_of_key, first_day

DAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("key", "day"),
    [
        ("20261124/20261124T105516Z_20261124T105716Z_ab12.log.gz", DAY),
        ("http_requests/2026-11-24/a.log.gz", DAY),
        ("zone/date=20261124/hour=10/a.log.gz", DAY),
        ("a/20261124T105516Z_20261124T105716Z_ab12.log.gz", DAY),
        ("20261124/20261123/a.log.gz", DAY),
        ("20261124.log.gz", None),
        ("20261324/a.log.gz", None),
        ("120261124/a.log.gz", None),
        ("2026-1124/a.log.gz", None),
        ("v20261124/a.log.gz", None),
        ("a.log.gz", None),
    ],
)
def test_a_key_names_the_day_of_its_folder_or_else_of_its_name(key, day):
    assert day_of_key(key) == day


def test_a_folder_is_passed_by_for_its_own_day_only():
    assert day_of_folder("http_requests") is None
    assert day_of_folder("http_requests/20261124/10") == DAY


def test_the_floor_lies_a_day_and_the_time_of_keys_before_the_newest_event():
    newest = datetime(2026, 11, 24, 1, tzinfo=UTC)
    assert first_day(newest, timedelta(hours=48)) == date(2026, 11, 21)
