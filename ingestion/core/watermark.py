"""How far a log is complete. Pure: times are arguments, all aware and in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta

LATENESS = timedelta(minutes=10)
"""How late objects are expected at most, unless the source's settings say otherwise."""


def watermark(newest_event: datetime | None, lateness: timedelta = LATENESS) -> datetime | None:
    """The time up to which all events are expected to be here; ``None`` before the first event."""
    return None if newest_event is None else newest_event - lateness


def complete_through(mark: datetime | None) -> datetime | None:
    """The end of the newest hour that the watermark has passed."""
    return None if mark is None else mark.replace(minute=0, second=0, microsecond=0)


def keys_may_go(
    day_end: datetime, newest_event: datetime, written: datetime, now: datetime, kept: timedelta
) -> bool:
    """Whether a day's keys are no longer needed: the log went on past it, and they have lain long enough.

    Both, so that a log of last month that is read today keeps its keys while it is being read.
    """
    return day_end + kept <= newest_event and written + kept <= now
