"""Which UTC day the key of a log's object names, and from which day on new objects may lie. Pure.

Logpush writes ``<prefix>/<YYYYMMDD>/<start>_<end>_<id>.log.gz`` where its destination has ``{DATE}``. Source:
Cloudflare, Logs, "Logpush", "Enable destinations". Other spellings of a day's folder are read as well; what
names no day is looked at each time.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

_FOLDER = re.compile(r"(?:[A-Za-z_-]{1,20}=)?(20[0-9]{2})(-?)([0-9]{2})\2([0-9]{2})", re.ASCII)
_NAME = re.compile(r"(20[0-9]{2})([0-9]{2})([0-9]{2})T[0-9]{4,6}Z", re.ASCII)
_DAY = timedelta(days=1)


def day_of_folder(folder: str) -> date | None:
    """The day that the first dated part of ``a/b/c`` names: ``20261124``, ``2026-11-24``, ``date=20261124``."""
    for part in folder.split("/"):
        if found := _FOLDER.fullmatch(part):
            day = _day(found[1], found[3], found[4])
            if day:
                return day
    return None


def day_of_key(key: str) -> date | None:
    """The day of the object's folder, else the one that its name begins with; ``None`` for neither."""
    folder, _, name = key.rpartition("/")
    day = day_of_folder(folder)
    if day is None and (found := _NAME.match(name)):
        day = _day(*found.groups())
    return day


def first_day(newest_event: datetime, kept: timedelta) -> date:
    """The first day that a look between two whole ones lists.

    What is late by more than ``kept``, for which the keys of a day's lines are there to tell doubles, and by
    the day that a batch may begin before its folder's, waits for the next look at everything.
    """
    return (newest_event - kept - _DAY).date()


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
