"""Write the ledger of a billing period as a FOCUS file: each line with who bears it, and by which rule.

Lines come from the lake's current loads and leave batch by batch, so that memory is bounded however many there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocation.core.focus_export import VERSIONS, FileFormat, main_categories, query
from allocation.core.keys import DIMENSIONS
from allocation.core.sql import KEY, parquet, pool_rule
from finops.core.dialect import literal
from finops.core.focus import CostKind
from finops.core.periods import month_text
from finops.engine import connect
from finops.models import Tenant
from ingestion import lake
from ingestion.models import Load, Source
from ingestion.progress import Progress, silent

if TYPE_CHECKING:
    import duckdb

_BATCH = 50_000


class ExportError(Exception):
    """An export that cannot be made; the message is one sentence."""


@dataclass(frozen=True)
class Wanted:
    """What to export. No ``sources`` are all of them, ``tenants`` ``None`` all lines.

    ``estimates`` also takes lines that are no bill: estimates, and what trues them up.
    """

    period: date
    version: str = "1.2"
    file_format: FileFormat = FileFormat.CSV
    sources: tuple[str, ...] = ()
    tenants: Collection[str] | None = None
    estimates: bool = False

    @property
    def name(self) -> str:
        """What the file is called."""
        parts = [f"focus-{self.version}", month_text(self.period), *self.sources]
        ending = "csv.gz" if self.file_format is FileFormat.CSV else "parquet"
        return f"{'_'.join(parts)}.{ending}"


def write_focus(wanted: Wanted, path: Path, progress: Progress = silent) -> int:
    """Write the export to ``path``, CSV compressed with gzip; the number of its lines.

    Raises ``ExportError`` where the version or a source is unknown, or nothing is loaded for the period.
    """
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app

    loads = _loads(wanted)
    total, done = sum(load.lines for load, _ in loads), 0
    progress("exporting", 0, total)
    with pa.OSFile(str(path), "wb") as raw, connect() as engine:
        _name_tenants(engine)
        writer: Any = None
        out = (
            raw
            if wanted.file_format is FileFormat.PARQUET
            else pa.CompressedOutputStream(raw, "gzip")
        )
        try:
            for batch in _batches(engine, wanted, loads):
                writer = writer or _writer(out, batch.schema, wanted.file_format)
                writer.write_batch(batch)
                done += batch.num_rows
                progress("exporting", min(done, total), total, done)
        finally:
            if writer is not None:
                writer.close()
            if out is not raw:
                out.close()
    return done


def _loads(wanted: Wanted) -> list[tuple[Load, CostKind]]:
    """The current loads of the period that are wanted, each with the kind of its cost, by source."""
    if wanted.version not in VERSIONS:
        msg = f"FOCUS {wanted.version} cannot be written: choose {' or '.join(VERSIONS)}."
        raise ExportError(msg)
    known = set(Source.objects.filter(slug__in=wanted.sources).values_list("slug", flat=True))
    missing = [slug for slug in wanted.sources if slug not in known]
    if missing:
        msg = (
            f"There is no source {missing[0]!r}: `manage.py reconcile` lists those that are loaded."
        )
        raise ExportError(msg)
    loads = Load.objects.filter(state=Load.State.CURRENT, billing_period=wanted.period)
    if wanted.sources:
        loads = loads.filter(source__slug__in=wanted.sources)
    loads = loads.select_related("source").order_by("source__slug", "pk")
    found = [(load, CostKind(load.kind)) for load in loads if load.lines]
    if not wanted.estimates:
        found = [(load, kind) for load, kind in found if kind is not CostKind.ESTIMATED]
    if not found:
        msg = f"No bill of {month_text(wanted.period)} is loaded, so there is nothing to export."
        raise ExportError(msg)
    return found


def _name_tenants(engine: duckdb.DuckDBPyConnection) -> None:
    engine.execute("CREATE TEMP TABLE tenant_names(slug VARCHAR, tenant_name VARCHAR)")
    names = list(Tenant.objects.values_list("slug", "name"))
    if names:
        engine.executemany("INSERT INTO tenant_names VALUES (?, ?)", names)


def _batches(
    engine: duckdb.DuckDBPyConnection, wanted: Wanted, loads: list[tuple[Load, CostKind]]
) -> Iterator[Any]:
    is_empty = True
    for load, kind in loads:
        charges, allocated = lake.files("charges", [load]), lake.files("allocated", [load])
        if not charges:
            continue
        lines = _lines(load, kind, parquet(charges.paths), parquet(allocated.paths), wanted.tenants)
        reader = engine.sql(query(lines, wanted.version, wanted.file_format)).to_arrow_reader(
            _BATCH
        )
        for batch in reader:
            is_empty = False
            yield batch
        if is_empty:
            # A file of no line still has its columns.
            yield _nothing(reader.schema)
            is_empty = False


def _nothing(schema: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _lines(
    load: Load, kind: CostKind, charges: str, allocated: str, tenants: Collection[str] | None
) -> str:
    """Charge lines of one load with who bears them; a line of a shared pool is borne by nobody yet."""
    borne = ", ".join(
        f"CASE WHEN x_pool = '' THEN {name} ELSE '' END AS {name}" for name in DIMENSIONS
    )
    where = ""
    if tenants is not None:
        slugs = ", ".join(map(literal, sorted(tenants))) or "NULL"
        where = f"WHERE tenant IN ({slugs})"
    return f"""
        (SELECT * FROM (
            SELECT charges.*, tags, {borne}, {literal(load.source.slug)} AS source,
                   {literal(kind)} AS cost_kind,
                   CASE WHEN x_pool = '' THEN tenant_rule ELSE {pool_rule("x_pool")} END AS tenant_rule,
                   CASE WHEN x_pool = '' THEN tenant_confidence ELSE 0 END AS tenant_confidence
            FROM {charges} AS charges JOIN {allocated} AS allocated USING ({", ".join(KEY)}))
         LEFT JOIN tenant_names ON slug = tenant
         LEFT JOIN {main_categories(charges)} ON of_service IS NOT DISTINCT FROM service_name
         {where})
    """


def _writer(out: Any, schema: Any, file_format: FileFormat) -> Any:
    import pyarrow.csv as pacsv  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    if file_format is FileFormat.PARQUET:
        return pq.ParquetWriter(out, schema, compression="zstd", store_schema=False)
    return pacsv.CSVWriter(out, schema, write_options=pacsv.WriteOptions(quoting_style="needed"))
