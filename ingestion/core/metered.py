"""What is metered: quantities that a price list can make money of, by hour and by whom they may belong to. Pure.

Usage facts say what happened; a metered quantity says what of it a vendor charges for, under the meter's id
(``ingestion.core.meters``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Protocol

from finops.core.periods import add_months

SETTLED_AFTER = timedelta(days=3)
"""How far usage goes beyond a month's end until nothing more of the month depends on how far it goes."""


@dataclass(frozen=True)
class MeteredHour:
    """One quantity of one meter in one hour (UTC), in the meter's unit.

    ``account`` is whom the vendor bills, ``tags`` what allocation may look at: ``tenant`` where the source
    names it, ``host``, ``path``, ``script``, ``bucket`` where it does not. ``resource_id`` names the thing
    on a charge line. ``is_sampled`` marks an estimate from a sample. ``hours`` is 24 for what is measured by the
    day, whose ``hour`` is the day's first.
    """

    hour: datetime
    meter: str
    quantity: Decimal
    account: str = ""
    region_id: str = ""
    resource_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    is_sampled: bool = False
    hours: int = 1

    @property
    def end(self) -> datetime:
        """The first moment behind it."""
        return self.hour + timedelta(hours=self.hours)


@dataclass(frozen=True)
class MeteredSpan:
    """Metered hours of a window, and up to when they are whole (``None``: nothing is known yet).

    ``reaches`` is by meter up to when, where meters differ.
    """

    hours: Iterable[MeteredHour]
    complete_through: datetime | None
    reaches: Mapping[str, datetime] = field(default_factory=dict)


class Metered(Protocol):
    """A source of metered quantities: a file in ``ingestion/metered``."""

    id: str
    meters: tuple[str, ...]

    def read(self, start: datetime, end: datetime) -> MeteredSpan:
        """Every quantity of ``meters`` with ``start`` <= hour < ``end`` (aware, UTC)."""

    def marks(self) -> Mapping[date, str]:
        """The months (their first days) that it has usage of, each with a text.

        The text differs once what ``read`` says of the month may differ. It is asked every few seconds, so it is
        made of sums and not of the usage itself.
        """


def reach_in(month: date, through: datetime | None) -> datetime | None:
    """Up to when usage goes, as far as it matters to ``month``: it stands still some days after its end."""
    end = datetime.combine(add_months(month, 1), time(), UTC) + SETTLED_AFTER
    return None if through is None else min(through, end)
