"""Cloudflare's usage: Workers, R2 and zones by GraphQL Analytics, deployments by REST."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from ingestion.bookkeeping import Outcome
from ingestion.cloudflare.collect import collect_usage
from ingestion.core.cloudflare_settings import ConnectionSettingsError, base_url, read_settings
from ingestion.core.delivery import SourceError
from ingestion.models import Connection
from ingestion.progress import Progress


class CloudflareUsage:
    """Reads one account and its zones; the location is the API's address."""

    id = "cloudflare_usage"
    title = "Cloudflare usage (API)"

    def check(self, location: str, settings: Mapping[str, Any]) -> None:
        """Refuse an address or settings that cannot be right. Raises ``SourceError``."""
        try:
            base_url(location)
            read_settings(settings)
        except ConnectionSettingsError as error:
            raise SourceError(str(error)) from None

    def collect(
        self,
        connection: Connection,
        *,
        now: datetime,
        since: date | None,
        until: date | None,
        progress: Progress,
    ) -> list[Outcome]:
        """Days as outcomes; see ``ingestion.cloudflare.collect``."""
        return collect_usage(connection, now=now, since=since, until=until, progress=progress)


API = CloudflareUsage()
