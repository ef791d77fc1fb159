"""Prices: cost never falls, is the sum of what each unit costs, and its parts lose nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from finops.core.amounts import exact_sum
from ingestion.core.price_rules import parse_tiers, tiers_text
from ingestion.core.pricing import (
    Price,
    Rounding,
    Tier,
    average_rate,
    cost,
    cost_of_share,
    decimal_of,
    marginal_rate,
)

AMOUNTS = st.decimals(min_value=0, max_value=1000, places=4)
BOUNDS = st.lists(st.integers(1, 40), unique=True, max_size=3).map(sorted)
QUANTITIES = st.integers(0, 10**12) | st.decimals(min_value=0, max_value=10**9, places=6)


@st.composite
def tiers_of(draw: st.DrawFn) -> tuple[Tier, ...]:
    return tuple(Tier(Decimal(bound), draw(AMOUNTS)) for bound in draw(BOUNDS))


@st.composite
def prices(draw: st.DrawFn, unit_sizes: tuple[int, ...] = (1, 10, 10**6, 2**30)) -> Price:
    return Price(
        provider="Cloudflare",
        meter="edge_bytes",
        unit="unit",
        unit_size=draw(st.sampled_from(unit_sizes)),
        unit_price=draw(AMOUNTS),
        tiers=draw(tiers_of()),
        included=Decimal(draw(st.integers(0, 30))),
        rounding=draw(st.sampled_from(Rounding)),
        monthly_fee=draw(AMOUNTS),
        minimum_charge=draw(AMOUNTS),
        valid_from=date(2026, 1, 1),
    )


@given(price=prices(), quantities=st.tuples(QUANTITIES, QUANTITIES))
def test_more_usage_never_costs_less(price, quantities):
    less, more = sorted(quantities)
    assert Decimal(0) <= cost(price, less) <= cost(price, more)


@given(price=prices((1, 10)), units=st.integers(0, 60))
def test_a_month_costs_what_its_units_cost_one_after_the_other(price, units):
    """The fee, and beyond the minimum the marginal rate of every unit: no unit is free or paid twice."""
    usage_only = replace(price, monthly_fee=Decimal(0), minimum_charge=Decimal(0))
    one_by_one = sum(
        (marginal_rate(usage_only, n * price.unit_size) * price.unit_size for n in range(units)),
        Fraction(0),
    )
    expected = Fraction(price.monthly_fee) + max(one_by_one, Fraction(price.minimum_charge))
    assert Fraction(cost(price, units * price.unit_size)) == expected


@given(price=prices(), quantity=QUANTITIES)
def test_the_average_rate_times_the_quantity_is_the_cost(price, quantity):
    rate = average_rate(price, quantity)
    if rate is None:
        assert quantity == 0
    else:
        assert rate * Fraction(quantity) == Fraction(cost(price, quantity))


@given(price=prices(), quantities=st.lists(QUANTITIES, min_size=1, max_size=8))
def test_shares_of_a_month_sum_to_its_cost_and_follow_usage(price, quantities):
    usage = dict(enumerate(quantities))
    shares = cost_of_share(price, usage)
    whole = cost(price, sum((Fraction(quantity) for quantity in quantities), Fraction(0)))
    assert exact_sum(shares.values()) == whole
    for one, other in zip(usage, list(usage)[1:], strict=False):
        if usage[one] > usage[other]:
            assert shares[one] >= shares[other]


@given(
    price=prices(),
    quantity=QUANTITIES,
    more=st.integers(1, 10**6),
)
def test_without_rounding_a_little_more_costs_no_more_than_the_dearest_rate(price, quantity, more):
    exact = replace(price, rounding=Rounding.EXACT, minimum_charge=Decimal(0))
    dearest = max([exact.unit_price, *(tier.unit_price for tier in exact.tiers)])
    before, after = cost(exact, quantity), cost(exact, quantity + more)
    assert Fraction(after) - Fraction(before) <= Fraction(dearest) * more / exact.unit_size


@given(value=st.decimals(allow_nan=False, allow_infinity=False, places=30, max_value=10**12))
def test_what_ends_stays_exact(value):
    assert decimal_of(Fraction(value)) == value


@given(value=st.fractions())
def test_what_never_ends_is_off_by_half_a_unit_of_the_lake_at_most(value):
    assert abs(Fraction(decimal_of(value)) - value) <= Fraction(1, 2 * 10**18)


@given(tiers=tiers_of())
def test_tiers_survive_their_text(tiers):
    assert parse_tiers(tiers_text(tiers)) == tiers
