"""Billing periods and reporting windows: half-open, in UTC. Pure: the clock is an argument."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MINUTE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?Z?", re.ASCII)


class PeriodError(ValueError):
    """A text that names no period; the message is one sentence that says what to write."""


def parse_month(text: str) -> date:
    """``"2026-04"`` as the first day of that month. Raises ``PeriodError``."""
    match = _MONTH.fullmatch(text.strip())
    if match and 1 <= int(match[2]) <= 12 and int(match[1]) >= 1970:
        return date(int(match[1]), int(match[2]), 1)
    msg = f"{text!r} is not a month: write it as YYYY-MM, for example 2026-04."
    raise PeriodError(msg)


def parse_moment(text: str) -> datetime:
    """``"2026-07-08"`` as the end of that day, ``"2026-07-08T15:30"`` as it stands; UTC.

    Raises ``PeriodError``.
    """
    wanted = text.strip()
    with suppress(ValueError):
        if _DAY.fullmatch(wanted):
            return datetime.combine(date.fromisoformat(wanted), time.max, UTC)
        if _MINUTE.fullmatch(wanted):
            return datetime.fromisoformat(wanted.removesuffix("Z")).replace(tzinfo=UTC)
    msg = f"{text!r} is not a moment: write a day as YYYY-MM-DD, or a time in UTC as YYYY-MM-DDTHH:MM."
    raise PeriodError(msg)


def month_text(day: date) -> str:
    """The month of ``day`` as ``YYYY-MM``."""
    return f"{day:%Y-%m}"


def month_start(day: date) -> date:
    """The first day of the month of ``day``."""
    return day.replace(day=1)


def add_months(day: date, months: int) -> date:
    """The first day of the month ``months`` after (or before) the month of ``day``."""
    index = day.year * 12 + day.month - 1 + months
    if not MINYEAR <= index // 12 <= MAXYEAR:
        msg = f"{months} months from {day:%Y-%m} lie beyond the calendar: choose another month."
        raise PeriodError(msg)
    return date(index // 12, index % 12 + 1, 1)


def days_in_month(day: date) -> int:
    """How many days the month of ``day`` has."""
    return calendar.monthrange(day.year, day.month)[1]


@dataclass(frozen=True)
class Window:
    """A span of whole UTC days, ``start`` included, ``end`` excluded."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            msg = f"The period from {self.start} to {self.end} is empty: its end must be after its start."
            raise PeriodError(msg)

    @property
    def days(self) -> int:
        """How many days the window holds."""
        return (self.end - self.start).days

    @property
    def last_day(self) -> date:
        """The last day that belongs to the window."""
        return self.end - timedelta(days=1)

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def each_day(self) -> Iterator[date]:
        """Every day of the window in order."""
        for offset in range(self.days):
            yield self.start + timedelta(days=offset)

    def each_month(self) -> Iterator[date]:
        """The first day of every month that the window touches."""
        month = month_start(self.start)
        while month < self.end:
            yield month
            month = add_months(month, 1)

    def is_whole_months(self) -> bool:
        """Whether the window starts and ends on the first of a month."""
        return self.start.day == 1 and self.end.day == 1

    def split_months(self) -> tuple[Window | None, list[Window]]:
        """The whole calendar months inside the window, and the days before and after them."""
        first = self.start if self.start.day == 1 else add_months(self.start, 1)
        last = month_start(self.end)
        if first >= last:
            return None, [self]
        edges = [(self.start, first), (last, self.end)]
        return Window(first, last), [Window(start, end) for start, end in edges if start < end]

    @classmethod
    def of_month(cls, day: date) -> Window:
        """The calendar month of ``day``."""
        return cls(month_start(day), add_months(day, 1))


@dataclass(frozen=True)
class Preset:
    """One choice of the period picker."""

    key: str
    label: str


PRESETS: tuple[Preset, ...] = (
    Preset("today", "Latest day"),
    Preset("7d", "7 days"),
    Preset("30d", "30 days"),
    Preset("90d", "90 days"),
    Preset("mtd", "Month to date"),
    Preset("last-month", "Last month"),
    Preset("quarter", "Quarter to date"),
    Preset("3m", "3 months"),
)


_MONTHS_TO_DATE = {"mtd": 1, "quarter": 3, "3m": 3}
"""Presets that start on the first of a month and end today: how many months lie between repeats."""


@dataclass(frozen=True)
class ReportingPeriod:
    """What the URL says: ``key`` (a preset, ``YYYY-MM`` or ``custom``) and the window it means."""

    key: str
    label: str
    window: Window

    def until(self, end: date) -> ReportingPeriod:
        """This period cut off before ``end``; as it is where ``end`` does not fall inside it.

        Revenue of days whose cost is still to come would flatter every margin.
        """
        if not self.window.start < end < self.window.end:
            return self
        return ReportingPeriod(self.key, self.label, Window(self.window.start, end))

    @property
    def previous(self) -> Window:
        """The same span just before: calendar months step by months, other spans by their days.

        Spans of months to date compare with the same days of as many months before (1 April to 22
        June with 1 January to 22 March), cut where the last month is shorter.
        """
        window = self.window
        months = _MONTHS_TO_DATE.get(self.key, 1 if _MONTH.fullmatch(self.key) else 0)
        if window.is_whole_months():
            months = sum(1 for _ in window.each_month())
            return Window(add_months(window.start, -months), window.start)
        if months:
            last = add_months(window.last_day, -months)
            day = min(window.last_day.day, days_in_month(last))
            return Window(
                add_months(window.start, -months), last.replace(day=day) + timedelta(days=1)
            )
        return Window(window.start - timedelta(days=window.days), window.start)


def resolve_period(key: str, *, today: date, start: str = "", end: str = "") -> ReportingPeriod:
    """The reporting period that ``key`` means on ``today``.

    ``key`` is a preset of ``PRESETS``, a month ``YYYY-MM``, or ``custom`` with ``start`` and ``end``
    (ISO days, ``end`` included, as people write spans). Raises ``PeriodError``.
    """
    tomorrow = today + timedelta(days=1)
    first = month_start(today)
    windows = {
        "today": Window(today, tomorrow),
        "7d": Window(tomorrow - timedelta(days=7), tomorrow),
        "30d": Window(tomorrow - timedelta(days=30), tomorrow),
        "90d": Window(tomorrow - timedelta(days=90), tomorrow),
        "mtd": Window(first, tomorrow),
        "last-month": Window(add_months(first, -1), first),
        "quarter": Window(date(today.year, 3 * ((today.month - 1) // 3) + 1, 1), tomorrow),
        "3m": Window(add_months(first, -2), tomorrow),
    }
    if key in windows:
        label = next(preset.label for preset in PRESETS if preset.key == key)
        return ReportingPeriod(key, label, windows[key])
    if key == "custom":
        first_day, last_day = _parse_day(start, "from"), _parse_day(end, "to")
        if last_day < first_day:
            msg = f"The period ends ({last_day}) before it starts ({first_day}): swap the two days."
            raise PeriodError(msg)
        window = Window(first_day, last_day + timedelta(days=1))
        return ReportingPeriod("custom", f"{first_day} to {last_day}", window)
    month = parse_month(key)
    return ReportingPeriod(month_text(month), f"{month:%B %Y}", Window.of_month(month))


def _parse_day(text: str, name: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        msg = f"{name}={text!r} is not a day: write it as YYYY-MM-DD, for example 2026-04-01."
        raise PeriodError(msg) from None
