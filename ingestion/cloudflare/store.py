"""Keep the usage of a day: what was read takes the place of what was there, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.db.models import F

from finops.bulk import insert_rows
from finops.core.periods import month_start
from finops.logs import redact
from ingestion.cloudflare_models import (
    UsageCheck,
    UsageHour,
    UsageMonth,
    UsageProgress,
    WorkerDeployment,
)
from ingestion.core.cloudflare_graphql import Aside
from ingestion.core.cloudflare_rest import Deployment
from ingestion.core.usage import UsageFact
from ingestion.models import Connection, Source

CHECKS_KEPT = timedelta(days=30)
REJECTS_KEPT = 200

_COLUMNS = (
    "source_id",
    "hour",
    "metric",
    "account",
    "zone",
    "host",
    "cache_status",
    "script",
    "bucket",
    "storage_class",
    "quantity",
    "is_sampled",
)


Target = tuple[str, str]
"""The id of a dataset, and of the account or zone that it is read for."""


@dataclass(frozen=True)
class Part:
    """A part of a day that was read whole: these metrics of one account, or of one zone of it."""

    metrics: tuple[str, ...]
    zone: str = ""


@dataclass(frozen=True)
class Advance:
    """What was read whole up to ``through``, by one connection."""

    connection: Connection
    targets: tuple[Target, ...]
    through: datetime


@dataclass(frozen=True)
class Check:
    """What one look found; fields as in ``UsageCheck``."""

    checked_at: datetime
    window_start: datetime | None = None
    window_end: datetime | None = None
    data_through: datetime | None = None
    capabilities: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    rows: int = 0
    asides: tuple[Aside, ...] = ()
    notes: tuple[str, ...] = ()


def store_day(
    *,
    source: Source,
    day: date,
    facts: Collection[UsageFact],
    parts: Collection[Part],
    advance: Advance | None = None,
) -> None:
    """Replace ``parts`` of the source's UTC ``day`` by ``facts``, and note in the same breath up to when was read.

    Safe to repeat. What is no part stays as it is, so that a dataset that could not be read loses nothing.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    rows = [_row(source, fact) for fact in facts]
    with transaction.atomic():
        # Two workers with one source would each delete and both insert.
        Source.objects.select_for_update().get(pk=source.pk)
        for part in parts:
            UsageHour.objects.filter(
                source=source,
                hour__gte=start,
                hour__lt=start + timedelta(days=1),
                metric__in=part.metrics,
                zone=part.zone,
            ).delete()
        insert_rows(UsageHour, _COLUMNS, rows)
        month, _ = UsageMonth.objects.get_or_create(source=source, month=month_start(day))
        UsageMonth.objects.filter(pk=month.pk).update(readings=F("readings") + 1)
        if advance:
            _note(source, advance)


def _note(source: Source, advance: Advance) -> None:
    rows = [
        UsageProgress(
            source=source,
            connection=advance.connection,
            dataset=dataset,
            tag=tag,
            data_through=advance.through,
        )
        for dataset, tag in advance.targets
    ]
    UsageProgress.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["source", "connection", "dataset", "tag"],
        update_fields=["data_through"],
    )


def read_through(source: Source, connection: Connection) -> dict[Target, datetime]:
    """Up to when each dataset of each account and zone was read whole through ``connection``."""
    rows = UsageProgress.objects.filter(source=source, connection=connection)
    return {(row.dataset, row.tag): row.data_through for row in rows}


def store_deployments(*, source: Source, deployments: Collection[Deployment]) -> None:
    """Add the deployments that are new. Safe to repeat."""
    WorkerDeployment.objects.bulk_create(
        [_deployment(source, one) for one in deployments], ignore_conflicts=True
    )


def _row(source: Source, fact: UsageFact) -> tuple[object, ...]:
    return (
        source.pk,
        fact.hour,
        fact.metric,
        fact.account,
        fact.zone,
        fact.host,
        fact.cache_status,
        fact.script,
        fact.bucket,
        fact.storage_class,
        fact.quantity,
        fact.is_sampled,
    )


def _deployment(source: Source, one: Deployment) -> WorkerDeployment:
    return WorkerDeployment(
        source=source,
        account=one.account,
        script=one.script,
        deployment_id=one.deployment_id,
        created_at=one.created_at,
        deployed_by=one.source,
        message=redact(one.message),
        versions=[{"version_id": version, "percentage": share} for version, share in one.versions],
    )


def record_check(*, source: Source, connection: Connection, check: Check) -> None:
    """Write down one look, and forget those that are older than ``CHECKS_KEPT``.

    The newest whole one stays, however old: it tells since when nothing was read whole.
    """
    with transaction.atomic():
        UsageCheck.objects.create(
            source=source,
            connection=connection,
            checked_at=check.checked_at,
            window_start=check.window_start,
            window_end=check.window_end,
            data_through=check.data_through,
            capabilities=dict(check.capabilities),
            problem=check.problem,
            rows=check.rows,
            rejected_rows=len(check.asides),
            rejects=[
                {"place": redact(aside.place), "reason": redact(aside.reason)}
                for aside in check.asides[:REJECTS_KEPT]
            ],
            notes=[redact(note) for note in check.notes],
        )
        looks = UsageCheck.objects.filter(source=source, connection=connection)
        whole = looks.filter(data_through__isnull=False).order_by("-data_through", "-pk")
        old = looks.filter(checked_at__lt=check.checked_at - CHECKS_KEPT)
        old.exclude(pk__in=[each.pk for each in whole[:1]]).delete()
