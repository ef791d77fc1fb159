"""The vendors' APIs that are asked for usage: one file each in ``ingestion/apis``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Any, Protocol, runtime_checkable

from finops.registry import load_plugins
from ingestion.bookkeeping import Outcome
from ingestion.models import Connection
from ingestion.progress import Progress


@runtime_checkable
class ApiSource(Protocol):
    """What every such API offers. A connection of kind ``id`` is read by it."""

    id: str
    title: str

    def check(self, location: str, settings: Mapping[str, Any]) -> None:
        """Raise ``SourceError`` with one sentence where a connection cannot be right."""

    def collect(
        self,
        connection: Connection,
        *,
        now: datetime,
        since: date | None,
        until: date | None,
        progress: Progress,
    ) -> list[Outcome]:
        """Ask for what is new, or for the months from ``since`` to ``until``; one outcome for each day.

        Whatever is wrong becomes an outcome; what was stored before stays.
        """


@cache
def api_sources() -> dict[str, ApiSource]:
    """Every API by its id."""
    return load_plugins("ingestion.apis", "API")
