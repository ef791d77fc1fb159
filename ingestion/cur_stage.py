"""A CUR's text files as Parquet files of texts: the first half of reading, one pass over the bytes.

Arrow's CSV reader keeps each text once (dictionaries), so that what follows works on distinct texts
instead of lines. It reads strictly: a file in which a single row is out of shape goes the slow path
(``ingestion.core.csv_sieve``), which parts it into sound rows and rows to put aside.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops.core.dialect import DUCKDB, literal
from finops.core.redaction import Redactor, mask_row
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_sql as sql
from ingestion.core.aws_cur_rows import row_amount, row_currency, row_problem
from ingestion.core.csv_sieve import BrokenRow, SoundRow, bounded_lines, sieve
from ingestion.core.delivery import Reject, SourceFile
from ingestion.verify import Checked, FileFacts, open_unpacked

if TYPE_CHECKING:
    import duckdb

_BLOCK = 4 << 20
_ROW_GROUP = 120_000


@dataclass(frozen=True)
class Aside:
    """A row that was put aside; ``reject.amount`` is its unblended cost and ``net`` its net cost."""

    reject: Reject
    net: Decimal | None


@dataclass(frozen=True)
class Staged:
    """A relation of texts with canonical columns: how to read it, its columns and number of rows."""

    relation: str
    have: frozenset[str]
    rows: int
    aside: tuple[Aside, ...] = ()


def stage(file: SourceFile, facts: FileFacts, target: Path) -> Staged | None:
    """Read ``file`` to its end into ``target``, checking every byte.

    ``None`` where a row is out of shape: then ``stage_slowly`` has the last word. Raises
    ``SourceError`` where the bytes themselves are damaged.
    """
    header = facts.header
    with Checked(file, facts) as stream:
        rows = _write(stream, header, target, numbered=False)
        whole = stream.drain()
    # A row that spans lines, a blank line or a swallowed one makes rows and lines differ.
    if rows is None or whole.has_nul or rows != max(whole.lines - 1, 0):
        return None
    return Staged(_relation(target, header), sql.known_columns(header), rows)


def stage_slowly(file: SourceFile, facts: FileFacts, target: Path, hide: Redactor) -> Staged:
    """The sound rows of ``file`` into ``target``, with their line numbers; the others put aside."""
    header = list(facts.header)
    canonical = [cur.canonical_name(name) for name in header]
    clean = target.with_suffix(".clean.csv")
    aside: list[Aside] = []
    sound = 0
    try:
        with (
            open_unpacked(file.path) as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n") as stream,
            clean.open("w", encoding="utf-8", newline="") as out,
        ):
            writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
            writer.writerow([*header, sql.LINE_NUMBER])
            for row in sieve(bounded_lines(stream), canonical, row_problem):
                if isinstance(row, SoundRow):
                    # A row that spans lines must not: line ends become spaces, no figure holds one.
                    cells = (field.replace("\r\n", " ").replace("\n", " ") for field in row.fields)
                    writer.writerow([*cells, row.line])
                    sound += 1
                else:
                    aside.append(put_aside(file, canonical, row, hide))
        with clean.open("rb") as again:
            rows = _write(again, header, target, numbered=True)
    finally:
        clean.unlink(missing_ok=True)
    if rows != sound:
        msg = f"{file.key}: {rows} of {sound} sound rows could be read."
        raise ValueError(msg)
    have = sql.known_columns(header) | {sql.LINE_NUMBER}
    relation = _relation(target, [*header, sql.LINE_NUMBER])
    return Staged(relation, have, sound, tuple(aside))


def delivered(engine: duckdb.DuckDBPyConnection, file: SourceFile, rows: int) -> Staged:
    """A delivered Parquet file: its own types, read as the texts that the CSV form prints."""
    listed = f"read_parquet({literal(sql.verbatim(str(file.path)))}, hive_partitioning=false)"
    described = engine.execute(f"DESCRIBE SELECT * FROM {listed}").fetchall()
    schema = [(str(row[0]), str(row[1])) for row in described]
    have = sql.known_columns([name for name, _ in schema]) | {sql.LINE_NUMBER}
    return Staged(sql.parquet_texts(str(file.path), schema, DUCKDB, number_rows=True), have, rows)


def _relation(path: Path, header: Sequence[str]) -> str:
    used = [(name, "VARCHAR") for name in header if cur.is_used(name) or name == sql.LINE_NUMBER]
    return sql.parquet_texts(str(path), used, DUCKDB)


def _write(stream: Any, header: Sequence[str], target: Path, *, numbered: bool) -> int | None:
    """Write the used columns as texts; the number of rows, or ``None`` where one is out of shape."""
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app
    import pyarrow.csv as pacsv  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    names = [*header, sql.LINE_NUMBER] if numbered else list(header)
    used = {
        f"c{i}": name
        for i, name in enumerate(names)
        if cur.is_used(name) or name == sql.LINE_NUMBER
    }
    text = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema([(name, pa.string()) for name in used.values()])
    rows = 0
    try:
        reader = pacsv.open_csv(
            stream,
            # Columns by place: names may differ by case alone in columns that nobody uses.
            read_options=pacsv.ReadOptions(
                block_size=_BLOCK, column_names=[f"c{i}" for i in range(len(names))], skip_rows=1
            ),
            parse_options=pacsv.ParseOptions(ignore_empty_lines=False),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(used),
                column_types=dict.fromkeys(used, text),
                strings_can_be_null=False,
            ),
        )
        with pq.ParquetWriter(target, schema, compression="none", write_statistics=False) as writer:
            for table in _groups(reader, pa):
                rows += table.num_rows
                writer.write_table(table.rename_columns(list(used.values())).cast(schema))
    except pa.ArrowInvalid as error:
        if getattr(stream, "problem", None):
            raise stream.problem from None
        return 0 if "Empty CSV" in str(error) else None
    return rows


def _groups(batches: Iterable[Any], pa: Any) -> Iterator[Any]:
    waiting: list[Any] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        if count >= _ROW_GROUP:
            yield pa.Table.from_batches(waiting).unify_dictionaries()
            waiting, count = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting).unify_dictionaries()


def put_aside(file: SourceFile, names: Sequence[str], row: BrokenRow, hide: Redactor) -> Aside:
    """A row that cannot be read, redacted, with its costs where they can be; ``names`` are canonical."""
    if not row.fields:
        text = f"‹{row.chars} characters›"
        reject = Reject(file.key, row.line, row.reason, text, None, cur.DEFAULT_CURRENCY)
        return Aside(reject, None)
    values = dict(zip(names, row.fields, strict=True))
    reject = Reject(
        file=file.key,
        line=row.line,
        reason=hide.text(row.reason)[:300],
        text=mask_row(values, cur.SHOWN_IN_REJECTS, redactor=hide),
        amount=row_amount(values),
        currency=row_currency(values),
    )
    return Aside(reject, row_amount(values, cur.NET_COST))
