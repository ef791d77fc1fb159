"""Which days of a source have come: one state and one reason for each. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from ingestion.core.lateness import in_words
from ingestion.core.watermark import LATENESS, watermark


class DayState(StrEnum):
    """What is known of one day of one source."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    DUE = "due"
    LATE = "late"
    MISSING = "missing"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class DayCell:
    """One day of one source; ``reason`` is a clause for people."""

    day: date
    state: DayState
    reason: str


def bill_days(  # what decides a day, each by its name
    days: Iterable[date],
    *,
    with_lines: Collection[date],
    loaded_months: Collection[date],
    first_month: date | None,
    data_through: datetime | None,
    expected_every: timedelta,
    now: datetime,
    by_month: bool = False,
) -> list[DayCell]:
    """The days of a bill. ``with_lines`` are those that a current load has a line for.

    A day whose end is younger than ``expected_every`` is due, not late. Before the first month that was
    ever loaded nothing is expected. Of a vendor that bills ``by_month`` a day without a charge is none that lacks.
    """
    found = []
    for day in days:
        start = datetime.combine(day, datetime.min.time(), now.tzinfo)
        end = start + timedelta(days=1)
        if first_month is None or day < first_month:
            cell = DayCell(day, DayState.OUTSIDE, "before the first bill that was loaded")
        elif data_through is not None and end <= data_through:
            cell = _past(day, with_lines, loaded_months, by_month=by_month)
        elif data_through is not None and start < data_through and day in with_lines:
            cell = DayCell(day, DayState.PARTIAL, f"usage has come until {data_through:%H:%M}")
        else:
            cell = _awaited(day, now - end, expected_every)
        found.append(cell)
    return found


def _past(
    day: date, with_lines: Collection[date], loaded_months: Collection[date], *, by_month: bool
) -> DayCell:
    if day in with_lines:
        return DayCell(day, DayState.COMPLETE, "its charge lines have come")
    if day.replace(day=1) not in loaded_months:
        return DayCell(day, DayState.MISSING, f"the bill of {day:%Y-%m} is not loaded")
    if by_month:
        return DayCell(
            day, DayState.COMPLETE, "the bill of its month has come, without a charge for it"
        )
    return DayCell(day, DayState.MISSING, "the bill has no charge line for it")


