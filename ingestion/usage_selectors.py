"""Reads of usage that clients sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from django.db.models import OuterRef, QuerySet, Subquery

from finops.core.periods import Window
from finops.models import Tenant
from ingestion.models import Source
from ingestion.usage_api_models import KIND, UsageRecord


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

    ``None`` sees all, also what names no tenant. Slugs become ids here: joined, they would have the database
    read every record for one page of a slug that has few.
    """
    rows = UsageRecord.objects.select_related("source", "tenant")
    if tenant:
        tenants = {tenant} if tenants is None else {tenant}.intersection(tenants)
    if tenants is not None:
        rows = rows.filter(tenant_id__in=_ids(Tenant.objects.filter(slug__in=tenants)))
    if source:
        rows = rows.filter(source_id__in=_ids(Source.objects.filter(slug=source)))
    if metric:
        rows = rows.filter(metric=metric)
    if start is not None:
        rows = rows.filter(hour__gte=start)
    if end is not None:
        rows = rows.filter(hour__lt=end)
    return rows


def _ids(rows: QuerySet[Tenant] | QuerySet[Source]) -> list[int]:
    return list(rows.order_by().values_list("pk", flat=True))


def days_with_usage(window: Window) -> dict[int, SentDays]:
    """By the source's id, in two queries that an index answers."""
    oldest = UsageRecord.objects.filter(source=OuterRef("pk")).order_by("hour").values("hour")[:1]
    sources = Source.objects.filter(kind=KIND).order_by().values_list("pk", Subquery(oldest))
    first = {source: moment for source, moment in sources if moment is not None}
    days: dict[int, set[date]] = defaultdict(set)
    start, end = (datetime.combine(day, time(), UTC) for day in (window.start, window.end))
    hours = UsageRecord.objects.filter(source_id__in=list(first), hour__gte=start, hour__lt=end)
    # The date is taken here: on SQLite a date in SQL is a call of Python for every record.
    for source, hour in hours.order_by().values_list("source_id", "hour").distinct():
        days[source].add(hour.astimezone(UTC).date())
    return {
        source: SentDays(moment.astimezone(UTC).date(), days[source])
        for source, moment in first.items()
    }
