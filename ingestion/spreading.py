"""Spread an amount that a bill names for a whole period over the days and owners that used its meter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256

from finops.core.amounts import EXACT
from ingestion.core.pricing import split_cost
from ingestion.metered_registry import metered

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class SpreadPart:
    """What of an amount falls to one UTC day and one set of tags; ``quantity`` is in the meter's unit.

    ``start`` and ``end`` are the day's, cut to the period.
    """

    start: datetime
    end: datetime
    tags: Mapping[str, str]
    quantity: Decimal
    amount: Decimal


def usage_marks() -> Mapping[date, str]:
    """Month → digest that differs once any usage that an amount of the month is spread by may differ."""
    by_month: dict[date, list[tuple[str, str]]] = defaultdict(list)
    for name, source in sorted(metered().items()):
        for month, mark in source.marks().items():
            by_month[month].append((name, mark))
    return {month: sha256(repr(marks).encode()).hexdigest() for month, marks in by_month.items()}


def spread(
    *, amount: Decimal, meter: str, start: datetime, end: datetime, account: str = ""
) -> list[SpreadPart]:
    """``amount`` in proportion to what was metered from ``start`` until before ``end`` (aware, UTC).

    By day and tags, in this order; the parts sum to ``amount`` to the last digit. Without ``account`` the usage
    of all accounts counts; usage that names no account counts for each. Empty where nothing was metered: the
    caller keeps one line. Raises ``ValueError`` where ``end`` does not lie behind ``start``.
    """
    if end <= start:
        msg = f"A period cannot end at {end:%Y-%m-%d %H:%M} and begin at {start:%Y-%m-%d %H:%M}."
        raise ValueError(msg)
    used: dict[tuple[datetime, tuple[tuple[str, str], ...]], Decimal] = defaultdict(Decimal)
    for source in metered().values():
        if meter not in source.meters:
            continue
        for hour in source.read(start, end).hours:
            if hour.meter == meter and (not account or hour.account in ("", account)):
                day = datetime.combine(hour.hour.astimezone(UTC).date(), time(), UTC)
                key = day, tuple(sorted(hour.tags.items()))
                used[key] = EXACT.add(used[key], hour.quantity)
    weights = {key: quantity for key, quantity in sorted(used.items()) if quantity}
    if not weights:
        return []
    return [
        SpreadPart(
            start=max(day, start),
            end=min(day + _DAY, end),
            tags=dict(tags),
            quantity=weights[day, tags],
            amount=part,
        )
        for (day, tags), part in split_cost(amount, weights).items()
    ]
