"""A CUR's text files as Parquet files of texts: the first half of reading, one pass over the bytes.

Arrow's CSV reader keeps each text once (dictionaries), so that what follows works on distinct texts
instead of lines. It reads strictly: a file in which a single row is out of shape goes the slow path
(``ingestion.core.csv_sieve``), which parts it into sound rows and rows to put aside.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops.core.dialect import DUCKDB, literal
from finops.core.redaction import Redactor, mask_row
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_plain as plain
from ingestion.core import aws_cur_sql as sql
from ingestion.core.aws_cur_rows import row_amount, row_currency, row_problem
from ingestion.core.csv_sieve import BrokenRow, SoundRow, bounded_lines, sieve
from ingestion.core.delivery import Reject, SourceFile
from ingestion.cur_texts import Texts, texts_of
from ingestion.verify import Checked, FileFacts, open_unpacked

if TYPE_CHECKING:
    import duckdb

_BLOCK = 4 << 20
_ROW_GROUP = 120_000
_CHUNK = 120_000
"""Rows that are staged while those before them are typed: two of them bound the memory."""
_FIRST_CHUNK = 30_000
"""The first one is small, so that typing begins soon; each is twice the one before."""
_LONGEST_CONSTANT = 2000
_REMEMBERED_TAGS = 200_000


@dataclass(frozen=True)
class Aside:
    """A row that was put aside; ``reject.amount`` is its unblended cost and ``net`` its net cost."""

    reject: Reject
    net: Decimal | None


@dataclass(frozen=True)
class Staged:
    """A relation of texts with canonical columns: how to read it, its columns and number of rows.

    Where ``texts`` stand beside it, the relation has only what is typed line by line, and every number,
    time and currency was found sound. ``has_plain_tags`` says the same of every tag text.
    """

    relation: str
    have: frozenset[str]
    rows: int
    aside: tuple[Aside, ...] = ()
    path: Path | None = None
    has_plain_tags: bool = False
    texts: Texts | None = None


def chunks_of(file: SourceFile, facts: FileFacts) -> Generator[Any, None, bool]:
    """Read ``file`` to its end, checking every byte: tables of the used columns, each text kept once.

    Returns whether every row is in shape: where not, the chunks do not count and ``stage_slowly`` has the
    last word. Raises ``SourceError`` where the bytes themselves are damaged.
    """
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app

    rows = 0
    in_shape = True
    with Checked(file, facts) as stream:
        try:
            for table in _groups(_open(stream, facts.header), pa):
                rows += table.num_rows
                yield table
        except pa.ArrowInvalid as error:
            if stream.problem:
                raise stream.problem from None
            in_shape = "Empty CSV" in str(error)
        whole = stream.drain()
    # A row that spans lines, a blank line or a swallowed one makes rows and lines differ.
    return in_shape and not whole.has_nul and rows == max(whole.lines - 1, 0)


def stage(table: Any, path: Path, readable: set[str]) -> Staged:
    """A chunk as a file of texts at ``path``, without the columns in which all rows agree.

    The caller removes the file when it is done with it, and passes the same set of ``readable`` tag texts
    for all chunks of a delivery.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = table.unify_dictionaries()
    texts = texts_of(table) if _is_plain(table) else None
    kept = (
        table.select(
            [name for name in table.column_names if cur.canonical_name(name) in sql.READ_BY_LINE]
        )
        if texts
        else table
    )
    constants = _constants(kept)
    varied = kept.drop_columns(list(constants))
    stored = sql.stored_names(varied.column_names)
    # Written as dictionaries, and read as the texts that they are of: the Arrow schema would only say
    # the former.
    pq.write_table(
        varied.rename_columns(list(stored.values())),
        path,
        compression="none",
        write_statistics=False,
        row_group_size=_ROW_GROUP,
        store_schema=False,
    )
    schema = [(name, "VARCHAR") for name in kept.column_names]
    return Staged(
        sql.parquet_texts(
            str(path), schema, DUCKDB, constants=constants, stored=stored, place=texts is not None
        ),
        sql.known_columns(kept.column_names),
        table.num_rows,
        path=path,
        has_plain_tags=_has_plain_tags(table, readable),
        texts=texts,
    )


def _constants(table: Any) -> dict[str, str]:
    """The columns that hold one text in all rows, and that text; one column is always left."""
    found = {}
    for name, texts in islice(_distinct(table), 1, None):
        if len(texts) == 1:
            text = texts[0].as_py()
            if "\0" not in text and len(text) <= _LONGEST_CONSTANT:
                found[name] = text
    return found


