"""What was metered of some months, as estimates are made of it: what bills do not cover, and the sums of days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from finops.core.amounts import EXACT, to_lake
from finops.core.focus import Granularity
from finops.core.periods import add_months, month_start
from ingestion.core.estimates import About, Used, midnight
from ingestion.core.frontier import Covers
from ingestion.core.metered import Metered, MeteredHour
from ingestion.core.pricing import decimal_of
from ingestion.metered_registry import metered

HOURLY_FOR = timedelta(days=2)
"""How long estimates stay hourly; older ones are by day, so that a month has few lines."""
BEFORE = timedelta(days=28)
"""How much before the first month is read, to know the weekdays by."""
_DAY = timedelta(days=1)

_Key = tuple[datetime, datetime, Granularity, About]


@dataclass
class Usage:
    """What was metered.

    ``used`` is what bills do not cover of the months: by hour where it is recent, else by day. ``days`` is by meter,
    account and day all that was metered, also before the months; ``complete`` by meter up to when it is whole,
    ``since`` the first day from which on a day without usage is known to have none.
    """

    sums: dict[_Key, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    days: dict[tuple[str, str, date], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    complete: dict[str, datetime] = field(default_factory=dict)
    since: dict[str, date] = field(default_factory=dict)

    @property
    def used(self) -> list[Used]:
        """As estimates take it."""
        return [
            Used(start, end, granularity, about, quantity)
            for (start, end, granularity, about), quantity in self.sums.items()
        ]


def read_usage(
    months: Sequence[date], covers: Covers, first_months: Mapping[str, date | None]
) -> Usage:
    """Metered usage of ``months``, which follow each other, and of four weeks before them.

    ``first_months`` is by source the first month with any usage.
    """
    usage = Usage()
    start = datetime.combine(months[0], time(), UTC) - BEFORE
    end = datetime.combine(add_months(months[-1], 1), time(), UTC)
    for name, source in metered().items():
        seen = _read_source(usage, source, (start, end), months[0], covers)
        first = first_months.get(name)
        began_before = first is not None and first < month_start(start.date())
        since = start.date() if began_before else seen
        for meter in source.meters:
            if since is not None:
                usage.since[meter] = min(usage.since.get(meter, since), since)
    return usage


def _read_source(
    usage: Usage, source: Metered, window: tuple[datetime, datetime], first: date, covers: Covers
) -> date | None:
    """Add what the source has metered; the first day with any, ``None`` without."""
    span = source.read(*window)
    if span.complete_through is None:
        return None
    hourly_from = midnight(span.complete_through) - HOURLY_FOR
    for meter in source.meters:
        reach = span.reaches.get(meter, span.complete_through)
        usage.complete[meter] = max(usage.complete.get(meter, reach), reach)
    seen: date | None = None
    for hour in span.hours:
        if hour.end > span.complete_through:
            continue
        day = hour.hour.astimezone(UTC).date()
        seen = day if seen is None else min(seen, day)
        sums = (hour.meter, hour.account, day)
        usage.days[sums] = EXACT.add(usage.days[sums], hour.quantity)
        if day >= first:
            _add_rest(usage, hour, day, covers, hourly_from)
    return seen


def _add_rest(
    usage: Usage, hour: MeteredHour, day: date, covers: Covers, hourly_from: datetime
) -> None:
    """Add what of the hour no bill covers: an hour that a bill ends within is used evenly."""
    cover = covers.of(hour.meter, hour.account, month_start(day))
    for start, end in cover.rest_of(hour.hour, hour.end):
        whole = (start, end) == (hour.hour, hour.end)
        quantity = hour.quantity if whole else _share(hour, start, end)
        about = About(
            meter=hour.meter,
            account=hour.account,
            region_id=hour.region_id,
            resource_id=hour.resource_id,
            tags=tuple(sorted(hour.tags.items())),
        )
        key = start, end, Granularity.HOUR, about
        if hour.hours > 1 or hour.hour < hourly_from:
            of_day = midnight(start)
            # The part of the day between bills that this lies in, so that its lines say what they cover.
            part = next(
                part for part in cover.rest_of(of_day, of_day + _DAY) if part[0] <= start < part[1]
            )
            key = *part, Granularity.DAY, about
        usage.sums[key] = EXACT.add(usage.sums[key], quantity)


def _share(hour: MeteredHour, start: datetime, end: datetime) -> Decimal:
    share = Fraction((end - start) // timedelta(microseconds=1)) / (
        (hour.end - hour.hour) // timedelta(microseconds=1)
    )
    return to_lake(decimal_of(Fraction(hour.quantity) * share))
