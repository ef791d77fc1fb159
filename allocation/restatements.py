"""Reads over restatements: what a newer delivery changed of days gone by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from allocation.core.figures import Metric
from allocation.models import Restatement, RestatementLine
from finops.core.amounts import EXACT

NOBODY = "Unallocated"


@dataclass(frozen=True)
class RestatedLine:
    """One tenant's cost of one category before and after, over the days that changed."""

    tenant: str
    tenant_slug: str
    service_category: str
    billing_currency: str
    first_day: date
    last_day: date
    days: int
    billed_before: Decimal
    billed_after: Decimal
    effective_before: Decimal
    effective_after: Decimal


@dataclass(frozen=True)
class Restated:
    """One restatement with its lines, largest change first."""

    pk: int
    source: str
    billing_period: date
    delivery_id: int
    made_at: datetime
    known_until: date
    days_rewritten: int
    days_kept: int
    lines: tuple[RestatedLine, ...]

    @property
    def tenants(self) -> tuple[str, ...]:
        """The names of those whose cost changed, in order."""
        return tuple(sorted({line.tenant for line in self.lines}))

    def change(self, metric: Metric) -> dict[str, Decimal]:
        """What it added to cost, by currency; below zero where cost fell."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for line in self.lines:
            before, after = (
                (line.billed_before, line.billed_after)
                if metric == "billed"
                else (line.effective_before, line.effective_after)
            )
            sums[line.billing_currency] = EXACT.add(
                sums[line.billing_currency], EXACT.subtract(after, before)
            )
        return dict(sorted(sums.items()))


def restatements(*, billing_period: date | None = None, limit: int | None = None) -> list[Restated]:
    """The restatements, newest first, in two queries."""
    rows = Restatement.objects.select_related("load__source").prefetch_related("lines__tenant")
    if billing_period is not None:
        rows = rows.filter(load__billing_period=billing_period)
    return [_restated(row) for row in rows[:limit]]


def restatement(pk: int) -> Restated | None:
    """One of them."""
    rows = Restatement.objects.select_related("load__source").prefetch_related("lines__tenant")
    row = rows.filter(pk=pk).first()
    return None if row is None else _restated(row)


def _restated(row: Restatement) -> Restated:
    return Restated(
        pk=row.pk,
        source=row.load.source.slug,
        billing_period=row.load.billing_period,
        delivery_id=row.load.delivery_id,
        made_at=row.made_at,
        known_until=row.known_until,
        days_rewritten=row.days_rewritten,
        days_kept=row.days_kept,
        lines=tuple(_lines(row.lines.all())),
    )


def _lines(rows: Iterable[RestatementLine]) -> Iterable[RestatedLine]:
    for row in rows:
        yield RestatedLine(
            tenant=row.tenant.name if row.tenant else NOBODY,
            tenant_slug=row.tenant.slug if row.tenant else "",
            service_category=row.service_category,
            billing_currency=row.billing_currency,
            first_day=row.first_day,
            last_day=row.last_day,
            days=row.days,
            billed_before=row.billed_before,
            billed_after=row.billed_after,
            effective_before=row.effective_before,
            effective_after=row.effective_after,
        )
