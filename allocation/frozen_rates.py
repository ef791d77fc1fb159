"""The rates that a month's figures are converted with, and those that a closed month keeps.

Whatever converts amounts is a plug-in in ``allocation/rates``: ``RATES = …``, an object with an ``id`` and
``rates(month)``. It asks ``frozen`` first, because a closed month's rates never change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Protocol

from allocation.close_models import FrozenRate
from finops.registry import load_plugins


@dataclass(frozen=True)
class Rate:
    """One unit of ``base`` is ``rate`` units of ``quote``; ``source`` says where from and of which days."""

    base: str
    quote: str
    rate: Decimal
    source: str


class Rates(Protocol):
    """What knows the rates of a month."""

    id: str

    def rates(self, month: date) -> Iterable[Rate]:
        """The rates that amounts of the month are converted with."""
        ...


@cache
def _plugins() -> tuple[Rates, ...]:
    found: dict[str, Rates] = load_plugins("allocation.rates", "RATES")
    return tuple(found.values())


def rates_of(month: date) -> list[Rate]:
    """Every rate that the month is converted with now, in order."""
    found = [rate for plugin in _plugins() for rate in plugin.rates(month)]
    return sorted(found, key=lambda rate: (rate.base, rate.quote))


def frozen(month: date) -> dict[tuple[str, str], Decimal]:
    """Base and quote → rate as the closed month keeps it; empty where the month is open."""
    rows = FrozenRate.objects.filter(closed__month=month, closed__reopened_at__isnull=True)
    return {
        (base, quote): Decimal(rate)
        for base, quote, rate in rows.values_list("base", "quote", "rate")
    }
