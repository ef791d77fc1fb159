"""Allocate a load and make it visible; recognise revenue.

``commit_load`` is the one transaction of the design: it makes the load current and replaces the ledger
rows of the load before it, so that a reader never sees a hole, a half or a double.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum

from allocation.core import sql
from allocation.core.keys import DIMENSIONS, Key, Method, allocate
from allocation.core.ledger import MAX_SUM, Ledger, build_ledger
from allocation.core.revenue import recognise
from allocation.models import (
    CandidateTenant,
    LedgerDay,
    LedgerMonth,
    PnlDay,
    PnlMonth,
    RecognisedRevenue,
    UncertainCost,
)
from allocation.registry import methods
from finops import clock
from finops.bulk import insert_rows
from finops.core.amounts import EXACT, ZERO, exact_sum, plain, split_exact, to_money
from finops.core.dialect import literal
from finops.core.focus import CostKind
from finops.core.periods import Window
from finops.engine import connect
from finops.services import tenants_by_slug
from ingestion import lake
from ingestion.bookkeeping import finish_delivery, is_older
from ingestion.core.delivery import ChargeReading, CurrencyTotal, LoadRefusedError
from ingestion.core.tags import parse_map
from ingestion.models import Delivery, LakeFile, Load, LoadTotal, RevenueRow, Source
from ingestion.progress import Progress, silent

if TYPE_CHECKING:
    import duckdb

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


def allocate_load(*, load: Load, reading: ChargeReading, progress: Progress = silent) -> None:
    """Say who bears each distinct key, write the ``allocated`` and ``hourly`` tables, and commit.

    Raises ``ControlTotalError`` where ledger and source differ; then nothing has become visible.
    """
    progress("allocating", 0, 4)
    charges = [str(path) for path in reading.files]
    files: list[LakeFile] = []
    in_lake: dict[str, tuple[Decimal, int]] = {}
    uncertain: list[tuple[Any, ...]] = []
    candidates: list[tuple[Any, ...]] = []
    ledger = Ledger((), (), (), ())
    if charges:
        with connect() as engine:
            relation = sql.parquet(charges)
            keys = _write_allocated(engine, relation, lake.folder_of(load, "allocated"))
            allocated = sql.parquet([str(keys)])
            progress("allocating", 1, 4)
            hours = lake.folder_of(load, "hourly") / "part-00000.parquet"
            _copy(engine, sql.hourly(relation, allocated), hours)
            progress("allocating", 2, 4)
            ledger = build_ledger(engine.execute(sql.daily(sql.parquet([str(hours)]))).fetchall())
            uncertain = engine.execute(sql.uncertain(relation, allocated)).fetchall()
            candidates = engine.execute(sql.candidates(relation, allocated)).fetchall()
            in_lake = {
                row[0]: (row[1], int(row[2]))
                for row in engine.execute(sql.billed_by_currency(relation)).fetchall()
            }
            _refuse_what_no_ledger_holds(load, ledger)
            for kind, paths in (
                (LakeFile.Kind.CHARGES, [Path(path) for path in charges]),
                (LakeFile.Kind.ALLOCATED, [keys]),
                (LakeFile.Kind.HOURLY, [hours]),
            ):
                files += [
                    lake.catalogue_entry(load, kind, path, _rows(engine, path)) for path in paths
                ]
    progress("allocating", 3, 4)
    commit_load(
        load=load,
        reading=reading,
        ledger=ledger,
        in_lake=in_lake,
        uncertain=uncertain,
        candidates=candidates,
        files=files,
    )
    progress("allocating", 4, 4)


def _refuse_what_no_ledger_holds(load: Load, ledger: Ledger) -> None:
    size = exact_sum(
        abs(amount)
        for _, _, amounts in ledger.days
        for amount in (amounts.billed_cost, amounts.effective_cost, amounts.list_cost or ZERO)
    )
    if size >= MAX_SUM:
        msg = f"{load.delivery.key}: its lines add up to {plain(size)}, more than any ledger holds."
        raise ControlTotalError(msg)


def commit_load(
    *,
    load: Load,
    reading: ChargeReading,
    ledger: Ledger,
    in_lake: dict[str, tuple[Decimal, int]],
    uncertain: Sequence[tuple[Any, ...]],
    candidates: Sequence[tuple[Any, ...]],
    files: Iterable[LakeFile],
) -> None:
    """Make ``load`` current in one transaction, with its ledger rows and its control totals.

    ``in_lake`` is the billed cost (exact) and the number of lines in the lake, per currency. The totals
    are summed by the database from the rows just written, and its CHECKs refuse a load that does not
    add up. Where a newer delivery became current meanwhile, this one is marked superseded and changes
    nothing.
    """
    with transaction.atomic():
        Source.objects.select_for_update().get(pk=load.source_id)
        current = (
            Load.objects.select_related("delivery", "source")
            .filter(
                source=load.source, billing_period=load.billing_period, state=Load.State.CURRENT
            )
            .first()
        )
        if current and (
            current.delivery_id == load.delivery_id or is_older(load.delivery, current.delivery)
        ):
            _step_aside(load, current)
            return
        now = clock.now()
        if current:
            _take_back(current)
            Load.objects.filter(pk=current.pk).update(
                state=Load.State.SUPERSEDED, superseded_at=now
            )
        _write_rows(load, ledger, uncertain, candidates)
        LakeFile.objects.bulk_create(files)
        _write_totals(load, reading, ledger, in_lake)
        Load.objects.filter(pk=load.pk).update(state=Load.State.CURRENT, committed_at=now)
        finish_delivery(
            delivery=load.delivery,
            rows=load.lines + load.rejected_lines,
            rejects=reading.rejects,
        )


def _step_aside(load: Load, current: Load) -> None:
    if current.delivery_id != load.delivery_id:
        Delivery.objects.filter(pk=load.delivery_id).update(
            state=Delivery.State.SUPERSEDED, finished_at=clock.now()
        )
    lake.discard(load)
    Load.objects.filter(pk=load.pk).delete()


def _take_back(current: Load) -> None:
    for model in (LedgerDay, LedgerMonth, PnlDay, PnlMonth, UncertainCost, CandidateTenant):
        model._default_manager.filter(load=current).delete()


def _write_rows(
    load: Load,
    ledger: Ledger,
    uncertain: Sequence[tuple[Any, ...]],
    candidates: Sequence[tuple[Any, ...]],
) -> None:
    slugs = {key.tenant for _, key, _ in ledger.months if key.tenant}
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
                    CostKind.BILLED.value,
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
                (key.when, load.pk, ids[key.tenant], *key[2:], CostKind.BILLED.value, *amounts)
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


def _write_totals(
    load: Load, reading: ChargeReading, ledger: Ledger, in_lake: dict[str, tuple[Decimal, int]]
) -> None:
    borne = Q(tenant__isnull=False)
    sums = LedgerDay.objects.filter(load=load).values("billing_currency")
    found = {
        row["billing_currency"]: (row["allocated"] or ZERO, row["unallocated"] or ZERO)
        for row in sums.annotate(
            allocated=Sum("billed_cost", filter=borne),
            unallocated=Sum("billed_cost", filter=~borne),
        )
    }
    for currency, total in (
        reading.totals or {settings.REPORTING_CURRENCY: CurrencyTotal()}
    ).items():
        allocated, unallocated = found.get(currency, (ZERO, ZERO))
        lake_sum, lake_lines = in_lake.get(currency, (ZERO, 0))
        # Two independent ways to the rounding residual: over the rows as they were rounded, and
        # between lake and database. A line that got lost on the way makes them differ.
        by_rows = EXACT.subtract(
            ledger.exact.get(currency, ZERO), ledger.rounded.get(currency, ZERO)
        )
        by_sums = EXACT.subtract(EXACT.subtract(lake_sum, allocated), unallocated)
        read = EXACT.subtract(total.source, total.rejected)
        if by_rows != by_sums or read != lake_sum or total.lines != lake_lines:
            msg = (
                f"{load}: in {currency} the source holds {plain(read)} in {total.lines} lines, the lake "
                f"{plain(lake_sum)} in {lake_lines} and the ledger "
                f"{plain(EXACT.add(allocated, unallocated))} with {plain(by_rows)} of rounding: "
                "nothing was made visible."
            )
            raise ControlTotalError(msg)
        exact = {
            "source_total": total.source,
            "ingested": lake_sum,
            "rejected": total.rejected,
            "rounding": by_rows,
        }
        LoadTotal.objects.create(
            load=load,
            billing_currency=currency,
            allocated=allocated,
            unallocated=unallocated,
            beyond_18_decimals=plain(total.beyond),
            lines=total.lines,
            rejected_lines=total.rejected_lines,
            **{f"{name}_head": split_exact(value)[0] for name, value in exact.items()},
            **{f"{name}_tail": split_exact(value)[1] for name, value in exact.items()},
        )


def _write_allocated(engine: duckdb.DuckDBPyConnection, charges: str, folder: Path) -> Path:
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app

    texts = [
        row[0]
        for row in engine.execute(f"SELECT DISTINCT tags FROM {charges} ORDER BY 1").fetchall()
    ]
    order: list[Method] = methods()
    number = pa.decimal128(4, 2)
    types = {
        "tags": pa.string(),
        "share": pa.decimal128(38, 18),
        **{
            f"{dimension}{suffix}": number if suffix == "_confidence" else pa.string()
            for dimension in DIMENSIONS
            for suffix in ("", "_rule", "_confidence")
        },
    }
    columns: dict[str, list[Any]] = {name: [] for name in types}
    for text in texts:
        columns["tags"].append(text)
        columns["share"].append(Decimal(1))
        for dimension, assignment in allocate(Key(parse_map(text)), order).items():
            columns[dimension].append(assignment.value)
            columns[f"{dimension}_rule"].append(assignment.rule)
            columns[f"{dimension}_confidence"].append(assignment.confidence)
    table = pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})
    path = folder / "part-00000.parquet"
    engine.register("allocated_keys", table)
    _copy(engine, "SELECT * FROM allocated_keys", path)
    engine.unregister("allocated_keys")
    return path


def _copy(engine: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    engine.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")


def _rows(engine: duckdb.DuckDBPyConnection, path: Path) -> int:
    row = engine.execute(f"SELECT count(*) FROM {sql.parquet([str(path)])}").fetchone()
    return int(row[0]) if row else 0


def recognise_revenue(*, revenue_row_ids: Iterable[int]) -> None:
    """Spread these revenue rows over their service days anew, in one transaction."""
    rows = list(RevenueRow.objects.filter(pk__in=list(revenue_row_ids)))
    parts = [
        (row.pk, day, row.tenant_id, row.currency, amount)
        for row in rows
        for day, amount in recognise(row.amount, Window(row.service_start, row.service_end))
    ]
    with transaction.atomic():
        RecognisedRevenue.objects.filter(revenue_row__in=rows).delete()
        insert_rows(
            RecognisedRevenue, ("revenue_row_id", "day", "tenant_id", "currency", "amount"), parts
        )


def recognise_delivery(*, delivery: Delivery) -> None:
    """Recognise every revenue row that ``delivery`` brought or changed."""
    recognise_revenue(revenue_row_ids=delivery.revenue_rows.values_list("pk", flat=True))
