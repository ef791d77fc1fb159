"""What a commit rewrites of a month that is known already, and what it writes down about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from allocation.core.ledger import Ledger
from allocation.core.restate import (
    DayAmount,
    amounts_of,
    changed_days,
    changes,
)
from allocation.models import (
    CandidateTenant,
    LedgerDay,
    LedgerDigest,
    LedgerMonth,
    PnlDay,
    PnlMonth,
    Restatement,
    RestatementLine,
    UncertainCost,
)
from finops.bulk import insert_rows
from finops.core.focus import CostKind
from finops.core.periods import add_months, month_start
from finops.models import Tenant
from ingestion.models import Load


@dataclass(frozen=True)
class Rewrite:
    """Which days of a load are to be written; ``None`` means that the period is new: all of them."""

    digests: Mapping[date, str]
    days: frozenset[date]
    kept: int = 0
    previous: Load | None = None
    before: tuple[DayAmount, ...] = field(default=())

    @property
    def months(self) -> frozenset[date]:
        """The calendar months that these days are in."""
        return frozenset(month_start(day) for day in self.days)

    def of(self, ledger: Ledger) -> Ledger:
        """The part of the load's ledger that is to be written."""
        days, months = self.days, self.months
        return Ledger(
            days=[row for row in ledger.days if row[0] in days],
            months=[row for row in ledger.months if row[0] in months],
            pnl_days=[row for row in ledger.pnl_days if row[0].when in days],
            pnl_months=[row for row in ledger.pnl_months if row[0].when in months],
        )


def take_back(current: Load | None, digests: Mapping[date, str]) -> Rewrite:
    """Remove what ``current`` has on days that change, and say which those are.

    ``digests`` are those of the days that are to be (``allocation.core.restate.day_digests``).

    Rows of days that stay keep the load that wrote them; ``period_loads`` finds them all. Call it inside
    the transaction that writes the rest.
    """
    if current is None:
        return Rewrite(digests, frozenset(digests))
    known = dict(LedgerDigest.objects.filter(load=current).values_list("day", "digest"))
    changed = (
        frozenset(changed_days(known, digests)) if known else _all_days(current) | set(digests)
    )
    rewrite = Rewrite(
        digests,
        changed,
        kept=len(digests.keys() - changed),
        previous=current,
        before=_known_amounts(current, changed),
    )
    mine = period_loads(current)
    LedgerDay.objects.filter(load__in=mine, day__in=changed).delete()
    PnlDay.objects.filter(load__in=mine, day__in=changed).delete()
    LedgerMonth.objects.filter(load__in=mine, month__in=rewrite.months).delete()
    PnlMonth.objects.filter(load__in=mine, month__in=rewrite.months).delete()
    UncertainCost.objects.filter(load=current).delete()
    CandidateTenant.objects.filter(load=current).delete()
    LedgerDigest.objects.filter(load=current).delete()
    return rewrite


def _all_days(load: Load) -> frozenset[date]:
    """Every day of the period: what was loaded before there were digests is replaced whole."""
    rows = LedgerDay.objects.filter(load__in=period_loads(load))
    return frozenset(rows.values_list("day", flat=True).distinct())


def period_loads(load: Load) -> list[UUID]:
    """The ids of all loads of the same source and billing period: one of them wrote each ledger row."""
    found = Load.objects.filter(source=load.source_id, billing_period=load.billing_period)
    return list(found.values_list("pk", flat=True))


def write_down(load: Load, kind: CostKind, rewrite: Rewrite, ledger: Ledger, now: datetime) -> None:
    """Keep the digests of ``load`` and, where billed days gone by have changed, the restatement.

    That an estimate changes is in its nature, and no restatement.
    """
    insert_rows(
        LedgerDigest,
        ("load_id", "day", "digest"),
        ((load.pk, day, digest) for day, digest in rewrite.digests.items()),
    )
    previous = rewrite.previous if kind == CostKind.BILLED else None
    known_until = _known_until(previous) if previous else None
    if previous is None or known_until is None:
        return
    found = changes(rewrite.before, amounts_of(ledger, set(rewrite.days)), known_until=known_until)
    if not found:
        return
    restatement = Restatement.objects.create(
        load=load,
        previous_load=previous,
        made_at=now,
        known_until=known_until,
        days_rewritten=len(rewrite.days),
        days_kept=rewrite.kept,
    )
    ids = dict(
        Tenant.objects.filter(slug__in={one.tenant for one in found}).values_list("slug", "pk")
    )
    RestatementLine.objects.bulk_create(
        RestatementLine(
            restatement=restatement,
            tenant_id=ids.get(one.tenant),
            service_provider_name=one.service_provider_name,
            service_category=one.service_category,
            billing_currency=one.billing_currency,
            first_day=one.first_day,
            last_day=one.last_day,
            days=one.days,
            billed_before=one.billed_before,
            billed_after=one.billed_after,
            effective_before=one.effective_before,
            effective_after=one.effective_after,
        )
        for one in found
    )


def _known_until(load: Load) -> date | None:
    """The first day that was not whole in ``load``; one of monthly lines alone is whole when its month is over."""
    if load.data_through:
        return load.data_through.date()
    end = add_months(load.billing_period, 1)
    return end if load.committed_at and load.committed_at.date() >= end else None


def _known_amounts(load: Load, days: frozenset[date]) -> tuple[DayAmount, ...]:
    rows = PnlDay.objects.filter(load__in=period_loads(load), day__in=days)
    slugs: dict[int | None, str] = dict(Tenant.objects.values_list("pk", "slug"))
    slugs[None] = ""
    return tuple(
        DayAmount(day, slugs[tenant], provider, category, currency, billed, effective)
        for day, tenant, provider, category, currency, billed, effective in rows.values_list(
            "day",
            "tenant_id",
            "service_provider_name",
            "service_category",
            "billing_currency",
            "billed_cost",
            "effective_cost",
        ).iterator()
    )
