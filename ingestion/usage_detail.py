"""For how long usage is known by hour; older hours of what APIs told are put together into days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import ExtractHour, TruncDate

from finops.bulk import insert_rows
from finops.core.amounts import exact_sum
from ingestion.cloudflare_models import UsageHour
from ingestion.core.usage import METRICS
from ingestion.models import Source

_SUBJECT = (
    "metric",
    "account",
    "zone",
    "host",
    "cache_status",
    "script",
    "bucket",
    "storage_class",
)
_DAY = timedelta(days=1)


def first_detailed_day(now: datetime) -> date:
    """The first UTC day that is known by hour and path; of those before, sums by day are kept."""
    return (now - timedelta(days=settings.USAGE_DETAIL_DAYS)).date()


def put_hours_together(*, now: datetime) -> int:
    """Make one row of the hours of a day before ``first_detailed_day``, at its first hour; how many rows left.

    What adds up is added; of a level (a quantile, bytes stored) the day keeps the highest, as pages and bills
    take it. Safe to repeat.
    """
    before = datetime.combine(first_detailed_day(now), time(), UTC)
    hours = UsageHour.objects.annotate(of_day=ExtractHour("hour", tzinfo=UTC)).filter(
        hour__lt=before, of_day__gt=0
    )
    days = hours.annotate(day=TruncDate("hour", tzinfo=UTC)).order_by("source_id", "day")
    found = list(days.values_list("source_id", "day").distinct())
    return sum(_one_day(source, day) for source, day in found)


def _one_day(source_id: int, day: date) -> int:
    start = datetime.combine(day, time(), UTC)
    with transaction.atomic():
        # Who reads the day again from the API holds the source as well.
        Source.objects.select_for_update().get(pk=source_id)
        rows = UsageHour.objects.filter(source_id=source_id, hour__gte=start, hour__lt=start + _DAY)
        known = list(rows.values_list(*_SUBJECT, "quantity", "is_sampled"))
        rows.delete()
        made = insert_rows(
            UsageHour,
            ("source_id", "hour", *_SUBJECT, "quantity", "is_sampled"),
            ((source_id, start, *row) for row in _by_subject(known)),
        )
    return len(known) - made


def _by_subject(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    quantities: dict[tuple[str, ...], list[Decimal]] = defaultdict(list)
    sampled: set[tuple[str, ...]] = set()
    for *subject, quantity, is_sampled in rows:
        key = tuple(subject)
        quantities[key].append(quantity)
        if is_sampled:
            sampled.add(key)
    return [
        (*key, max(found) if _is_level(key[0]) else exact_sum(found), key in sampled)
        for key, found in sorted(quantities.items())
    ]


def _is_level(metric: str) -> bool:
    return metric in METRICS and METRICS[metric].is_level
