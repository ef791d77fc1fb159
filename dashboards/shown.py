"""A P&L as it is shown: cents that add up, and em dashes where a figure cannot be given. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from allocation.core.pnl import Pnl, Verdict
from dashboards.numbers import listed, money, share_of
from dashboards.tables import Cell, Mix
from finops.core.amounts import EXACT, ZERO, exact_sum, foot, to_cents

NO_REVENUE = "no revenue is recognised in these days"
NO_SPLIT = "no method splits shared cost yet"


@dataclass(frozen=True)
class Shown:
    """Amounts in cents; ``None`` where ``reason`` says why there is none.

    Revenue and cost are rounded once from their exact values, so they are the same on every page;
    the parts of the cost foot to it, and profits are differences of what is shown.
    """

    revenue: Decimal | None
    direct: Mapping[str, Decimal]
    shared: Decimal | None
    cost: Decimal
    gross_profit: Decimal | None
    credits: Decimal
    after_credits: Decimal | None
    below_line: Mapping[str, Decimal]
    estimated: Decimal
    margin: Decimal | None
    margin_low: Decimal | None
    margin_high: Decimal | None
    margin_after_credits: Decimal | None
    reason: str

    @property
    def has_bounds(self) -> bool:
        """Whether uncertain cost makes the margin a range."""
        return self.margin_low != self.margin_high


def narrowed_reason(names: Iterable[str]) -> str:
    """Why there is no revenue under a filter that only cost has; empty without such a filter."""
    named = listed(list(names))
    return f"revenue is not split by {named}" if named else ""


def shown(pnl: Pnl, narrowed: str = "", gap: str = "") -> Shown:
    """``pnl`` in cents; ``narrowed`` is the reason why revenue cannot stand beside this cost.

    ``gap`` says which bills are missing: then there is no profit, because cost is missing, not zero.
    """
    cost = to_cents(pnl.cost)
    credits_ = to_cents(pnl.credits)
    lines = list(pnl.direct.values()) + ([] if pnl.shared is None else [pnl.shared])
    parts = foot(lines)
    below = foot(list(pnl.below_line.values()))
    earned = to_cents(pnl.revenue)
    profit = None if narrowed or gap else EXACT.subtract(earned, cost)
    unknown = bool(narrowed or gap) or pnl.revenue <= 0
    return Shown(
        revenue=None if narrowed or not pnl.revenue else earned,
        direct=dict(zip(pnl.direct, parts, strict=False)),
        shared=None if pnl.shared is None else parts[-1],
        cost=cost,
        gross_profit=profit,
        credits=credits_,
        after_credits=None if profit is None else EXACT.subtract(profit, credits_),
        below_line=dict(zip(pnl.below_line, below, strict=True)),
        estimated=to_cents(pnl.estimated),
        margin=None if unknown else pnl.gross_margin,
        margin_low=None if unknown else pnl.margin_low,
        margin_high=None if unknown else pnl.margin_high,
        margin_after_credits=None if unknown else pnl.margin_after_credits,
        reason=narrowed or gap or (NO_REVENUE if pnl.revenue <= 0 else ""),
    )


def estimated_words(figures: Shown, currency: str) -> str:
    """How much of the cost no bill holds yet, as a sentence to go on with; empty where there is none."""
    if not figures.estimated:
        return ""
    return f" Of the cost {money(figures.estimated)} {currency} is estimated from usage, beyond the bills."


def is_empty(pnl: Pnl) -> bool:
    """Whether nothing at all was earned or spent, as for days that no delivery covers."""
    return not (pnl.revenue or pnl.direct or pnl.credits or pnl.below_line or pnl.shared)


def mix(pnl: Pnl) -> Mix | None:
    """How sure the allocation of the cost is; ``None`` where there is no cost, or not only positive cost."""
    bands = (pnl.firm, pnl.inferred, pnl.fallback)
    total = exact_sum(bands)
    if total <= ZERO or min(bands) < ZERO:
        return None
    firm, inferred, fallback = (share_of(part, total) or ZERO for part in bands)
    return Mix(firm, inferred, fallback)


VERDICT_WORDS: dict[Verdict, str] = {
    Verdict.ABOVE: "▲ above goal",
    Verdict.BELOW: "▼ below goal",
    Verdict.CANNOT_TELL: "◆ cannot tell yet",
    Verdict.NO_REVENUE: "no revenue",
}


def verdict_cell(pnl: Pnl, goal: Decimal, narrowed: str = "") -> Cell:
    """The verdict in words with its glyph; never by colour alone."""
    if narrowed:
        return Cell(reason=narrowed)
    verdict = pnl.verdict(goal)
    if verdict is Verdict.NO_REVENUE:
        return Cell(reason=NO_REVENUE)
    tone = {Verdict.BELOW: "danger", Verdict.CANNOT_TELL: "warning"}.get(verdict, "")
    return Cell(VERDICT_WORDS[verdict], tone=tone)  # type: ignore[arg-type]  # one of Tone by the dict


def missing_profit(pnl: Pnl, goal: Decimal) -> Decimal:
    """The gross profit that is missing to reach ``goal``; negative where there is more than enough."""
    return EXACT.subtract(EXACT.multiply(goal, pnl.revenue), pnl.gross_profit)
