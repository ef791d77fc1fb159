"""Triggers that make the audit log append-only in the database itself, on SQLite and on PostgreSQL.

They are put in place after every ``migrate``: on SQLite a migration that alters a table makes it anew, without
its triggers.
"""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

_ENTRY, _HEAD = "finops_auditentry", "finops_audithead"
_SENTENCE = "the audit log is append-only"

_SQLITE = {
    "audit_no_update": f"BEFORE UPDATE ON {_ENTRY} BEGIN SELECT RAISE(ABORT, '{_SENTENCE}'); END",
    "audit_no_delete": f"BEFORE DELETE ON {_ENTRY} BEGIN SELECT RAISE(ABORT, '{_SENTENCE}'); END",
    # INSERT OR REPLACE removes a row without firing a DELETE trigger.
    "audit_no_replace": (
        f"BEFORE INSERT ON {_ENTRY} WHEN EXISTS (SELECT 1 FROM {_ENTRY} WHERE number = NEW.number) "
        f"BEGIN SELECT RAISE(ABORT, '{_SENTENCE}'); END"
    ),
    "audit_head_on": (
        f"BEFORE UPDATE ON {_HEAD} WHEN NEW.number <> OLD.number + 1 "
        f"BEGIN SELECT RAISE(ABORT, '{_SENTENCE}'); END"
    ),
    "audit_head_stays": (f"BEFORE DELETE ON {_HEAD} BEGIN SELECT RAISE(ABORT, '{_SENTENCE}'); END"),
}

_POSTGRESQL = {
    "audit_no_update": f"BEFORE UPDATE OR DELETE ON {_ENTRY} FOR EACH ROW",
    "audit_no_truncate": f"BEFORE TRUNCATE ON {_ENTRY} FOR EACH STATEMENT",
    "audit_head_on": f"BEFORE UPDATE ON {_HEAD} FOR EACH ROW WHEN (NEW.number <> OLD.number + 1)",
    "audit_head_stays": f"BEFORE DELETE ON {_HEAD} FOR EACH ROW",
    "audit_head_no_truncate": f"BEFORE TRUNCATE ON {_HEAD} FOR EACH STATEMENT",
}
_FUNCTION = (
    "CREATE OR REPLACE FUNCTION finops_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{_SENTENCE}' USING ERRCODE = 'restrict_violation'; END $$"
)


def install(connection: BaseDatabaseWrapper) -> None:
    """Put every trigger in place; those that are there stay."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name, rest in _SQLITE.items():
                cursor.execute(f"CREATE TRIGGER IF NOT EXISTS {name} {rest}")
            return
        cursor.execute(_FUNCTION)
        for name, rest in _POSTGRESQL.items():
            cursor.execute(
                f"CREATE OR REPLACE TRIGGER {name} {rest} EXECUTE FUNCTION finops_audit_refuse()"
            )


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away: what a test suite needs to empty its own tables."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in _SQLITE:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            return
        for name, rest in _POSTGRESQL.items():
            table = rest.split(" ON ")[1].split()[0]
            cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")


def install_after_migrate(
    sender: AppConfig,  # noqa: ARG001  # the signal names it
    *,
    using: str = DEFAULT_DB_ALIAS,
    **_signal: Any,
) -> None:
    """A receiver of ``post_migrate``; does nothing while the tables are not there."""
    connection = connections[using]
    if {_ENTRY, _HEAD} <= set(connection.introspection.table_names()):
        install(connection)
