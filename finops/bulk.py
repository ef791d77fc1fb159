"""Many rows into one table at once: ``COPY`` on PostgreSQL, ``executemany`` on SQLite."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from finops.money import ScaledDecimalField

_BATCH = 5_000
_REMEMBERED = 50_000


@contextmanager
def without_collector() -> Iterator[None]:
    """Many rows are made here, and none of them in a circle: looking for circles takes a third of the time.

    It holds for the whole process, so it is for workers, which do one job at a time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


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
    count = 0
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            texts = [_as_text(field, connection) for field in fields]
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for batch in _prepared(rows, texts):
                    copy.write("".join([f"{line}\n" for line in map("\t".join, batch)]))
                    count += len(batch)
            return count
        convert = [_converter(field, connection) for field in fields]
        marks = ", ".join(["%s"] * len(fields))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"
        for batch in _prepared(rows, convert):
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
    if isinstance(plain, ScaledDecimalField):
        # Amounts hardly repeat: to remember them would cost more than it saves.
        return lambda value: None if value is None else plain.units(value)
    return _Remembering(partial(field.get_db_prep_save, connection=connection)).__getitem__


def _as_text(
    field: models.Field[Any, Any], connection: BaseDatabaseWrapper
) -> Callable[[Any], str]:
    """A value as ``COPY`` reads it; whole blocks of texts are several times faster than rows of values."""
    from psycopg.adapt import PyFormat, Transformer  # noqa: PLC0415  # of PostgreSQL alone

    plain = field.target_field if isinstance(field, models.ForeignKey) else field
    if isinstance(plain, ScaledDecimalField):
        places = plain.places
        return lambda value: _NULL if value is None else f"{plain.units(value)}e-{places}"
    transformer = Transformer(connection.connection)

    def text(value: Any) -> str:
        ready = field.get_db_prep_save(value, connection=connection)
        if ready is None:
            return _NULL
        dumped = transformer.get_dumper(ready, PyFormat.TEXT).dump(ready)
        return bytes(dumped or b"").decode().translate(_ESCAPED)

    return _Remembering(text).__getitem__


_NULL = "\\N"
_ESCAPED = str.maketrans(
    {"\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r"}
)
"""Source: PostgreSQL, "COPY", text format."""


class _Remembering(dict[Any, Any]):
    """What a field makes of a value, asked once per distinct one: days and ids fill whole columns."""

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, value: Any) -> Any:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[value] = made = self._convert(value)
        return made


def _prepared(
    rows: Iterable[Sequence[Any]], convert: Sequence[Callable[[Any], Any] | None]
) -> Iterator[list[tuple[Any, ...]]]:
    """Batches of rows as the database takes them; converted by column, which is several times faster."""
    waiting = iter(rows)
    while batch := list(islice(waiting, _BATCH)):
        columns = [
            map(turn, column) if turn else column
            for turn, column in zip(convert, zip(*batch, strict=True), strict=True)
        ]
        yield list(zip(*columns, strict=True))


def _field(model: type[models.Model], attname: str) -> models.Field[Any, Any]:
    for field in model._meta.concrete_fields:
        if field.attname == attname:
            return field
    msg = f"{model.__name__} has no column {attname}"
    raise LookupError(msg)