def _is_plain(table: Any) -> bool:
    """Whether every number, time and currency of the chunk is sound at first sight."""
    import pyarrow.compute as pc  # noqa: PLC0415

    for name, texts in _distinct(table):
        canonical = cur.canonical_name(name)
        pattern = _PATTERNS.get(canonical)
        if pattern and not pc.all(pc.match_substring_regex(texts, pattern)).as_py():
            return False
        judge = _JUDGES.get(canonical)
        if judge and (len(texts) > plain.MANY or not judge(texts.to_pylist())):
            return False
    return True


_PATTERNS = {
    **{number.source: plain.AMOUNT for number in cur.NUMBERS},
    cur.CURRENCY: plain.CURRENCY,
}
_JUDGES: dict[str, Callable[[Iterable[str]], bool]] = {
    cur.INTERVAL: plain.are_intervals,
    cur.USAGE_START: plain.are_moments,
    cur.USAGE_END: plain.are_moments,
}


def _has_plain_tags(table: Any, readable: set[str]) -> bool:
    """Whether the tags are maps as CUR 2.0 has them, and all can be read; adds those that can."""
    if any(map(cur.is_tag_column, table.column_names)):
        return False
    if len(readable) > _REMEMBERED_TAGS:
        readable.clear()
    for name, texts in _distinct(table):
        if cur.canonical_name(name) in {cur.TAGS, cur.RESOURCE_TAGS}:
            new = set(texts.to_pylist()) - readable
            if not all(map(plain.is_readable_map, new)):
                return False
            readable |= new
    return True


def _distinct(table: Any) -> Iterator[tuple[str, Any]]:
    """Every column's name and its distinct texts; unified, so that each chunk has those of all."""
    for name in table.column_names:
        yield name, table.column(name).chunk(0).dictionary


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
            rows = _write(again, header, target)
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
    return sql.parquet_texts(
        str(path), used, DUCKDB, stored=sql.stored_names([name for name, _ in used[:-1]])
    )


def _open(stream: Any, header: Sequence[str], *, numbered: bool = False) -> Iterator[Any]:
    """Batches of the used columns, each text kept once. Raises ``pa.ArrowInvalid``."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.csv as pacsv  # noqa: PLC0415

    names = [*header, sql.LINE_NUMBER] if numbered else list(header)
    used = {
        f"c{i}": name
        for i, name in enumerate(names)
        if cur.is_used(name) or name == sql.LINE_NUMBER
    }
    text = pa.dictionary(pa.int32(), pa.string())
    reader = pacsv.open_csv(
        stream,
        # Columns by place: names may differ by case alone in columns that nobody uses.
        read_options=pacsv.ReadOptions(
            block_size=_BLOCK,
            column_names=[f"c{i}" for i in range(len(names))],
            skip_rows=1,
            use_threads=False,
        ),
        parse_options=pacsv.ParseOptions(ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(
            include_columns=list(used),
            column_types=dict.fromkeys(used, text),
            strings_can_be_null=False,
            check_utf8=False,  # every byte was checked before it came here
        ),
    )
    for batch in reader:
        yield batch.rename_columns(list(used.values()))


def _write(stream: Any, header: Sequence[str], target: Path) -> int:
    """Write the used columns of numbered, sound rows as texts; the number of rows."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    names = sql.stored_names([name for name in header if cur.is_used(name)]).values()
    schema = pa.schema([(name, pa.string()) for name in [*names, sql.LINE_NUMBER]])
    rows = 0
    try:
        with pq.ParquetWriter(target, schema, compression="none", write_statistics=False) as writer:
            for table in _groups(_open(stream, header, numbered=True), pa):
                rows += table.num_rows
                writer.write_table(table.rename_columns(schema.names).cast(schema))
    except pa.ArrowInvalid as error:
        if "Empty CSV" not in str(error):
            raise
    return rows


def _groups(batches: Iterable[Any], pa: Any) -> Iterator[Any]:
    waiting: list[Any] = []
    count, wanted = 0, min(_FIRST_CHUNK, _CHUNK)
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        if count >= wanted:
            yield pa.Table.from_batches(waiting)
            waiting, count, wanted = [], 0, min(2 * wanted, _CHUNK)
    if waiting:
        yield pa.Table.from_batches(waiting)


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
