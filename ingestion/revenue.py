"""Take invoiced revenue in: rows that come again are one row, rows that are corrected replace the old."""

from __future__ import annotations

from collections import defaultdict

from django.db import DatabaseError, transaction
from django.db.models import Sum

from finops.models import Tenant
from finops.services import tenants_by_slug
from ingestion.bookkeeping import Outcome, finish_delivery, hand_on, outcome_of
from ingestion.core.delivery import DeliveryRef, SourceError
from ingestion.models import Delivery, RevenueRow
from ingestion.registry import RevenueSource


def take_revenue(reader: RevenueSource, ref: DeliveryRef, delivery: Delivery) -> Outcome:
    """Write the file's rows, have them recognised, and mark the delivery: all in one transaction.

    Raises ``SourceError``.
    """
    reading = reader.read_revenue(ref)
    slugs = sorted({line.tenant for line in reading.lines})
    with transaction.atomic():
        tenants = tenants_by_slug(slugs=slugs, discovered=False)
        rows = [
            RevenueRow(
                tenant=tenants[line.tenant],
                service_start=line.service_start,
                service_end=line.service_end,
                amount=line.amount,
                currency=line.currency,
                invoice_id=line.invoice_id,
                line_id=line.line_id,
                delivery=delivery,
            )
            for line in reading.lines
        ]
        _take_back_corrected(rows)
        RevenueRow.objects.bulk_create(
            rows,
            batch_size=500,
            update_conflicts=True,
            unique_fields=["invoice_id", "tenant", "service_start", "service_end", "line_id"],
            update_fields=["amount", "currency", "delivery"],
        )
        # Who is invoiced is a customer, whatever first named it.
        Tenant.objects.filter(slug__in=slugs, discovered=True).update(discovered=False)
        hand_on("revenue", delivery=delivery)
        _refuse_endless_sums(ref)
        finish_delivery(delivery=delivery, rows=reading.rows, rejects=reading.rejects)
    delivery.refresh_from_db()
    if reading.rows and not reading.lines:
        return outcome_of(
            delivery, "failed", f"{ref.key}: none of its {reading.rows} rows can be read."
        )
    return outcome_of(delivery, "loaded", "")


def _take_back_corrected(rows: list[RevenueRow]) -> None:
    """Remove imported lines that ``rows`` correct: same invoice line and tenant, other but overlapping days."""
    keys = {
        (row.invoice_id, row.tenant_id, row.service_start, row.service_end, row.line_id)
        for row in rows
    }
    by_line = defaultdict(list)
    for row in rows:
        by_line[row.invoice_id, row.tenant_id, row.line_id].append(row)
    known = RevenueRow.objects.filter(
        invoice_id__in={row.invoice_id for row in rows}, delivery__isnull=False
    )
    corrected = [
        old.pk
        for old in known
        if (old.invoice_id, old.tenant_id, old.service_start, old.service_end, old.line_id)
        not in keys
        and any(
            new.service_start < old.service_end and old.service_start < new.service_end
            for new in by_line[old.invoice_id, old.tenant_id, old.line_id]
        )
    ]
    RevenueRow.objects.filter(pk__in=corrected).delete()


def _refuse_endless_sums(ref: DeliveryRef) -> None:
    """SQLite's sums end at 9.2e10: better said while loading than by every page afterwards."""
    try:
        list(RevenueRow.objects.values("currency").annotate(total=Sum("amount")))
    except DatabaseError:
        msg = f"{ref.key}: revenue would add up to more than SQLite can hold (92 billion): use PostgreSQL."
        raise SourceError(msg) from None
