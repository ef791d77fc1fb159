"""Which days each source has something for, as Data health shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from django.db.models import Max

from allocation.models import LedgerDigest
from finops.core.periods import Window
from finops.fx_models import ExchangeRate
from ingestion.api_registry import api_sources
from ingestion.cloudflare.selectors import AskedSpan, asked_spans
from ingestion.core.grid import (
    DayCell,
    asked_days,
    bill_days,
    rate_days,
    revenue_days,
    sent_days,
    usage_days,
)
from ingestion.core.lateness import bills_whole_months
from ingestion.estimate_models import SOURCE_KIND as ESTIMATES
from ingestion.invoice_models import SOURCE_KIND as INVOICES
from ingestion.log_selectors import days_counted, usage_spans
from ingestion.models import Load, RevenueRow, Source
from ingestion.selectors import billed_until, is_billed
from ingestion.sources.ecb_rates import SOURCE as RATES_READER
from ingestion.tsa_models import KINDS as STAMP_KINDS
from ingestion.tsa_selectors import days_with_stamps
from ingestion.usage_api_models import KIND as USAGE_API
from ingestion.usage_selectors import days_with_usage

RATES = RATES_READER.id


def source_days(window: Window, now: datetime) -> list[tuple[Source, list[DayCell]]]:
    """Every active source with the state of each day, in a fixed number of queries.

    Estimates are made here, so nobody delivers them.
    """
    current = Load.objects.filter(state=Load.State.CURRENT)
    lines: dict[int, set[date]] = defaultdict(set)
    for source, day in LedgerDigest.objects.filter(
        load__in=current, day__gte=window.start, day__lt=window.end
    ).values_list("load__source_id", "day"):
        lines[source].add(day)
    months: dict[int, set[date]] = defaultdict(set)
    for source, month in current.values_list("source_id", "billing_period"):
        months[source].add(month)
    newest: Mapping[int, tuple[date | None, datetime | None]] = {
        source: (period, through)
        for source, period, through in current.order_by()
        .values_list("source_id")
        .annotate(period=Max("billing_period"), through=Max("data_through"))
    }
    invoiced = _invoiced_days(window)
    sent = days_with_usage(window) | days_with_stamps(window)
    logs, counted = usage_spans(), days_counted(window)
    shown = list(Source.objects.filter(is_active=True).exclude(kind=ESTIMATES))
    kinds = {source.kind for source in shown}
    asked = asked_spans(window) if kinds & set(api_sources()) else {}
    rated = _days_with_rates(window) if RATES in kinds else set()
    days = list(window.each_day())

    def cells(source: Source) -> list[DayCell]:
        expected = timedelta(hours=source.expected_every_hours)
        if source.kind == USAGE_API or source.kind in STAMP_KINDS:
            of_source = sent.get(source.pk)
            return sent_days(
                days,
                with_usage=of_source.days if of_source else (),
                first_day=of_source.first if of_source else None,
                expected_every=expected,
                now=now,
            )
        if source.kind in api_sources():
            told = asked.get(source.pk, AskedSpan(None, None, frozenset()))
            return asked_days(
                days,
                with_usage=told.days,
                first_day=told.first_day,
                read_through=told.read_through,
                expected_every=expected,
                now=now,
            )
        if source.kind == RATES:
            return rate_days(days, with_rates=rated)
        if source.pk in logs:
            return usage_days(
                days,
                with_usage=counted.get(source.pk, set()),
                first_day=logs[source.pk].first_day,
                newest_event=logs[source.pk].newest_event,
                expected_every=expected,
                now=now,
                lateness=logs[source.pk].lateness,
            )
        if not is_billed(source) and source.kind != INVOICES:
            return revenue_days(days, with_revenue=invoiced.get(source.pk, set()))
        if source.kind == INVOICES:
            return revenue_days(days, with_revenue=lines[source.pk])
        return bill_days(
            days,
            with_lines=lines[source.pk],
            loaded_months=months[source.pk],
            first_month=min(months[source.pk], default=None),
            data_through=billed_until(
                *newest.get(source.pk, (None, None)), source.expected_every_hours
            ),
            by_month=bills_whole_months(source.expected_every_hours),
            expected_every=expected,
            now=now,
        )

    return [(source, cells(source)) for source in shown]


def _days_with_rates(window: Window) -> set[date]:
    rows = ExchangeRate.objects.filter(day__gte=window.start, day__lt=window.end)
    return set(rows.order_by().values_list("day", flat=True).distinct())


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
