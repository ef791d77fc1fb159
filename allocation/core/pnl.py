"""Profit and loss of a tenant: revenue, cost by band of confidence, margin and its bounds. Pure.

Conventions (ARCHITECTURE, decisions on money):

* cost is effective cost net of discounts; credits stand beside it: the margin *before* credits is
  what the goal is held against, the margin after credits is shown next to it;
* charge categories named *below the line* (tax by default) stand under the margin;
* the bounds come from uncertain cost: cost that no rule could give to a tenant and for which this
  tenant is a candidate, because it has certain cost in the same account. Low is certain cost only
  plus the negative uncertain lines, high adds the positive ones. They are bounds by reassignment,
  not a statistical interval, and have no width where the tenant is in no candidate set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from finops.core.amounts import EXACT, ZERO, exact_sum, ratio
from finops.core.focus import ChargeCategory

FIRM_FROM = Decimal("1.00")
INFERRED_FROM = Decimal("0.50")
NON_PRODUCTION = "Non-production"
"""Stands below the line in place of a charge category: cost of environments that serve no customer."""


class Verdict(StrEnum):
    """What can be said of a margin against its goal."""

    ABOVE = "above"
    BELOW = "below"
    CANNOT_TELL = "cannot tell yet"
    NO_REVENUE = "no revenue"


@dataclass(frozen=True)
class CostFact:
    """One amount of cost: ``column`` is the statement column (a day or a month), tenant a slug."""

    column: str
    tenant: str | None
    service_category: str
    charge_category: str
    confidence: Decimal
    amount: Decimal
    is_estimated: bool = False


@dataclass(frozen=True)
class RevenueFact:
    """One amount of recognised revenue."""

    column: str
    tenant: str | None
    amount: Decimal


@dataclass(frozen=True)
class UncertainFact:
    """Cost that nobody bears yet, in an account whose candidate tenants are named."""

    column: str
    candidates: Collection[str]
    charge_category: str
    amount: Decimal


@dataclass(frozen=True)
class Pnl:
    """One column of a statement. All amounts in one currency; costs positive, credits negative."""

    revenue: Decimal = ZERO
    direct: Mapping[str, Decimal] = field(default_factory=dict)
    """Service category → cost that rules gave to the tenant."""
    shared: Decimal | None = None
    """Share of pools; ``None`` where no method splits pools, which is not the same as zero."""
    credits: Decimal = ZERO
    below_line: Mapping[str, Decimal] = field(default_factory=dict)
    firm: Decimal = ZERO
    inferred: Decimal = ZERO
    fallback: Decimal = ZERO
    uncertain_low: Decimal = ZERO
    uncertain_high: Decimal = ZERO
    estimated: Decimal = ZERO
    """What of the cost is no bill's yet, but estimated from usage."""

    @property
    def cost(self) -> Decimal:
        """Cost of revenue, before credits and without what stands below the line."""
        return EXACT.add(exact_sum(self.direct.values()), self.shared or ZERO)

    @property
    def gross_profit(self) -> Decimal:
        """Revenue less cost, before credits."""
        return EXACT.subtract(self.revenue, self.cost)

    @property
    def gross_margin(self) -> Decimal | None:
        """Gross profit as a share of revenue, or ``None`` where there is no revenue."""
        return self._margin(self.cost)

    @property
    def gross_profit_after_credits(self) -> Decimal:
        """Gross profit with credits (negative cost) counted."""
        return EXACT.subtract(self.gross_profit, self.credits)

    @property
    def margin_after_credits(self) -> Decimal | None:
        """Gross margin with credits counted."""
        return self._margin(EXACT.add(self.cost, self.credits))

    @property
    def margin_low(self) -> Decimal | None:
        """The margin if every positive uncertain line were this tenant's."""
        return self._margin(EXACT.add(self.cost, self.uncertain_high))

    @property
    def margin_high(self) -> Decimal | None:
        """The margin if only the certain lines (and the negative uncertain ones) were."""
        return self._margin(EXACT.add(self.cost, self.uncertain_low))

    def verdict(self, goal: Decimal) -> Verdict:
        """Whether the margin is above ``goal``, below it, or the bounds straddle it."""
        if self.revenue <= 0:
            return Verdict.NO_REVENUE
        # In money, not as a rounded ratio: the last unit decides.
        room = EXACT.subtract(self.gross_profit, EXACT.multiply(goal, self.revenue))
        if room >= self.uncertain_high:
            return Verdict.ABOVE
        return Verdict.BELOW if room < self.uncertain_low else Verdict.CANNOT_TELL

    def _margin(self, cost: Decimal) -> Decimal | None:
        if self.revenue <= 0:
            return None
        return ratio(EXACT.subtract(self.revenue, cost), self.revenue)


