"""Reads over usage that APIs told."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.db.models import Max

from finops.core.periods import Window
from ingestion.cloudflare_models import UsageCheck, UsageHour, WorkerDeployment
from ingestion.core.r2 import R2_METRICS
from ingestion.core.usage import UsageFact
from ingestion.core.worker_cpu import Marker

_WORKER_METRICS = ("worker_requests", "worker_cpu_us", "worker_cpu_us_p50", "worker_cpu_us_p99")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def newest_checks() -> list[UsageCheck]:
    """The newest look through each connection, by its name."""
    newest = UsageCheck.objects.order_by().values("connection").annotate(newest=Max("id"))
    return list(
        UsageCheck.objects.filter(pk__in=newest.values("newest"))
        .select_related("connection", "source")
        .order_by("connection__slug")
    )


def usage_facts(window: Window, metrics: tuple[str, ...]) -> list[UsageFact]:
    """The stored facts of ``metrics`` within ``window``, by hour."""
    rows = UsageHour.objects.filter(
        metric__in=metrics, hour__gte=_midnight(window.start), hour__lt=_midnight(window.end)
    )
    names = (
        "hour",
        "metric",
        "quantity",
        "account",
        "zone",
        "host",
        "cache_status",
        "script",
        "bucket",
        "storage_class",
        "is_sampled",
    )
    return [UsageFact(**row) for row in rows.values(*names)]


def worker_facts(window: Window) -> list[UsageFact]:
    """Requests, CPU time and its quantiles of every Worker within ``window``."""
    return usage_facts(window, _WORKER_METRICS)


def r2_facts(window: Window) -> list[UsageFact]:
    """Operations on R2 and what was stored in it within ``window``."""
    return usage_facts(window, R2_METRICS)


def deployments(window: Window) -> list[Marker]:
    """The deployments of Workers within ``window``, the oldest first."""
    rows = WorkerDeployment.objects.filter(
        created_at__gte=_midnight(window.start), created_at__lt=_midnight(window.end)
    ).order_by("created_at")
    return [Marker(row.script, row.created_at, row.message) for row in rows]
