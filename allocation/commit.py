"""Make a load visible, or not at all.

``commit_load`` is the one transaction of the design: it makes the load current and replaces the ledger
rows of the days that changed, so that a reader never sees a hole, a half or a double.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum

from allocation import books, restating
from allocation.core.bridge import Step
from allocation.core.ledger import Ledger
from allocation.models import (
    BridgeStep,
    CandidateTenant,
    LedgerDay,
    LedgerMonth,
    PnlDay,
    PnlMonth,
    UncertainCost,
)
from finops import clock
from finops.bulk import insert_rows
from finops.core.amounts import EXACT, ZERO, plain, split_exact, to_money
from finops.core.focus import CostKind
from finops.services import tenants_by_slug
from ingestion import lake
from ingestion.bookkeeping import finish_delivery, is_older
from ingestion.core.delivery import ChargeReading, CurrencyTotal, LoadRefusedError
from ingestion.learning import learn_of
from ingestion.models import Delivery, LakeFile, Load, LoadTotal, Source

_LEDGER_COLUMNS = (
    "load_id",
    "source_id",
    "tenant_id",
    "environment",
    "product",
    "team",
    "method",
    "confidence",
    "service_provider_name",
    "service_category",
    "service_name",
    "region_id",
    "charge_category",
    "billing_currency",
    "granularity",
    "kind",
    "billed_cost",
    "effective_cost",
    "list_cost",
    "consumed_quantity",
    "consumed_unit",
    "lines",
)


class ControlTotalError(LoadRefusedError):
    """The ledger does not add up to what was read; nothing was made visible."""


_PNL_COLUMNS = (
    "load_id",
    "tenant_id",
    "service_provider_name",
    "service_category",
    "charge_category",
    "billing_currency",
    "confidence",
    "kind",
    "billed_cost",
    "effective_cost",
    "lines",
)


def commit_load(
    *,
    load: Load,
    reading: ChargeReading,
    ledger: Ledger,
    digests: Mapping[date, str],
    in_lake: dict[tuple[str, str], tuple[Decimal, int]],
    uncertain: Sequence[tuple[Any, ...]],
    candidates: Sequence[tuple[Any, ...]],
    steps: Sequence[Step],
    files: Iterable[LakeFile],
) -> None:
    """Make ``load`` current in one transaction, with its ledger rows and its control totals.

    ``digests`` are those of the ledger's days, ``in_lake`` is the billed cost (exact) and the number of
    lines in the lake, by currency and provider. The totals are summed by the database from the rows of the period, and
    its CHECKs refuse a load that does not add up. Where a newer delivery became current meanwhile, this
    one is marked superseded and changes nothing.
    """
    with transaction.atomic():
        # Not the key: a close that waits for nobody but the books stores rows that refer to the source.
        Source.objects.select_for_update(no_key=True).get(pk=load.source_id)
        current = (
            Load.objects.select_related("delivery", "source")
            .filter(
                source=load.source, billing_period=load.billing_period, state=Load.State.CURRENT
            )
            .first()
        )
        if current and (_was_overtaken(load, current) or is_older(load.delivery, current.delivery)):
            _step_aside(load, current)
            return
        now = clock.now()
        rewrite = restating.take_back(current, digests)
        if current:
            Load.objects.filter(pk=current.pk).update(
                state=Load.State.SUPERSEDED, superseded_at=now
            )
        _write_rows(load, reading.kind, rewrite.of(ledger), uncertain, candidates)
        restating.write_down(load, reading.kind, rewrite, ledger, now)
        LakeFile.objects.bulk_create(files)
        _write_totals(load, reading, ledger, in_lake)
        _write_bridge(load, steps)
        books.book_cost_changes(load=load, months=rewrite.months)
        Load.objects.filter(pk=load.pk).update(state=Load.State.CURRENT, committed_at=now)
        finish_delivery(
            delivery=load.delivery,
            rows=load.lines + load.rejected_lines,
            rejects=reading.rejects,
        )
        learn_of(load.source)


def _was_overtaken(load: Load, current: Load) -> bool:
    """Whether another worker committed the same delivery after this one began to read it."""
    same = current.delivery_id == load.delivery_id
    return same and (current.committed_at is None or current.committed_at > load.started_at)


def _step_aside(load: Load, current: Load) -> None:
    if current.delivery_id != load.delivery_id:
        Delivery.objects.filter(pk=load.delivery_id).update(
            state=Delivery.State.SUPERSEDED, finished_at=clock.now()
        )
    lake.discard(load)
    Load.objects.filter(pk=load.pk).delete()


def _write_rows(
    load: Load,
    kind: CostKind,
    ledger: Ledger,
    uncertain: Sequence[tuple[Any, ...]],
    candidates: Sequence[tuple[Any, ...]],
) -> None:
    slugs = {key.tenant for _, key, _ in ledger.months if key.tenant} | {
        slug for _, slug in candidates
    }
    ids: dict[str, int | None] = {
        slug: tenant.pk for slug, tenant in tenants_by_slug(slugs=slugs, discovered=True).items()
    }
    ids[""] = None
    for model, column, rows in (
        (LedgerDay, "day", ledger.days),
        (LedgerMonth, "month", ledger.months),
    ):
        insert_rows(
            model,
            (*_LEDGER_COLUMNS, column),
            (
                (
                    load.pk,
                    load.source_id,
                    ids[key.tenant],
                    *key[1:],
                    kind.value,
                    *amounts,
                    when,
                )
                for when, key, amounts in rows
            ),
        )
    for small, when, totals in (
        (PnlDay, "day", ledger.pnl_days),
        (PnlMonth, "month", ledger.pnl_months),
    ):
        insert_rows(
            small,
            (when, *_PNL_COLUMNS),
            (
                (key.when, load.pk, ids[key.tenant], *key[2:], kind.value, *amounts)
                for key, amounts in totals
            ),
        )
    insert_rows(
        UncertainCost,
        (
            "load_id",
            "day",
            "sub_account_id",
            "service_name",
            "charge_category",
            "resource_id",
            "billing_currency",
            "billed_cost",
            "effective_cost",
            "lines",
        ),
        (
            (load.pk, *row[:4], *row[5:7], to_money(row[7]), to_money(row[8]), row[9])
            for row in uncertain
        ),
    )
    insert_rows(
        CandidateTenant,
        ("load_id", "sub_account_id", "tenant_id"),
        ((load.pk, account, ids[slug]) for account, slug in candidates),
    )


def _write_bridge(load: Load, steps: Sequence[Step]) -> None:
    BridgeStep.objects.bulk_create(
        BridgeStep(
            load=load,
            billing_currency=step.billing_currency,
            service_provider_name=step.service_provider_name,
            step=step.step,
            billed_cost=plain(step.billed_cost),
            effective_cost=plain(step.effective_cost),
            list_cost=plain(step.list_cost),
            contracted_cost=plain(step.contracted_cost),
            lines=step.lines,
        )
        for step in steps
    )


def _write_totals(
    load: Load,
    reading: ChargeReading,
    ledger: Ledger,
    in_lake: dict[tuple[str, str], tuple[Decimal, int]],
) -> None:
    whose = _Whose(load, is_told=bool(reading.by_provider))
    borne = Q(tenant__isnull=False)
    rows = LedgerDay.objects.filter(load__in=restating.period_loads(load))
    grouped = rows.values("billing_currency", "service_provider_name").annotate(
        allocated=Sum("billed_cost", filter=borne), unallocated=Sum("billed_cost", filter=~borne)
    )
    by_key = {(row["billing_currency"], row["service_provider_name"]): row for row in grouped}
    allocated = whose.added({key: row["allocated"] or ZERO for key, row in by_key.items()})
    unallocated = whose.added({key: row["unallocated"] or ZERO for key, row in by_key.items()})
    exact, rounded = whose.added(ledger.exact), whose.added(ledger.rounded)
    lake_sums = whose.added({key: amount for key, (amount, _) in in_lake.items()})
    lake_lines = whose.added({key: Decimal(count) for key, (_, count) in in_lake.items()})
    told = reading.by_provider or {
        whose.key(currency): total
        for currency, total in (
            reading.totals or {settings.REPORTING_CURRENCY: CurrencyTotal()}
        ).items()
    }
    known = (allocated, unallocated, lake_sums)
    # Cost of somebody, or in a currency, of which the source told nothing is a difference too.
    untold = {key for sums in known for key, amount in sums.items() if amount} - set(told)
    for key, total in sorted({**dict.fromkeys(untold, CurrencyTotal()), **told}.items()):
        # Two independent ways to the rounding residual: over the rows as they were rounded, and
        # between lake and database. A line that got lost on the way makes them differ.
        by_rows = EXACT.subtract(exact.get(key, ZERO), rounded.get(key, ZERO))
        lake_sum = lake_sums.get(key, ZERO)
        borne_sum, rest_sum = allocated.get(key, ZERO), unallocated.get(key, ZERO)
        by_sums = EXACT.subtract(EXACT.subtract(lake_sum, borne_sum), rest_sum)
        read = EXACT.subtract(total.source, total.rejected)
        if by_rows != by_sums or read != lake_sum or total.lines != lake_lines.get(key, ZERO):
            currency, provider = key
            msg = (
                f"{load}: of {provider or load.source.name} in {currency} the source holds {plain(read)} in "
                f"{total.lines} lines, the lake {plain(lake_sum)} in {lake_lines.get(key, ZERO)} and the "
                f"ledger {plain(EXACT.add(borne_sum, rest_sum))} with {plain(by_rows)} of rounding: "
                "nothing was made visible."
            )
            raise ControlTotalError(msg)
        amounts = {
            "source_total": total.source,
            "ingested": lake_sum,
            "rejected": total.rejected,
            "rounding": by_rows,
        }
        LoadTotal.objects.create(
            load=load,
            billing_currency=key[0],
            service_provider_name=key[1],
            allocated=borne_sum,
            unallocated=rest_sum,
            beyond_18_decimals=plain(total.beyond),
            lines=total.lines,
            rejected_lines=total.rejected_lines,
            **{f"{name}_head": split_exact(value)[0] for name, value in amounts.items()},
            **{f"{name}_tail": split_exact(value)[1] for name, value in amounts.items()},
        )


@dataclass(frozen=True)
class _Whose:
    """Whose a total is: the provider of its lines where the source's rows say so, else the source's own."""

    load: Load
    is_told: bool

    def key(self, currency: str, provider: str = "") -> tuple[str, str]:
        return currency, provider if self.is_told else self.load.source.service_provider_name

    def added(self, found: Mapping[tuple[str, str], Decimal]) -> dict[tuple[str, str], Decimal]:
        sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for (currency, provider), amount in found.items():
            key = self.key(currency, provider)
            sums[key] = EXACT.add(sums[key], amount)
        return dict(sums)
