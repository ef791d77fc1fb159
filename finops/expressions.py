"""Expressions that each database has in its own words."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Func
from django.db.models.sql.compiler import SQLCompiler


class MonthText(Func):
    """The month of a date as text, ``2026-04``.

    ``TruncMonth`` is a Python function on SQLite, called once a row.
    """

    output_field = CharField()
    arity = 1
    template = "to_char(%(expressions)s, 'YYYY-MM')"

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, Any]:
        """Dates are texts there."""
        return super().as_sql(
            compiler, connection, template="substr(%(expressions)s, 1, 7)", **extra
        )
