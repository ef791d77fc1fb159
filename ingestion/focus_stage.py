"""FOCUS files as relations of texts: CSV is staged as Parquet, delivered Parquet is read where it lies.

A CSV file is read strictly by Arrow in one pass over its bytes, which are checked as they pass; one in which a
single row is out of shape goes the slow path (``ingestion.core.csv_sieve``), which names those rows.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops.core.dialect import DUCKDB, literal
from finops.core.redaction import Redactor, mask_row
from ingestion.core import focus_columns as focus
from ingestion.core import focus_sql as sql
from ingestion.core.aws_cur_sql import LINE_NUMBER, verbatim
from ingestion.core.csv_sieve import BrokenRow, SoundRow, bounded_lines, sieve
from ingestion.core.delivery import Reject, SourceFile
from ingestion.core.focus_rows import NULL, UNKNOWN_CURRENCY, row_amount, row_currency, row_provider
from ingestion.verify import Checked, FileFacts, is_parquet, open_unpacked

if TYPE_CHECKING:
    import duckdb

_BLOCK = 4 << 20
_ROW_GROUP = 100_000
_SLOW_BATCH = 10_000


@dataclass(frozen=True)
class Staged:
    """A relation of texts under FOCUS names, with line numbers, and the rows that are not even rows."""

    relation: str
    have: frozenset[str]
    aside: tuple[Reject, ...] = ()


def stage(
    engine: duckdb.DuckDBPyConnection, file: SourceFile, facts: FileFacts, path: Path
) -> Staged:
    """``file`` as texts; ``path`` is where a CSV file is staged, which the caller removes when it is done.

    Raises ``SourceError`` where the bytes themselves are damaged.
    """
    have = frozenset(name for name in map(focus.used_name, facts.header) if name)
    if is_parquet(file.path):
        listed = f"read_parquet({literal(verbatim(str(file.path)))}, hive_partitioning=false)"
        described = engine.execute(f"DESCRIBE SELECT * FROM {listed}").fetchall()
        schema = [(str(row[0]), str(row[1])) for row in described]
        return Staged(sql.parquet_texts(str(file.path), schema, DUCKDB), have)
    columns = [
        (f"c{place}", known)
        for place, name in enumerate(facts.header)
        if (known := focus.used_name(name))
    ]
    if _write_strictly(file, facts, columns, path):
        return Staged(sql.staged_texts(str(path), columns, numbered=False), have)
    aside = tuple(_write_slowly(file, facts, columns, path))
    return Staged(sql.staged_texts(str(path), columns, numbered=True), have, aside)


def put_aside(
    file: SourceFile, row: dict[str, str], line: int, reason: str, hide: Redactor
) -> Reject:
    """A row that cannot be read, redacted, with its cost where that can be."""
    return Reject(
        file=file.key,
        line=line,
        reason=hide.text(reason)[:300],
        text=mask_row(row, focus.SHOWN_IN_REJECTS, redactor=hide),
        amount=row_amount(row),
        currency=row_currency(row),
        provider=row_provider(row),
    )


def _write_strictly(
    file: SourceFile, facts: FileFacts, columns: Sequence[tuple[str, str]], path: Path
) -> bool:
    """Write the used columns of a file in which every row is in shape; whether it is one."""
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema([(stored, pa.string()) for stored, _ in columns])
    rows, in_shape = 0, True
    with Checked(file, facts) as stream:
        try:
            with pq.ParquetWriter(path, schema, compression="none", write_statistics=False) as out:
                for table in _tables(stream, facts.header, schema.names):
                    rows += table.num_rows
                    out.write_table(table)
        except pa.ArrowInvalid as error:
            if stream.problem:
                raise stream.problem from None
            in_shape = "Empty CSV" in str(error)
        whole = stream.drain()
    # A row that spans lines, a blank line or a swallowed one makes rows and lines differ.
    return in_shape and not whole.has_nul and rows == max(whole.lines - 1, 0)


def _tables(stream: Any, header: Sequence[str], used: Sequence[str]) -> Iterator[Any]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.csv as pacsv  # noqa: PLC0415

    reader = pacsv.open_csv(
        stream,
        # Columns by place: names may differ by case alone in columns that nobody uses.
        read_options=pacsv.ReadOptions(
            block_size=_BLOCK,
            column_names=[f"c{place}" for place in range(len(header))],
            skip_rows=1,
            use_threads=False,
        ),
        parse_options=pacsv.ParseOptions(ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(
            include_columns=list(used),
            column_types=dict.fromkeys(used, pa.string()),
            strings_can_be_null=True,
            null_values=[NULL, NULL.upper()],
            quoted_strings_can_be_null=False,
            check_utf8=False,  # every byte was checked before it came here
        ),
    )
    waiting: list[Any] = []
    for batch in reader:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= _ROW_GROUP:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _write_slowly(
    file: SourceFile,
    facts: FileFacts,
    columns: Sequence[tuple[str, str]],
    path: Path,
) -> Iterator[Reject]:
    """Write the rows that are rows, with their line numbers; give those that are none."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    places = [int(stored[1:]) for stored, _ in columns]
    schema = pa.schema([(name, pa.string()) for name in (*(s for s, _ in columns), LINE_NUMBER)])
    with pq.ParquetWriter(path, schema, compression="none", write_statistics=False) as out:
        waiting: list[list[str]] = []
        for row in rows_of(file, facts):
            if isinstance(row, SoundRow):
                waiting.append([*(row.fields[place] for place in places), str(row.line)])
                if len(waiting) >= _SLOW_BATCH:
                    out.write_table(_table(waiting, schema))
                    waiting = []
            else:
                text = f"‹{row.chars} characters›"
                yield Reject(file.key, row.line, row.reason, text, None, UNKNOWN_CURRENCY)
        if waiting:
            out.write_table(_table(waiting, schema))


def rows_of(file: SourceFile, facts: FileFacts) -> Iterator[SoundRow | BrokenRow]:
    """Every row of a CSV file by the slow path, in file order."""
    # Repeated and unnamed columns that nobody uses still count as fields.
    names = [f"c{place}" for place in range(len(facts.header))]
    with (
        open_unpacked(file.path) as raw,
        io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n") as stream,
    ):
        yield from sieve(bounded_lines(stream), names, lambda _: None)


def _table(rows: list[list[str]], schema: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    columns = zip(*rows, strict=True)
    return pa.table([pa.array(list(column), pa.string()) for column in columns], schema=schema)
