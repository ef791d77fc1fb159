"""A look through a connection, and what it left."""

from __future__ import annotations

from typing import Any

from ingestion.cloudflare_models import UsageCheck, UsageHour
from ingestion.models import Connection
from ingestion.services import IngestReport, collect


def look(connection: Connection) -> IngestReport:
    connection.refresh_from_db()
    return collect(connection=connection)


def stored(**only: object) -> set[tuple[Any, ...]]:
    """All usage that is stored, as values."""
    names = ("hour", "metric", "zone", "host", "cache_status", "script", "bucket", "quantity")
    return set(UsageHour.objects.filter(**only).values_list(*names))


def newest() -> UsageCheck:
    """The newest look."""
    return UsageCheck.objects.order_by("-checked_at", "-pk")[0]


def problem(connection: Connection) -> str:
    connection.refresh_from_db()
    return connection.problem
