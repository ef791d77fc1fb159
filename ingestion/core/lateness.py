"""How late data is. Pure: times are arguments, all aware and in UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from finops.core.periods import add_months

DAILY_HOURS = 36
"""How old the newest data of a bill may be that grows day by day."""
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def late_by(newest: datetime | None, since: datetime, every: timedelta, now: datetime) -> timedelta:
    """By how much ``newest`` is older than ``every`` allows; zero where it is in time.

    Where nothing has come at all, waiting began ``since``. Data that is exactly ``every`` old is in time.
    """
    return max(now - (newest or since) - every, timedelta(0))


def in_words(span: timedelta) -> str:
    """A duration for people, in its largest whole unit: ``45 minutes``, ``5 hours``, ``3 days``."""
    if span < 2 * _HOUR:
        unit, name = _MINUTE, "minute"
    elif span < 2 * _DAY:
        unit, name = _HOUR, "hour"
    else:
        unit, name = _DAY, "day"
    count = max(span // unit, 1)
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def expected_hours(
    first_came: Iterable[tuple[datetime, datetime]], *, bill_within_days: int
) -> int:
    """How many hours old the newest data of a bill may be, by when the bill of each month came first.

    ``first_came`` are the start of each billed month and when its first delivery was loaded. A vendor that never
    delivered a month before it was over bills whole months: the next one may take a month, and ``bill_within_days``
    days after its end. One that did, or has not delivered yet, is expected to go on day by day.
    """
    found = list(first_came)
    over = all(came.date() >= add_months(start.date(), 1) for start, came in found)
    return (31 + bill_within_days) * 24 if found and over else DAILY_HOURS


def bills_whole_months(hours: int) -> bool:
    """Whether ``hours`` between data and more data are those of a vendor that bills a month at a time."""
    return hours >= 28 * 24
