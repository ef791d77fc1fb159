"""The lake's hours: written from numbers, with the texts that these stand for put beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocation.core import sql
from allocation.core.ledger import LedgerKey
from finops.arrow import spread

if TYPE_CHECKING:
    import duckdb

_ROW_GROUP = 122_880


class Numbered:
    """What lines of ``charges`` say in texts, numbered in the engine's tables (``sql.numbered``)."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, charges: str, allocated: str) -> None:
        for statement in sql.numbered(charges, allocated):
            engine.execute(statement)
        self._charges = charges
        self._bearers = engine.sql("SELECT * FROM bearers ORDER BY bearer").to_arrow_table()
        self._kinds = engine.sql("SELECT * FROM kinds ORDER BY kind").to_arrow_table()
        self._borne = _rows(self._bearers, sql.BEARER)
        services = self._kinds.column("service").to_pylist()
        self._services = dict(zip(services, _rows(self._kinds, sql.GROUP), strict=True))

    def key(self, numbers: tuple[int, ...]) -> LedgerKey:
        """The ledger's key of a bearer and a service."""
        bearer, service = numbers
        return LedgerKey(*self._borne[bearer], *self._services[service])

    def write_hours(self, engine: duckdb.DuckDBPyConnection, path: Path) -> None:
        """Write the charge lines by hour to ``path``, without ever holding all hours."""
        import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app
        import pyarrow.parquet as pq  # noqa: PLC0415

        batches = engine.sql(sql.hours(self._charges)).to_arrow_reader(_ROW_GROUP)
        none = pa.RecordBatch.from_pylist([], schema=batches.schema)
        with pq.ParquetWriter(
            path,
            self._table(none).schema,
            compression="zstd",
            # Amounts hardly repeat.
            use_dictionary=[name for name in _COLUMNS if name not in sql.MEASURES],
            write_statistics=["hour"],
            store_schema=False,
        ) as writer:
            for batch in batches:
                writer.write_table(self._table(batch))

    def _table(self, hours: Any) -> Any:
        import pyarrow as pa  # noqa: PLC0415

        bearer, kind = hours.column("bearer"), hours.column("kind")
        columns = {
            **{name: hours.column(name) for name in hours.schema.names},
            **{name: spread(_one(self._bearers, name), bearer) for name in sql.BEARER},
            **{name: spread(_one(self._kinds, name), kind) for name in _OF_KIND},
        }
        return pa.table({name: columns[name] for name in _COLUMNS})


_OF_KIND = (*sql.GROUP, "consumed_unit")
_COLUMNS = (
    *("hour", "accrued_until", *sql.BEARER, *sql.GROUP, *sql.MEASURES),
    *("consumed_unit", "lines"),
)
"""The columns of the lake's hours, in order."""


def _one(table: Any, name: str) -> Any:
    return table.column(name).combine_chunks()


def _rows(table: Any, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
