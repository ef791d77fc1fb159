"""A source whose newest data is older than it is expected to be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from finops.core.alerts import Finding, Severity
from ingestion.core.lateness import in_words
from ingestion.selectors import SourceFreshness, freshness
from ingestion.usage_api_models import KIND as USAGE_API

_TWICE_AS_LATE = Decimal(1)
"""Lateness grows by itself: who acknowledged two hours is asked again at four, not each five minutes."""


class StaleSource:
    """One finding per active source that is late (``Source.expected_every_hours``)."""

    id = "stale-source"

    def findings(self, now: datetime) -> Iterable[Finding]:
        """Sources that are late at ``now``; one that has not delivered yet is late from its first hours on."""
        for source in freshness(now).sources:
            if source.is_late:
                yield Finding(
                    self.id,
                    source.slug,
                    Severity.WARNING,
                    _sentence(source),
                    _evidence(source),
                    size=Decimal(source.late_by // timedelta(minutes=1)),
                    growth=_TWICE_AS_LATE,
                )


def _sentence(source: SourceFreshness) -> str:
    every = in_words(timedelta(hours=source.expected_every_hours))
    late = f"{source.name} is late by {in_words(source.late_by)}"
    if source.newest is None:
        return f"{late}: nothing has come, and data is expected within {every}. {_to_do(source)}"
    through = f"{source.newest:%-d %b %Y %H:%M} UTC"
    return f"{late}: its data ends {through}, and newer data is expected within {every}. {_to_do(source)}"


def _to_do(source: SourceFreshness) -> str:
    expected = (
        "If less is to be expected, an admin changes its expected hours or makes it inactive."
    )
    if source.kind == USAGE_API:
        return f"Ask who sends it to send what is missing: what came before counts once. {expected}"
    if source.connection:
        return (
            f"Load the connection {source.connection} now on Data health, and ask the provider where nothing new "
            f"lies there. {expected}"
        )
    return (
        "No connection looks for it: load the newest delivery, or let an admin add a connection. "
        f"{expected}"
    )


def _evidence(source: SourceFreshness) -> dict[str, str | int | None]:
    return {
        "newest": None if source.newest is None else source.newest.isoformat(),
        "expected_every_hours": source.expected_every_hours,
        "late_by_minutes": source.late_by // timedelta(minutes=1),
    }


CHECK = StaleSource()
