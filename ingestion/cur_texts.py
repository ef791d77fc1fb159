"""The texts of charge lines, made once per distinct combination instead of line by line.

Two thirds of a charge line's columns are texts. Most stand in the bill as they stand in the lake, and pass
the engine by. The others follow from a few columns of the bill (its type, its product, its region …), of
which a quarter of a million lines have some hundred combinations: the engine reads those. Only amounts and
times are typed line by line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops.arrow import spread
from finops.core.dialect import DUCKDB
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_sql as sql

if TYPE_CHECKING:
    import duckdb

_ROW_GROUP = 120_000
_WORTH_IT = 4
"""Lines per combination, below which the engine had better read the lines."""
_LARGEST = 2**62
_REMEMBERED = 100_000
_About = tuple[tuple[str, ...], tuple[str, ...], frozenset[str]]
_HARDLY_REPEAT = ("billed_cost", "effective_cost", "contracted_cost")
_AS_PRINTED = {"x_tags": cur.TAGS, "x_resource_tags": cur.RESOURCE_TAGS}


@dataclass(frozen=True)
class Texts:
    """What of a chunk needs no typing line by line; every array is in the order of the rows.

    ``passed`` are columns of charge lines; ``combinations`` are columns of the bill, as texts, and
    ``combination`` says for each row which of them is its own.
    """

    rows: int
    passed: dict[str, Any]
    combinations: Any
    combination: Any

    @property
    def told(self) -> list[str]:
        """The columns of charge lines that follow from a combination."""
        apart = {*self.passed, *sql.LINE_BY_LINE}
        return [name for name in sql.CHARGE_COLUMNS if name not in apart]


def texts_of(table: Any) -> Texts | None:
    """The chunk's texts, or ``None`` where its lines have too many combinations.

    ``table`` has the bill's columns as unified dictionaries of texts.
    """
    passed = _passing(table)
    by = {name for focus in passed if focus not in sql.COMPUTED_WITH for name in _sources(focus)}
    names = [name for name in table.column_names if cur.canonical_name(name) not in by | sql.TYPED]
    columns = [table.column(name).combine_chunks() for name in names]
    found = _combinations(columns, table.num_rows)
    if found is None:
        return None
    first, combination = found
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app

    combinations = {
        name: column.take(first).dictionary_decode()
        for name, column in zip(names, columns, strict=True)
    }
    return Texts(
        rows=table.num_rows,
        passed={focus: table.column(name) for focus, name in passed.items()},
        combinations=pa.table(combinations),
        combination=combination,
    )


def _sources(focus: str) -> tuple[str, ...]:
    """The bill's columns that feed one of a charge line."""
    if focus in _AS_PRINTED:
        return (_AS_PRINTED[focus],)
    return next(column.sources for column in cur.COLUMNS if column.focus == focus)


def _combinations(columns: list[Any], rows: int) -> tuple[Any, Any] | None:
    """The first row of each combination, and each row's combination."""
    import numpy as np  # noqa: PLC0415

    ids = np.zeros(rows, dtype=np.int64)
    size = 1
    for column in columns:
        choices = len(column.dictionary)
        if size * choices > _LARGEST:
            ids = np.unique(ids, return_inverse=True)[1]
            size = int(ids.max()) + 1
            if size * choices > _LARGEST:
                return None
        ids = ids * choices + column.indices.to_numpy(zero_copy_only=False)
        size *= choices
    found = _array(ids).dictionary_encode()
    if len(found.dictionary) * _WORTH_IT > rows:
        return None
    combination = found.indices.to_numpy()
    first = np.empty(len(found.dictionary), np.int64)
    first[combination[::-1]] = np.arange(rows - 1, -1, -1)
    return _array(first), found.indices


