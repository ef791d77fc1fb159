"""Take usage in that a client sends: each record once, what cannot be read put aside and counted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils.text import slugify

from finops.logs import mask_row, redact
from finops.services import tenants_by_slug
from ingestion.core.usage_records import (
    DIMENSIONS,
    RefusedRecord,
    SentRecord,
    read_records,
    refuse,
)
from ingestion.models import Delivery, RejectedRow, Source
from ingestion.usage_api_models import KIND, UsageRecord

_KEPT = ("record_id", "hour", "metric", "quantity", "tenant")
_BATCH = 500


@dataclass(frozen=True)
class Receipt:
    """What became of a batch: every record is in exactly one of the three."""

    source: str
    accepted: int
    duplicates: int
    refused: tuple[RefusedRecord, ...]


def usage_source(*, name: str, now: datetime) -> Source:
    """The source of all that is sent under ``name``, made on first sight."""
    known = Source.objects.filter(kind=KIND, identity=name).first()
    if known:
        return known
    wanted = slug = f"usage-{slugify(name) or 'api'}"[:70]
    number = 2
    while Source.objects.filter(slug=slug).exists():
        slug, number = f"{wanted}-{number}", number + 1
    source, _ = Source.objects.get_or_create(
        kind=KIND,
        identity=name,
        defaults={"slug": slug, "name": f"Usage of {name}", "created_at": now},
    )
    return source


def take_usage(
    *,
    sender: str,
    items: Sequence[object],
    tenants: Collection[str] | None,
    size: int,
    now: datetime,
) -> Receipt:
    """Write the records of one batch, in one transaction.

    A ``record_id`` that the source sent before with the same values is a duplicate and changes nothing; with
    other values it is refused. ``tenants`` are the slugs that the sender may name (``None``: any); one that
    is new appears as a tag's would. ``size`` is the batch in bytes.
    """
    with transaction.atomic():
        made = usage_source(name=sender, now=now)
        # Batches of one source wait for each other here, so that two never write the same record.
        source = Source.objects.select_for_update().get(pk=made.pk)
        sent, refused = read_records(items, now=now, tenants=tenants)
        new, duplicates = _new_records(source, sent, refused, items)
        rows = _rows(source, new, now=now)
        UsageRecord.objects.bulk_create(rows, batch_size=_BATCH)
        # A reason quotes what was sent, which may be a secret in the wrong field.
        shown = [
            replace(record, reason=redact(record.reason)[:300], record_id=redact(record.record_id))
            for record in refused
        ]
        _book(source, shown, accepted=len(rows), size=size, now=now)
    shown.sort(key=lambda record: record.index)
    return Receipt(source.slug, len(rows), duplicates, tuple(shown))


def _new_records(
    source: Source,
    sent: Sequence[SentRecord],
    refused: list[RefusedRecord],
    items: Sequence[object],
) -> tuple[list[SentRecord], int]:
    """The records that are new, and how many were there; contradictions join ``refused``."""
    ids = [record.record_id for record in sent]
    kept = UsageRecord.objects.select_related("tenant").filter(source=source, record_id__in=ids)
    seen = {row.record_id: _kept(row) for row in kept}
    new, duplicates = [], 0
    for record in sent:
        said = _said(record)
        first = seen.setdefault(record.record_id, said)
        if first is said:
            new.append(record)
        elif first == said:
            duplicates += 1
        else:
            reason = (
                "This record_id was sent before with other values, which stay: give each record "
                "an id of its own."
            )
            refused.append(refuse(record.index, items[record.index], reason))
    return new, duplicates


def _kept(row: UsageRecord) -> tuple[object, ...]:
    tenant = row.tenant.slug if row.tenant else ""
    dimensions = (getattr(row, name) for name in DIMENSIONS)
    return (row.hour, row.metric, row.quantity, tenant, row.is_sampled, *dimensions)


def _said(record: SentRecord) -> tuple[object, ...]:
    fact = record.fact
    dimensions = (getattr(fact, name) for name in DIMENSIONS)
    return (fact.hour, fact.metric, fact.quantity, record.tenant, fact.is_sampled, *dimensions)


def _rows(source: Source, new: Sequence[SentRecord], *, now: datetime) -> list[UsageRecord]:
    """Rows of new records. Only these make a tenant: what was refused names none that there is."""
    named = {record.tenant for record in new if record.tenant}
    tenants = tenants_by_slug(slugs=named, discovered=True)
    return [
        UsageRecord(
            source=source,
            record_id=record.record_id,
            hour=record.fact.hour,
            metric=record.fact.metric,
            quantity=record.fact.quantity,
            tenant=tenants.get(record.tenant),
            is_sampled=record.fact.is_sampled,
            received_at=now,
            **{name: getattr(record.fact, name) for name in DIMENSIONS},
        )
        for record in new
    ]


def _book(
    source: Source, refused: Sequence[RefusedRecord], *, accepted: int, size: int, now: datetime
) -> None:
    """Count the batch in the source's delivery of the day; the same bad record is put aside once."""
    delivery, _ = Delivery.objects.get_or_create(
        source=source,
        key=f"usage/{now:%Y-%m-%d}",
        execution_id="",
        sha256="",
        billing_period=None,
        defaults={
            "discovered_at": now,
            "delivered_at": now,
            "state": Delivery.State.LOADED,
        },
    )
    known = set(
        RejectedRow.objects.filter(
            delivery__source=source, file__in={record.mark for record in refused}
        ).values_list("file", "reason")
    )
    rejects = []
    for record in refused:
        if (record.mark, record.reason) in known:
            continue
        known.add((record.mark, record.reason))
        rejects.append(
            RejectedRow(
                delivery=delivery,
                file=record.mark,
                line=record.index + 1,
                reason=record.reason,
                text=mask_row(record.columns, _KEPT),
            )
        )
    RejectedRow.objects.bulk_create(rejects, batch_size=_BATCH)
    Delivery.objects.filter(pk=delivery.pk).update(
        rows=F("rows") + accepted + len(rejects),
        rejected_rows=F("rejected_rows") + len(rejects),
        bytes=F("bytes") + size,
        started_at=now,
        finished_at=now,
    )
