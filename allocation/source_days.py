"""Which days each source has something for, as Data health shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from django.db.models import Max

from allocation.models import LedgerDigest
from finops.core.periods import Window
from ingestion.core.grid import DayCell, bill_days, revenue_days, usage_days
from ingestion.log_selectors import days_with_usage, usage_spans
from ingestion.models import Load, RevenueRow, Source


def source_days(window: Window, now: datetime) -> list[tuple[Source, list[DayCell]]]:
    """Every active source with the state of each day, in a fixed number of queries."""
    current = Load.objects.filter(state=Load.State.CURRENT)
    lines: dict[int, set[date]] = defaultdict(set)
    for source, day in LedgerDigest.objects.filter(
        load__in=current, day__gte=window.start, day__lt=window.end
    ).values_list("load__source_id", "day"):
        lines[source].add(day)
    months: dict[int, set[date]] = defaultdict(set)
    for source, month in current.values_list("source_id", "billing_period"):
        months[source].add(month)
    newest: Mapping[int, datetime | None] = dict(
        current.order_by().values_list("source_id").annotate(newest=Max("data_through"))
    )
    invoiced = _invoiced_days(window)
    usage = usage_spans()
    counted = days_with_usage(window)
    days = list(window.each_day())

    def cells(source: Source) -> list[DayCell]:
        every = timedelta(hours=source.expected_every_hours)
        if source.pk in usage:
            return usage_days(
                days,
                with_usage=counted.get(source.pk, set()),
                first_day=usage[source.pk].first_day,
                newest_event=usage[source.pk].newest_event,
                expected_every=every,
                now=now,
            )
        if source.service_provider_name:
            return bill_days(
                days,
                with_lines=lines[source.pk],
                loaded_months=months[source.pk],
                first_month=min(months[source.pk], default=None),
                data_through=newest.get(source.pk),
                expected_every=every,
                now=now,
            )
        return revenue_days(days, with_revenue=invoiced.get(source.pk, set()))

    return [(source, cells(source)) for source in Source.objects.filter(is_active=True)]


def _invoiced_days(window: Window) -> dict[int, set[date]]:
    spans = (
        RevenueRow.objects.filter(
            delivery__isnull=False, service_start__lt=window.end, service_end__gt=window.start
        )
        .order_by()
        .values_list("delivery__source", "service_start", "service_end")
        .distinct()
    )
    found: dict[int, set[date]] = defaultdict(set)
    for source, start, end in spans:
        span = Window(max(start, window.start), min(end, window.end))
        found[source].update(span.each_day())
    return found
