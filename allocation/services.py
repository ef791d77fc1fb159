"""Allocate a load and hand it to the commit; recognise revenue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction

from allocation import books
from allocation.commit import ControlTotalError, commit_load
from allocation.core import bridge, sql
from allocation.core.keys import DIMENSIONS, Key, Method, allocate
from allocation.core.ledger import MAX_SUM, Ledger, build_ledger, spread_uncertain
from allocation.core.restate import day_digests
from allocation.core.revenue import recognise
from allocation.hours import Numbered
from allocation.models import RecognisedRevenue
from allocation.registry import ready_methods
from finops.bulk import insert_rows, without_collector
from finops.core.amounts import ZERO, exact_sum, plain
from finops.core.dialect import literal
from finops.core.periods import Window
from finops.engine import connect, cursors
from ingestion import lake
from ingestion.core.delivery import ChargeReading
from ingestion.core.tags import canonical, merge, parse_map
from ingestion.models import Delivery, LakeFile, Load, RevenueRow
from ingestion.progress import Progress, silent

if TYPE_CHECKING:
    import duckdb


@without_collector()
def allocate_load(*, load: Load, reading: ChargeReading, progress: Progress = silent) -> None:
    """Say who bears each distinct key, write the ``allocated`` and ``hourly`` tables, and commit.

    Raises ``ControlTotalError`` where ledger and source differ; then nothing has become visible.
    """
    progress("allocating", 0, 4)
    charges = [str(path) for path in reading.files]
    files: list[LakeFile] = []
    in_lake: dict[tuple[str, str], tuple[Decimal, int]] = {}
    uncertain: list[tuple[Any, ...]] = []
    candidates: list[tuple[Any, ...]] = []
    steps: list[bridge.Step] = []
    ledger = Ledger((), (), (), ())
    digests: dict[date, str] = {}
    if charges:
        with (
            connect() as engine,
            ThreadPoolExecutor(2, "beside") as pool,
            cursors(engine, 2) as (hourly, other),
        ):
            # The same files are read many times, and never change.
            engine.execute("SET GLOBAL parquet_metadata_cache = true")
            relation = sql.parquet(charges)
            keys = _write_allocated(engine, relation, lake.folder_of(load, "allocated"))
            allocated = sql.parquet([str(keys)])
            progress("allocating", 1, 4)
            hours = lake.folder_of(load, "hourly") / "part-00000.parquet"
            numbered = Numbered(engine, relation, allocated)
            days = engine.execute(sql.ledger_days(relation))
            # The engine goes on while Python fetches these and builds the ledger's rows.
            written = pool.submit(numbered.write_hours, hourly, hours)
            rest = pool.submit(_rest_of, other, relation, allocated)
            ledger = build_ledger(_exact(days.fetchall()), load.billing_period, numbered.key)
            digests = day_digests(ledger, reading.kind)
            progress("allocating", 2, 4)
            open_cost, candidates, steps, in_lake = rest.result()
            uncertain = spread_uncertain(open_cost, load.billing_period)
            written.result()
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
    lake.publish(files)
    commit_load(
        load=load,
        reading=reading,
        ledger=ledger,
        digests=digests,
        in_lake=in_lake,
        uncertain=uncertain,
        candidates=candidates,
        steps=bridge.in_order(steps),
        files=files,
    )
    progress("allocating", 4, 4)


def _exact(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The rows of ``sql.ledger_days`` with decimals for texts."""
    for day, until, bearer, service, billed, effective, listed, quantity, unit, lines in rows:
        yield (
            *(day, until, bearer, service, Decimal(billed), Decimal(effective)),
            None if listed is None else Decimal(listed),
            None if quantity is None else Decimal(quantity),
            *(unit, lines),
        )


def _rest_of(
    engine: duckdb.DuckDBPyConnection, relation: str, allocated: str
) -> tuple[
    list[tuple[Any, ...]],
    list[tuple[Any, ...]],
    list[bridge.Step],
    dict[tuple[str, str], tuple[Decimal, int]],
]:
    """Uncertain cost, candidates, the bridge's steps, and what the lake holds by currency and provider."""
    uncertain = engine.execute(sql.uncertain(relation, allocated)).fetchall()
    candidates = engine.execute(sql.candidates(relation, allocated)).fetchall()
    steps = [bridge.Step(*row) for row in engine.execute(bridge.query(relation)).fetchall()]
    sums = engine.execute(sql.billed_by_provider(relation)).fetchall()
    return uncertain, candidates, steps, {row[:2]: (row[2], int(row[3])) for row in sums}


def _refuse_what_no_ledger_holds(load: Load, ledger: Ledger) -> None:
    size = exact_sum(
        abs(amount)
        for _, _, amounts in ledger.days
        for amount in (amounts.billed_cost, amounts.effective_cost, amounts.list_cost or ZERO)
    )
    if size >= MAX_SUM:
        msg = f"{load.delivery.key}: its lines add up to {plain(size)}, more than any ledger holds."
        raise ControlTotalError(msg)


def _write_allocated(engine: duckdb.DuckDBPyConnection, charges: str, folder: Path) -> Path:
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app

    found = engine.execute(sql.keys(charges)).fetchall()
    order: list[Method] = ready_methods()
    number = pa.decimal128(4, 2)
    types = {
        **dict.fromkeys(sql.KEY, pa.string()),
        "tags": pa.string(),
        "share": pa.decimal128(38, 18),
        **{
            f"{dimension}{suffix}": number if suffix == "_confidence" else pa.string()
            for dimension in DIMENSIONS
            for suffix in ("", "_rule", "_confidence")
        },
    }
    columns: dict[str, list[Any]] = {name: [] for name in types}
    for tags_text, resource_text in found:
        tags = merge(parse_map(tags_text), parse_map(resource_text))
        columns["x_tags"].append(tags_text)
        columns["x_resource_tags"].append(resource_text)
        columns["tags"].append(canonical(tags))
        columns["share"].append(Decimal(1))
        for dimension, assignment in allocate(Key(tags), order).items():
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
    # Level 1 writes amounts no larger than the default of 3, and faster.
    engine.execute(
        f"COPY ({query}) TO {literal(str(path))} "
        "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )


def _rows(engine: duckdb.DuckDBPyConnection, path: Path) -> int:
    row = engine.execute(f"SELECT count(*) FROM {sql.parquet([str(path)])}").fetchone()
    return int(row[0]) if row else 0


def recognise_revenue(
    *, revenue_row_ids: Iterable[int], why: str = "A revenue row was typed in or corrected."
) -> None:
    """Spread these revenue rows over their service days anew, in one transaction.

    What that changes of closed months is booked as prior-period adjustments, with ``why``.
    """
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
        books.book_revenue_changes(why=why)


def recognise_delivery(*, delivery: Delivery) -> None:
    """Recognise every revenue row that ``delivery`` brought or changed."""
    recognise_revenue(
        revenue_row_ids=delivery.revenue_rows.values_list("pk", flat=True),
        why=f"{delivery.source.slug} delivered {delivery.key}.",
    )