def _array(numbers: Any) -> Any:
    """64-bit numbers of numpy as Arrow has them, nothing copied."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def _passing(table: Any) -> dict[str, str]:
    """FOCUS columns that are a column of ``table`` as it stands, and that column's name.

    A text with spaces around it, or an empty one where another column may say more, is the engine's to
    read.
    """
    spelled = {
        cur.canonical_name(name): name for name in table.column_names if not cur.is_tag_column(name)
    }
    found = {}
    for column in cur.COLUMNS:
        names = [spelled[source] for source in column.sources if source in spelled]
        if names and not column.default and _stands(table, names[0], alone=len(names) == 1):
            found[column.focus] = names[0]
    if not any(map(cur.is_tag_column, table.column_names)):
        found |= {
            focus: spelled[source] for focus, source in _AS_PRINTED.items() if source in spelled
        }
    return found


def _stands(table: Any, name: str, *, alone: bool) -> bool:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    texts = table.column(name).chunk(0).dictionary
    trimmed = pc.all(pc.equal(pc.utf8_trim_whitespace(texts), texts)).as_py()
    return bool(trimmed and (alone or not pc.any(pc.equal(texts, pa.scalar(""))).as_py()))


class ToldTexts:
    """What the engine made of each combination: chunk after chunk brings the same ones.

    One for one reading on one cost basis; ``statement`` is ``sql.charges`` with all that holds for the
    whole reading. What a combination means depends on the columns of its file, and files of one delivery
    may have others.
    """

    def __init__(self) -> None:
        self._known: dict[_About, dict[tuple[str, ...], tuple[Any, ...]]] = defaultdict(dict)
        self._types: dict[str, Any] = {}

    def of(
        self,
        engine: duckdb.DuckDBPyConnection,
        statement: Callable[..., str],
        have: Collection[str],
        texts: Texts,
    ) -> dict[str, Any] | None:
        """Each row's texts that follow from its combination; ``None`` where the engine lost one."""
        import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app

        names = texts.combinations.column_names
        known = self._known[tuple(names), tuple(texts.told), frozenset(have)]
        if len(known) > _REMEMBERED:
            known.clear()
        rows = list(
            zip(*(texts.combinations.column(name).to_pylist() for name in names), strict=True)
        )
        new = [number for number, row in enumerate(rows) if row not in known]
        if new:
            found = _read(engine, statement, have, texts.combinations.take(new), texts.told)
            if found is None:
                return None
            self._types |= {name: found.schema.field(name).type for name in texts.told}
            values = zip(*(found.column(name).to_pylist() for name in texts.told), strict=True)
            known |= {rows[number]: row for number, row in zip(new, values, strict=True)}
        told = zip(*(known[row] for row in rows), strict=True)
        return {
            name: spread(pa.array(values, self._types[name]), texts.combination)
            for name, values in zip(texts.told, told, strict=True)
        }


def _read(
    engine: duckdb.DuckDBPyConnection,
    statement: Callable[..., str],
    have: Collection[str],
    combinations: Any,
    told: list[str],
) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    stored = sql.stored_names(combinations.column_names)
    known = sql.known_columns(combinations.column_names)
    places = pa.array(range(combinations.num_rows), pa.int64())
    table = combinations.rename_columns(list(stored.values())).append_column(sql.PLACE, places)
    engine.register("combinations", table)
    try:
        relation = sql.table_texts("combinations", stored, sorted(set(have) - known), DUCKDB)
        query = statement(known | set(have), relation, columns=told, placed=True, is_plain=True)
        return _in_place(engine, query, combinations.num_rows)
    finally:
        engine.unregister("combinations")


def write_lines(
    engine: duckdb.DuckDBPyConnection,
    statement: Callable[..., str],
    *,
    have: Collection[str],
    relation: str,
    texts: Texts,
    memory: ToldTexts,
    target: Path,
) -> int:
    """Write charge lines: what is typed of ``relation``, beside their texts; the number of sound rows.

    Each row comes with its place, so that none can stand beside another's texts. Nothing is written
    where a charge period is none.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    lines = statement(have, relation, columns=sql.LINE_BY_LINE, placed=True, is_plain=True)
    typed = _in_place(engine, lines, texts.rows)
    told = memory.of(engine, statement, have, texts)
    if typed is None or told is None or not _has_sound_periods(typed):
        return 0
    columns = {
        name: typed.column(name) if name in sql.LINE_BY_LINE else {**told, **texts.passed}[name]
        for name in sql.CHARGE_COLUMNS
    }
    pq.write_table(
        pa.table(columns),
        target,
        compression="zstd",
        row_group_size=_ROW_GROUP,
        # Costs hardly repeat, and readers skip row groups by time alone: anything else costs a third.
        use_dictionary=[name for name in sql.CHARGE_COLUMNS if name not in _HARDLY_REPEAT],
        write_statistics=["charge_period_start", "charge_period_end"],
        store_schema=False,
    )
    return texts.rows


def _has_sound_periods(typed: Any) -> bool:
    """Whether every line has a charge period, in the years of bills and not ending before it starts."""
    import pyarrow.compute as pc  # noqa: PLC0415

    start, end = typed.column("charge_period_start"), typed.column("charge_period_end")
    if start.null_count or end.null_count:
        return False
    earliest, latest = pc.min(start).as_py(), pc.max(end).as_py()
    in_order = pc.all(pc.greater_equal(end, start)).as_py()
    return bool(
        in_order and earliest.year >= cur.FIRST_YEAR and latest <= datetime(cur.LAST_YEAR, 1, 1)  # noqa: DTZ001  # both naive
    )


def _in_place(engine: duckdb.DuckDBPyConnection, query: str, rows: int) -> Any:
    """The statement's rows in the order of their places; ``None`` where they are not ``rows``."""
    import numpy as np  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    found = engine.sql(query).to_arrow_table()
    if found.num_rows != rows:
        return None
    places = found.column(sql.PLACE).combine_chunks()
    in_order = _array(np.arange(rows))
    if places.equals(in_order):
        return found
    found = found.take(pc.sort_indices(places))
    if not found.column(sql.PLACE).combine_chunks().equals(in_order):
        msg = "The engine gave rows that were not asked for."
        raise AssertionError(msg)
    return found
