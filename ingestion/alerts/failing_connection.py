"""A connection whose last look failed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from finops.core.alerts import Finding, Severity, without_figures
from ingestion.models import Connection


class FailingConnection:
    """One finding per active connection with a problem."""

    id = "failing-connection"

    def findings(self, now: datetime) -> Iterable[Finding]:  # noqa: ARG002  # a look tells by itself
        """What the last look of each said."""
        for connection in Connection.objects.filter(is_active=True).exclude(problem=""):
            checked = connection.checked_at
            yield Finding(
                self.id,
                connection.slug,
                Severity.WARNING,
                f"The connection {connection.slug} could not be read: {connection.problem}",
                {"checked_at": checked.isoformat() if checked else None},
                about=without_figures(connection.problem),
            )


CHECK = FailingConnection()
