"""Many rows into one table at once: ``COPY`` on PostgreSQL, ``executemany`` on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

_BATCH = 5_000
_REMEMBERED = 50_000


def insert_rows(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> int:
    """Insert ``rows`` (values in the order of ``columns``, field attnames) and say how many.

    Call it inside the transaction that makes them visible, with rows that are ready: a write lock is
    held from here on. Every other field of the model must have a database-level default or be the id.
    """
    connection = connections[router.db_for_write(model)]
    fields = [_field(model, name) for name in columns]
    quote = connection.ops.quote_name
    names = ", ".join(quote(field.column or field.attname) for field in fields)
    table = quote(model._meta.db_table)
    convert = [_converter(field, connection) for field in fields]
    prepared = (
        tuple(turn(value) if turn else value for turn, value in zip(convert, row, strict=True))
        for row in rows
    )
    count = 0
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in prepared:
                    copy.write_row(row)
                    count += 1
            return count
        marks = ", ".join(["%s"] * len(fields))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"
        for batch in _batches(prepared):
            cursor.executemany(statement, batch)
            count += len(batch)
    return count


def _converter(
    field: models.Field[Any, Any], connection: BaseDatabaseWrapper
) -> Callable[[Any], Any] | None:
    """What the field makes of a value; ``None`` where the database takes texts and integers as is."""
    plain = field.target_field if isinstance(field, models.ForeignKey) else field
    if isinstance(plain, models.CharField | models.TextField | models.IntegerField):
        return None
    return _remembering(partial(field.get_db_prep_save, connection=connection))


def _remembering(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``convert``, asked once per distinct value: days, ids and zeros fill most of a ledger's columns."""
    known: dict[Any, Any] = {}

    def turn(value: Any) -> Any:
        if value not in known:
            if len(known) >= _REMEMBERED:
                known.clear()
            known[value] = convert(value)
        return known[value]

    return turn


def _field(model: type[models.Model], attname: str) -> models.Field[Any, Any]:
    for field in model._meta.concrete_fields:
        if field.attname == attname:
            return field
    msg = f"{model.__name__} has no column {attname}"
    raise LookupError(msg)


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch
