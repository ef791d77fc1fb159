"""Keep the usage of a day: what was read takes the place of what was there, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.db import transaction

from finops.bulk import insert_rows
from finops.logs import redact
from ingestion.cloudflare_models import UsageCheck, UsageHour, WorkerDeployment
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


@dataclass(frozen=True)
class Part:
    """A part of a day that was read whole: these metrics of one account, or of one zone of it."""

    metrics: tuple[str, ...]
    zone: str = ""


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
    deployments: Collection[Deployment] = (),
) -> None:
    """Replace ``parts`` of the source's UTC ``day`` by ``facts``, and add deployments that are new.

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
    """Write down one look, and forget those that are older than ``CHECKS_KEPT``."""
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
        UsageCheck.objects.filter(
            source=source, checked_at__lt=check.checked_at - CHECKS_KEPT
        ).delete()
