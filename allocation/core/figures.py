"""The figures that reads hand to pages, commands and the API: plain frozen data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from allocation.core.pnl import Pnl
from finops.core.amounts import EXACT, exact_sum
from finops.core.periods import Window

Metric = Literal["effective", "billed"]
Granularity = Literal["day", "month"]
Basis = Literal["restated", "reported"]


@dataclass(frozen=True)
class Slice:
    """What a page is about. ``tenants`` are slugs; ``None`` is the whole company, unallocated too.

    ``as_of`` asks for the bills as they were known at that moment; ``None`` is now. On the ``basis`` "reported"
    closed months stand as they were closed, and what became known since is borne by the month it was booked in.
    ``environments`` and ``sources`` (ids) narrow it to any of these; empty is all.
    """

    window: Window
    tenants: tuple[str, ...] | None = None
    metric: Metric = "effective"
    provider: str = ""
    environment: str = ""
    product: str = ""
    team: str = ""
    currency: str = "USD"
    as_of: datetime | None = None
    basis: Basis = "restated"
    environments: tuple[str, ...] = ()
    sources: tuple[int, ...] = ()

    @property
    def cost_field(self) -> str:
        """The ledger column of the metric."""
        return f"{self.metric}_cost"

    @property
    def is_detailed(self) -> bool:
        """Whether it filters by something that only the full ledger holds."""
        return bool(
            self.environment or self.product or self.team or self.environments or self.sources
        )


@dataclass(frozen=True)
class StatementColumn:
    """One month or day of a statement; ``complete`` is false where data is still to come.

    ``last_day`` is then the last day whose data is whole, or ``None`` where there is none yet.
    """

    key: str
    label: str
    window: Window
    complete: bool
    last_day: date | None
    pnl: Pnl


@dataclass(frozen=True)
class Statement:
    """A tenant's P&L over a window, by column, in total, and for the window before."""

    columns: tuple[StatementColumn, ...]
    total: Pnl
    previous: Pnl


@dataclass(frozen=True)
class ServiceRow:
    """Cost of one service under one rule."""

    service_name: str
    charge_category: str
    method: str
    confidence: Decimal
    billed_cost: Decimal
    effective_cost: Decimal
    list_cost: Decimal | None
    consumed_quantity: Decimal | None
    consumed_unit: str
    lines: int
    is_estimated: bool = False


@dataclass(frozen=True)
class UntaggedResource:
    """Cost that would settle a tenant's bounds; an empty ``resource_id`` is the account's rest."""

    resource_id: str
    sub_account_id: str
    service_name: str
    amount: Decimal


@dataclass(frozen=True)
class FilterChoices:
    """What the filters of a page may be set to."""

    providers: tuple[str, ...]
    environments: tuple[str, ...]
    products: tuple[str, ...]
    teams: tuple[str, ...]


@dataclass(frozen=True)
class ReconciliationRow:
    """One source, billing period and currency, on billed cost; exact to the source's last digit.

    ``kind`` is that of its ledger rows: billed, true-up or estimated; ``source_kind`` names the reader.
    """

    source: str
    source_name: str
    billing_period: date
    currency: str
    source_total: Decimal
    ingested: Decimal
    rejected: Decimal
    allocated: Decimal
    unallocated: Decimal
    residuals: dict[str, Decimal]
    lines: int
    rejected_lines: int
    kind: str = "billed"
    provider: str = ""
    source_kind: str = ""

    @property
    def residual_total(self) -> Decimal:
        """All named residuals together."""
        return exact_sum(self.residuals.values())

    @property
    def difference(self) -> Decimal:
        """What of the source total is neither rejected, allocated, unallocated nor named: zero."""
        rest = self.source_total
        for amount in (self.rejected, self.allocated, self.unallocated, self.residual_total):
            rest = EXACT.subtract(rest, amount)
        return rest
