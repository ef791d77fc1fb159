"""The P&L of a tenant: margins, bands of confidence, bounds and verdicts."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from allocation.core.pnl import (
    CostFact,
    Pnl,
    RevenueFact,
    UncertainFact,
    Verdict,
    add_pnls,
    build_pnls,
)

GOAL = Decimal("0.70")


def pnl(*costs: CostFact, revenue: str = "100", uncertain: tuple[UncertainFact, ...] = ()) -> Pnl:
    facts = build_pnls(
        costs, [RevenueFact("m", "acme", Decimal(revenue))], uncertain, below_line=["Tax"]
    )
    return facts["acme", "m"]


def cost(amount: str, category: str = "Usage", confidence: str = "1.00") -> CostFact:
    return CostFact("m", "acme", "Compute", category, Decimal(confidence), Decimal(amount))


def uncertain(amount: str, *candidates: str, category: str = "Usage") -> UncertainFact:
    return UncertainFact("m", candidates, category, Decimal(amount))


def test_margin_is_before_credits_with_tax_below_the_line():
    result = pnl(cost("30"), cost("-10", "Credit"), cost("5", "Tax"))
    assert result.cost == 30
    assert result.gross_profit == 70
    assert result.gross_margin == GOAL
    assert result.gross_profit_after_credits == 80
    assert result.margin_after_credits == Decimal("0.8")
    assert result.below_line == {"Tax": 5}


def test_refunds_and_purchases_are_cost():
    assert pnl(cost("30"), cost("-5", "Adjustment"), cost("3", "Purchase")).cost == 28


def test_cost_is_split_by_confidence():
    result = pnl(cost("10"), cost("5", confidence="0.80"), cost("1", confidence="0.30"))
    assert (result.firm, result.inferred, result.fallback) == (10, 5, 1)
    assert result.firm + result.inferred + result.fallback == result.cost


def test_a_tenant_that_is_no_candidate_has_bounds_without_width():
    result = pnl(cost("20"), uncertain=(uncertain("50", "globex"),))
    assert result.margin_low == result.margin_high == result.gross_margin


def test_uncertain_cost_widens_the_bounds_by_its_sign():
    result = pnl(cost("20"), uncertain=(uncertain("15", "acme", "globex"), uncertain("-5", "acme")))
    assert (result.margin_low, result.margin_high) == (Decimal("0.65"), Decimal("0.85"))


def test_uncertain_tax_and_credits_do_not_touch_the_bounds():
    result = pnl(
        cost("20"),
        uncertain=(
            uncertain("9", "acme", category="Tax"),
            uncertain("-9", "acme", category="Credit"),
        ),
    )
    assert result.margin_low == result.margin_high


def test_verdicts():
    assert pnl(cost("20")).verdict(GOAL) is Verdict.ABOVE
    assert pnl(cost("40")).verdict(GOAL) is Verdict.BELOW
    assert (
        pnl(cost("20"), uncertain=(uncertain("20", "acme"),)).verdict(GOAL) is Verdict.CANNOT_TELL
    )
    assert pnl(cost("20"), revenue="0").verdict(GOAL) is Verdict.NO_REVENUE
    assert pnl(cost("30")).verdict(GOAL) is Verdict.ABOVE
    assert pnl(cost("40")).verdict(Decimal("0.6")) is Verdict.ABOVE


def test_without_revenue_there_is_no_margin():
    assert pnl(cost("20"), revenue="0").gross_margin is None


def test_shared_cost_is_unknown_until_a_method_splits_it():
    assert pnl(cost("1")).shared is None
    assert add_pnls([Pnl(shared=Decimal(3)), Pnl()]).shared == 3


amounts = st.decimals("-1e6", "1e6", places=8)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["Usage", "Tax", "Credit"]), amounts)
    )
)
def test_columns_add_up_to_their_total(rows):
    facts = [
        CostFact(column, "acme", "Compute", category, Decimal(1), amount)
        for column, category, amount in rows
    ]
    columns = build_pnls(facts, [], [], below_line=["Tax"])
    total = add_pnls(columns.values())
    assert total.cost + total.credits + sum(total.below_line.values()) == sum(
        amount for _, _, amount in rows
    )