def _awaited(
    day: date, age: timedelta, expected_every: timedelta, clause: str = "nothing has come"
) -> DayCell:
    """A day without data, ``age`` after its end: due for as long as ``expected_every``, late from then on."""
    if age < expected_every:
        hours = int(expected_every.total_seconds() // 3600)
        return DayCell(day, DayState.DUE, f"expected within {hours} hours of its end")
    hours = int(age.total_seconds() // 3600)
    return DayCell(day, DayState.LATE, f"{clause} {hours} hours after its end")


def revenue_days(days: Iterable[date], *, with_revenue: Collection[date]) -> list[DayCell]:
    """The days of revenue or of a supplier's invoices: those that an invoice covers are complete, none is ever late."""
    return [
        DayCell(day, DayState.COMPLETE, "invoices cover it")
        if day in with_revenue
        else DayCell(day, DayState.OUTSIDE, "no invoice covers it yet")
        for day in days
    ]


def sent_days(
    days: Iterable[date],
    *,
    with_usage: Collection[date],
    first_day: date | None,
    expected_every: timedelta,
    now: datetime,
) -> list[DayCell]:
    """The days of usage that clients send: nothing is expected before the first day that was ever sent."""
    found = []
    for day in days:
        end = datetime.combine(day, datetime.min.time(), now.tzinfo) + timedelta(days=1)
        if first_day is None or day < first_day:
            cell = DayCell(day, DayState.OUTSIDE, "before the first usage that was sent")
        elif day in with_usage:
            is_over = end <= now
            reason = "usage was sent for it" if is_over else "usage was sent, and the day goes on"
            cell = DayCell(day, DayState.COMPLETE if is_over else DayState.PARTIAL, reason)
        else:
            cell = _awaited(day, now - end, expected_every, "nothing was sent")
        found.append(cell)
    return found


def usage_days(
    days: Iterable[date],
    *,
    with_usage: Collection[date],
    first_day: date | None,
    newest_event: datetime | None,
    expected_every: timedelta,
    now: datetime,
    lateness: timedelta = LATENESS,
) -> list[DayCell]:
    """The days of a log. ``with_usage`` are those that something was counted on.

    Before the first day that was ever counted nothing is expected; a day between others without an event is
    missing. Once the log's watermark (``lateness`` behind its newest event) is older than ``expected_every``, what
    goes on is late: a day that lines have come of in part, and the day that has begun since.
    """
    mark = watermark(newest_event, lateness)
    is_late = mark is not None and now - mark > expected_every
    age = now - newest_event if newest_event else timedelta(0)
    found = []
    for day in days:
        start = datetime.combine(day, datetime.min.time(), now.tzinfo)
        end = start + timedelta(days=1)
        if first_day is None or day < first_day:
            cell = DayCell(day, DayState.OUTSIDE, "before the first line that was counted")
        elif day in with_usage:
            whole = newest_event is not None and newest_event >= end
            # The last minutes of a day may be quiet: what lacks less than may still come is not called late.
            lacks = newest_event is None or end - newest_event > lateness
            cell = (
                DayCell(day, DayState.COMPLETE, "its lines have come")
                if whole
                else _in_part(
                    day,
                    f"lines have come until {newest_event:%H:%M}",
                    age,
                    is_late=is_late and lacks,
                )
            )
        elif newest_event is not None and newest_event >= end:
            cell = DayCell(day, DayState.MISSING, "no line of it has come")
        elif is_late and start <= now < end:
            cell = DayCell(day, DayState.LATE, f"no line has come for {in_words(age)}")
        else:
            cell = _awaited(day, now - end, expected_every)
        found.append(cell)
    return found


def _in_part(day: date, clause: str, age: timedelta, *, is_late: bool) -> DayCell:
    """A day that a part of has come, as ``clause`` says; ``age`` is that of the newest of it."""
    if is_late:
        return DayCell(day, DayState.LATE, f"{clause}, and nothing for {in_words(age)} since")
    return DayCell(day, DayState.PARTIAL, clause)


def asked_days(
    days: Iterable[date],
    *,
    with_usage: Collection[date],
    first_day: date | None,
    read_through: datetime | None,
    expected_every: timedelta,
    now: datetime,
) -> list[DayCell]:
    """The days of an API that is asked: whole up to ``read_through``, when everything it tells had been read.

    ``with_usage`` are days that it told anything of, ``first_day`` the first of them ever; a day that was read and
    of which it told nothing is missing.
    """
    found = []
    for day in days:
        start = datetime.combine(day, datetime.min.time(), now.tzinfo)
        end = start + timedelta(days=1)
        if first_day is None or day < first_day:
            cell = DayCell(day, DayState.OUTSIDE, "before the first usage that was told")
        elif read_through is not None and end <= read_through:
            cell = (
                DayCell(day, DayState.COMPLETE, "all it tells was read")
                if day in with_usage
                else DayCell(
                    day, DayState.MISSING, "it was asked, and nothing was told of this day"
                )
            )
        elif read_through is not None and start < read_through:
            clause = f"it was read until {read_through:%H:%M}"
            age = now - read_through
            cell = _in_part(day, clause, age, is_late=age > expected_every)
        else:
            cell = _awaited(day, now - end, expected_every, "it could not be read whole")
        found.append(cell)
    return found


def rate_days(days: Iterable[date], *, with_rates: Collection[date]) -> list[DayCell]:
    """The days of exchange rates: none is late, because none is published on weekends and holidays."""
    return [
        DayCell(day, DayState.COMPLETE, "rates of it are known")
        if day in with_rates
        else DayCell(
            day, DayState.OUTSIDE, "no rate of it is known; months take the days there are"
        )
        for day in days
    ]
