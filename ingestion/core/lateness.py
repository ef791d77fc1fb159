"""How late data is. Pure: times are arguments, all aware and in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta

EXPECTED_HOURS = 36
"""How old the newest data of a source may be, unless its reader or an admin says otherwise: a daily bill's hours."""

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
