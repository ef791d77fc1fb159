"""The rates that a month's figures are converted with, and those that a closed month keeps.

Whatever converts amounts is a plug-in in ``allocation/rates``: ``RATES = …``, an object with an ``id`` and
``rates(month)``. A closed month's rates never change: those of its close, and those that froze later for a currency
that had none then (``allocation.books`` freezes them when it books the first amount).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Protocol

from allocation.close_models import FrozenRate, FrozenSettlement, LateRate
from finops.registry import load_plugins
from ingestion.invoices import SettledSource


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


@dataclass(frozen=True)
class ClosedRate:
    """A closed month's rate; ``is_late`` where the currency had none at the close."""

    rate: Decimal
    source: str
    is_late: bool


def rates_of_closed(
    months: Collection[date], to: str, *, at_close: bool = False
) -> dict[tuple[date, str], ClosedRate]:
    """Month and currency → the closed month's rate into ``to``; a pair without one is not in it.

    With ``at_close`` only what was known then: what figures as reported are converted with.
    """
    found: dict[tuple[date, str], ClosedRate] = {}
    if not at_close:
        late = LateRate.objects.filter(month__in=months, quote=to, closed__reopened_at__isnull=True)
        for month, base, rate, source in late.values_list("month", "base", "rate", "source"):
            found[month, base] = ClosedRate(Decimal(rate), source, True)
    rows = FrozenRate.objects.filter(
        closed__month__in=months, quote=to, closed__reopened_at__isnull=True
    )
    for month, base, rate, source in rows.values_list("closed__month", "base", "rate", "source"):
        if Decimal(rate):
            found[month, base] = ClosedRate(Decimal(rate), source, False)
    return found


def settlements_of_closed(months: Collection[date]) -> dict[date, list[SettledSource]]:
    """Closed month → the invoices that were known to be paid at rates of their own when it was closed."""
    rows = FrozenSettlement.objects.filter(
        closed__month__in=months, closed__reopened_at__isnull=True
    ).select_related("closed")
    found: dict[date, list[SettledSource]] = {}
    for row in rows.order_by("closed__month", "source"):
        month = row.closed.month
        found.setdefault(month, []).append(
            SettledSource(
                source_id=row.source_id,
                currency=row.base,
                settled_currency=row.quote,
                rate=Decimal(row.rate),
                invoice_id=row.invoice_id,
                supplier=row.supplier,
                months=(month,),
            )
        )
    return found
