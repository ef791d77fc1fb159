"""Reads of usage that clients sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from django.db.models import Min, QuerySet
from django.db.models.functions import TruncDate

from finops.core.periods import Window
from ingestion.usage_api_models import UsageRecord


@dataclass(frozen=True)
class SentDays:
    """The days of a window that a source sent usage for, and the first day that it ever did."""

    first: date
    days: Collection[date]


def usage_records(
    *,
    tenants: Collection[str] | None,
    metric: str = "",
    source: str = "",
    tenant: str = "",
    start: datetime | None = None,
    end: datetime | None = None,
) -> QuerySet[UsageRecord]:
    """Records of hours from ``start`` until before ``end``; ``tenants`` are the slugs that may be seen.

    ``None`` sees all, also what names no tenant.
    """
    rows = UsageRecord.objects.select_related("source", "tenant")
    if tenants is not None:
        rows = rows.filter(tenant__slug__in=tenants)
    if start is not None:
        rows = rows.filter(hour__gte=start)
    if end is not None:
        rows = rows.filter(hour__lt=end)
    wanted = {"metric": metric, "source__slug": source, "tenant__slug": tenant}
    return rows.filter(**{name: value for name, value in wanted.items() if value})


def days_with_usage(window: Window) -> dict[int, SentDays]:
    """By the source's id, in two queries."""
    first = dict(
        UsageRecord.objects.order_by().values_list("source_id").annotate(first=Min("hour"))
    )
    days: dict[int, set[date]] = defaultdict(set)
    start, end = (datetime.combine(day, time(), UTC) for day in (window.start, window.end))
    for source, day in (
        UsageRecord.objects.filter(hour__gte=start, hour__lt=end)
        .order_by()
        .values_list("source_id", TruncDate("hour", tzinfo=UTC))
        .distinct()
    ):
        days[source].add(day)
    return {
        source: SentDays(moment.astimezone(UTC).date(), days[source])
        for source, moment in first.items()
    }