def band(confidence: Decimal) -> str:
    """``firm``, ``inferred`` or ``fallback``: the field of ``Pnl`` that a confidence counts into."""
    if confidence >= FIRM_FROM:
        return "firm"
    return "inferred" if confidence >= INFERRED_FROM else "fallback"


class _Column:
    """Sums of one column while the facts stream past."""

    def __init__(self) -> None:
        self.revenue = ZERO
        self.direct: dict[str, Decimal] = defaultdict(Decimal)
        self.credits = ZERO
        self.below_line: dict[str, Decimal] = defaultdict(Decimal)
        self.bands: dict[str, Decimal] = defaultdict(Decimal)
        self.uncertain_low = ZERO
        self.uncertain_high = ZERO
        self.estimated = ZERO
        self.moved: set[str] = set()
        """Service categories of which cost stands below the line."""

    def freeze(self) -> Pnl:
        return Pnl(
            revenue=self.revenue,
            direct={
                name: amount
                for name, amount in sorted(self.direct.items())
                if amount or name not in self.moved
            },
            credits=self.credits,
            below_line=dict(sorted(self.below_line.items())),
            firm=self.bands["firm"],
            inferred=self.bands["inferred"],
            fallback=self.bands["fallback"],
            uncertain_low=self.uncertain_low,
            uncertain_high=self.uncertain_high,
            estimated=self.estimated,
        )


def build_pnls(
    costs: Iterable[CostFact],
    revenue: Iterable[RevenueFact],
    uncertain: Iterable[UncertainFact],
    *,
    below_line: Collection[str],
) -> dict[tuple[str | None, str], Pnl]:
    """The P&L of each tenant and column: ``{(slug, column): Pnl}``.

    Cost that no tenant bears comes back under the slug ``None``. ``below_line`` names the charge
    categories that stand under the margin.
    """
    columns: dict[tuple[str | None, str], _Column] = defaultdict(_Column)
    for cost in costs:
        into = columns[cost.tenant, cost.column]
        if cost.charge_category in below_line:
            if cost.charge_category == NON_PRODUCTION:
                into.moved.add(cost.service_category)
            into.below_line[cost.charge_category] = EXACT.add(
                into.below_line[cost.charge_category], cost.amount
            )
        elif cost.charge_category == ChargeCategory.CREDIT:
            into.credits = EXACT.add(into.credits, cost.amount)
        else:
            into.direct[cost.service_category] = EXACT.add(
                into.direct[cost.service_category], cost.amount
            )
            name = band(cost.confidence)
            into.bands[name] = EXACT.add(into.bands[name], cost.amount)
            if cost.is_estimated:
                into.estimated = EXACT.add(into.estimated, cost.amount)
    for part in revenue:
        into = columns[part.tenant, part.column]
        into.revenue = EXACT.add(into.revenue, part.amount)
    for fact in uncertain:
        if fact.charge_category in below_line or fact.charge_category == ChargeCategory.CREDIT:
            continue
        for tenant in fact.candidates:
            into = columns[tenant, fact.column]
            if fact.amount < 0:
                into.uncertain_low = EXACT.add(into.uncertain_low, fact.amount)
            else:
                into.uncertain_high = EXACT.add(into.uncertain_high, fact.amount)
    return {key: column.freeze() for key, column in columns.items()}


def add_pnls(pnls: Iterable[Pnl]) -> Pnl:
    """The sum of several columns: a total column, or the company from its tenants."""
    into = _Column()
    shared: Decimal | None = None
    for pnl in pnls:
        into.revenue = EXACT.add(into.revenue, pnl.revenue)
        into.credits = EXACT.add(into.credits, pnl.credits)
        for name, amount in pnl.direct.items():
            into.direct[name] = EXACT.add(into.direct[name], amount)
        for name, amount in pnl.below_line.items():
            into.below_line[name] = EXACT.add(into.below_line[name], amount)
        for name in ("firm", "inferred", "fallback"):
            into.bands[name] = EXACT.add(into.bands[name], getattr(pnl, name))
        into.uncertain_low = EXACT.add(into.uncertain_low, pnl.uncertain_low)
        into.uncertain_high = EXACT.add(into.uncertain_high, pnl.uncertain_high)
        into.estimated = EXACT.add(into.estimated, pnl.estimated)
        if pnl.shared is not None:
            shared = EXACT.add(shared or ZERO, pnl.shared)
    total = into.freeze()
    if shared is None:
        return total
    return Pnl(**{**total.__dict__, "shared": shared})
