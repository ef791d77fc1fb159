"""What is metered: quantities that a price list can make money of, by hour and by whom they may belong to. Pure.

Usage facts say what happened; a metered quantity says what of it a vendor charges for, under the meter's id
(``ingestion.core.meters``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True)
class MeteredHour:
    """One quantity of one meter in one hour (UTC), in the meter's unit.

    ``account`` is whom the vendor bills, ``tags`` what allocation may look at: ``tenant`` where the source
    names it, ``host``, ``path``, ``script``, ``bucket`` where it does not. ``resource_id`` names the thing
    on a charge line. ``is_sampled`` marks an estimate from a sample.
    """

    hour: datetime
    meter: str
    quantity: Decimal
    account: str = ""
    region_id: str = ""
    resource_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    is_sampled: bool = False


@dataclass(frozen=True)
class MeteredSpan:
    """Metered hours of a window, and up to when they are whole (``None``: nothing is known yet)."""

    hours: Iterable[MeteredHour]
    complete_through: datetime | None


class Metered(Protocol):
    """A source of metered quantities: a file in ``ingestion/metered``."""

    id: str
    meters: tuple[str, ...]

    def read(self, start: datetime, end: datetime) -> MeteredSpan:
        """Every quantity of ``meters`` with ``start`` <= hour < ``end`` (aware, UTC)."""
