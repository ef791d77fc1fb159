"""The texts of charge lines, made once per distinct combination instead of line by line.

Two thirds of a charge line's columns are texts. Most stand in the bill as they stand in the lake, and pass
the engine by. The others follow from a few columns of the bill (its type, its product, its region …), of
which a quarter of a million lines have some hundred combinations: the engine reads those. Only amounts and
times are typed line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops.core.dialect import DUCKDB
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_sql as sql

if TYPE_CHECKING:
    import duckdb

_ROW_GROUP = 120_000
_WORTH_IT = 4
"""Lines per combination, below which the engine had better read the lines."""
_LARGEST = 2**62
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
        combinations=pa.table({**combinations, sql.PLACE: pa.array(range(len(first)), pa.int64())}),
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
    import pyarrow as pa  # noqa: PLC0415

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
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    if len(first) * _WORTH_IT > rows:
        return None
    return pa.array(first), pa.array(inverse.astype(np.int32))


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
    import pyarrow.compute as pc  # noqa: PLC0415

    texts = table.column(name).chunk(0).dictionary
    trimmed = pc.all(pc.equal(pc.utf8_trim(texts, " "), texts)).as_py()
    return bool(trimmed and (alone or not pc.any(pc.equal(texts, "")).as_py()))


def write_lines(
    engine: duckdb.DuckDBPyConnection,
    statement: Callable[..., str],
    *,
    have: Collection[str],
    relation: str,
    texts: Texts,
    target: Path,
) -> int:
    """Write charge lines: what is typed of ``relation``, beside their texts; the number of rows.

    ``statement`` is ``sql.charges`` but for the first two arguments, the columns and ``placed``. Each row
    comes with its place, so that none can stand beside another's texts.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    lines = statement(have, relation, columns=sql.LINE_BY_LINE, placed=True)
    typed = _in_place(engine, lines, texts.rows)
    if typed is None:
        return 0
    told = _told(engine, statement, have, texts)
    if told is None:
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
        store_schema=False,
    )
    return texts.rows


def _told(
    engine: duckdb.DuckDBPyConnection,
    statement: Callable[..., str],
    have: Collection[str],
    texts: Texts,
) -> dict[str, Any] | None:
    """Each row's texts that follow from its combination; ``None`` where the engine lost one."""
    import pyarrow as pa  # noqa: PLC0415

    names = [name for name in texts.combinations.column_names if name != sql.PLACE]
    known = sql.known_columns(names)
    engine.register("combinations", texts.combinations)
    relation = sql.table_texts("combinations", names, sorted(set(have) - known), DUCKDB)
    query = statement(known | set(have), relation, columns=texts.told, placed=True)
    found = _in_place(engine, query, texts.combinations.num_rows)
    engine.unregister("combinations")
    if found is None:
        return None
    told = {}
    for name in texts.told:
        column = found.column(name).combine_chunks()
        if pa.types.is_string(column.type) and not column.null_count:
            # Each text once: readers are faster by the runs of equal ones.
            once = column.dictionary_encode()
            told[name] = pa.DictionaryArray.from_arrays(
                once.indices.take(texts.combination), once.dictionary
            )
        else:
            told[name] = column.take(texts.combination)
    return told


def _in_place(engine: duckdb.DuckDBPyConnection, query: str, rows: int) -> Any:
    """The statement's rows in the order of their places; ``None`` where they are not ``rows``."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    found = engine.sql(query).to_arrow_table()
    if found.num_rows != rows:
        return None
    places = found.column(sql.PLACE).combine_chunks()
    if places.equals(pa.array(range(rows), pa.int64())):
        return found
    found = found.take(pc.sort_indices(places))
    if not found.column(sql.PLACE).combine_chunks().equals(pa.array(range(rows), pa.int64())):
        msg = "The engine gave rows that were not asked for."
        raise AssertionError(msg)
    return found
