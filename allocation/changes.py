"""What became known of closed months after their close, and which months bear it: in the slice's currency, by month."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from allocation.by_month import borne_by_month, changes_by_month, own_by_month
from allocation.core.figures import Slice
from allocation.core.pnl import Pnl
from allocation.reported import Close, closes, months_borne
from finops.core.periods import Window, add_months, month_text, parse_month


@dataclass(frozen=True)
class Change:
    """What a closed month reported, and what became known of it since: cost of the slice's metric, and revenue.

    Cost is that of the margin: without credits and what stands below the line.
    """

    close: Close
    reported_cost: Decimal
    reported_revenue: Decimal
    cost: Decimal
    revenue: Decimal

    @property
    def is_any(self) -> bool:
        """Whether anything changed."""
        return bool(self.cost or self.revenue)


@dataclass(frozen=True)
class Booked:
    """What a month bears of earlier, closed ones."""

    booked_month: date
    months: tuple[date, ...]
    cost: Decimal
    revenue: Decimal


def changes_since_close(slice_: Slice) -> list[Change]:
    """What became known of each closed month of the slice after its close, oldest month first."""
    found = closes(slice_.window)
    if not found:
        return []
    whole = Window(found[0].month, add_months(found[-1].month, 1))
    mine = replace(slice_, window=whole, basis="reported", as_of=None)
    own, changed = own_by_month(mine), changes_by_month(mine)
    none = Pnl()

    def change(close: Close) -> Change:
        then = own.get(month_text(close.month), none)
        since = changed.get(month_text(close.month), none)
        return Change(close, then.cost, then.revenue, since.cost, since.revenue)

    return [change(close) for close in found]


def booked_in(slice_: Slice) -> list[Booked]:
    """What each month of the slice bears of earlier months, oldest first."""
    borne = borne_by_month(slice_)
    if not borne:
        return []
    months = months_borne(slice_)
    return [
        Booked(into, tuple(sorted(months[into])), pnl.cost, pnl.revenue)
        for column, pnl in sorted(borne.items())
        if (into := parse_month(column)) in months
    ]
