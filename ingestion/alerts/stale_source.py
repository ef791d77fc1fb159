"""A source whose newest data is older than it is expected to be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from finops.core.alerts import Finding, Severity
from ingestion.selectors import SourceFreshness, freshness


class StaleSource:
    """One finding per active source that is late (``Source.expected_every_hours``)."""

    id = "stale-source"

    def findings(self, now: datetime) -> Iterable[Finding]:
        """Sources that are not fresh at ``now``."""
        for source in freshness(now).sources:
            if not source.fresh:
                yield Finding(
                    self.id, source.slug, Severity.WARNING, _sentence(source), _evidence(source)
                )


def _sentence(source: SourceFreshness) -> str:
    act = (
        "Load it now on Data health and look at its connection; if less is to be expected of it, an admin "
        "changes its expected hours or makes it inactive."
    )
    return f"{source.name} is late. {source.reason} {act}"


def _evidence(source: SourceFreshness) -> dict[str, str | int | None]:
    return {
        "newest": None if source.newest is None else source.newest.isoformat(),
        "expected_every_hours": source.expected_every_hours,
    }


CHECK = StaleSource()
