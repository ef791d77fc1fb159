"""Reads of the origins of hosts."""

from __future__ import annotations

from dataclasses import dataclass

from ingestion.core.egress import OriginKind
from ingestion.core.origins import HostPatterns
from ingestion.origin_models import HostOrigin


@dataclass(frozen=True)
class Place:
    """Where an origin is; region and account are empty outside AWS, and where nobody told them."""

    kind: OriginKind
    region_id: str = ""
    account: str = ""


def origin_places() -> HostPatterns[Place]:
    """What is known of every host's origin."""
    return HostPatterns(
        {
            row.pattern: Place(OriginKind(row.kind), row.region_id, row.account)
            for row in HostOrigin.objects.all()
        }
    )
