"""What a month costs under a price: the vendors' own worked examples, to the cent, and the rules behind them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from finops.core.amounts import AmountError, exact_sum, to_cents
from ingestion.core.list_prices import AWS_GB, CLOUDFLARE_GB, LIST_PRICES, MILLION
from ingestion.core.meters import AWS, TSA
from ingestion.core.price_rules import problems_of
from ingestion.core.pricing import (
    Price,
    PriceError,
    Rounding,
    Tier,
    average_rate,
    cost,
    cost_of_share,
    marginal_rate,
    month_average,
    month_cost,
    split_cost,
)

LISTED = {price.meter: price for price in LIST_PRICES}

PLAIN = Price(
    provider="TSA",
    meter="tsa_tokens",
    unit="token",
    unit_size=1,
    unit_price=Decimal("0.5"),
    valid_from=date(2026, 1, 1),
    source="A contract.",
)


def total(usage: dict[str, int | Fraction]) -> Decimal:
    costs, problems = month_cost(LISTED, usage)
    assert problems == ()
    assert {cost.currency for cost in costs} == {"USD"}
    return exact_sum(cost.cost for cost in costs)


def workers(requests: int, cpu_ms: int) -> Decimal:
    """A month of Workers Paid with ``cpu_ms`` of CPU time per request."""
    return total(
        {
            "workers_plan": 0,
            "worker_requests": requests,
            "worker_cpu_us": requests * cpu_ms * 1000,
        }
    )


# --- the vendors' pages ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requests", "cpu_ms", "dollars"),
    [
        (15 * MILLION, 7, "8.00"),
        (3 * MILLION, 7, "5.00"),  # 80 % of 15 million are static assets, which are free
        (720, 180_000, "6.992"),  # the page rounds to 6.99
        (100 * MILLION, 7, "45.40"),
    ],
)
def test_workers_cost_what_the_examples_of_their_page_say(requests, cpu_ms, dollars):
    assert workers(requests, cpu_ms) == Decimal(dollars)


def test_the_hourly_cron_of_the_workers_page_is_shown_as_6_99():
    assert to_cents(workers(720, 180_000)) == Decimal("6.99")


def test_r2_standard_costs_what_its_example_says():
    peaks = [1000 * CLOUDFLARE_GB] * 30
    assert total(
        {
            "r2_stored_bytes": month_average(peaks, 30),
            "r2_class_a": 1_000,
            "r2_class_b": 1_000_000,
            "r2_egress_bytes": 1_000_000 * CLOUDFLARE_GB,
        }
    ) == Decimal("14.85")


def test_r2_infrequent_access_costs_what_its_example_says():
    """The bill takes 30 days of storage for what was deleted after 5; a started million is a million."""
    parts, _ = month_cost(
        LISTED,
        {
            "r2_ia_stored_bytes": 1_000 * CLOUDFLARE_GB,
            "r2_ia_class_a": 1_000,
            "r2_ia_class_b": 1_000_000,
            "r2_ia_retrieved_bytes": 1_000 * CLOUDFLARE_GB,
        },
    )
    assert [part.cost for part in parts] == [
        Decimal("10.00"),
        Decimal("9.00"),
        Decimal("0.90"),
        Decimal("10.00"),
    ]
    assert exact_sum(part.cost for part in parts) == Decimal("29.90")


def test_asset_hosting_on_r2_costs_what_its_example_says():
    assert total(
        {
            "r2_stored_bytes": month_average([100_000 * 100_000] * 30, 30),
            "r2_class_a": 100_000,
            "r2_class_b": 10_000_000 * 30,
        }
    ) == Decimal("104.40")


def test_logpush_costs_what_its_example_says():
    assert total(
        {
            "logpush_internal_bytes": 40 * CLOUDFLARE_GB,
            "logpush_external_bytes": 60 * CLOUDFLARE_GB,
            "logpush_transformed_bytes": 5 * CLOUDFLARE_GB,
        }
    ) == Decimal("4.11")


@pytest.mark.parametrize(
    ("meter", "quantity", "dollars"),
    [
        ("r2_class_a", 2 * MILLION + 1, "9.00"),
        ("r2_ia_class_a", 1_000_001, "18.00"),
        ("r2_ia_stored_bytes", 11 * CLOUDFLARE_GB // 10, "0.02"),
        ("r2_ia_retrieved_bytes", 11 * CLOUDFLARE_GB // 10, "0.02"),
    ],
)
def test_r2_rounds_usage_up_to_the_next_billing_unit(meter, quantity, dollars):
    assert cost(LISTED[meter], quantity) == Decimal(dollars)


def test_a_byte_month_is_the_average_of_daily_peaks_as_r2_computes_it():
    average = month_average([1] * 5 + [3] * 25, 30)
    assert average == Fraction(8, 3)  # the page cuts it to 2.66
    ia = LISTED["r2_ia_stored_bytes"]
    assert cost(ia, average * CLOUDFLARE_GB) == Decimal("0.03")
    with pytest.raises(PriceError, match="31 days do not fit"):
        month_average([1] * 31, 30)


@pytest.mark.parametrize(
    ("gigabytes", "dollars"),
    [
        (100, "0"),
        (101, "0.09"),
        (100 + 10 * 1024, "921.60"),
        (100 + 10 * 1024 + 1, "921.685"),
        (100 + 50 * 1024, "4403.20"),
        (100 + 150 * 1024, "11571.20"),
        (100 + 151 * 1024, "11622.40"),
    ],
)
def test_aws_egress_is_free_to_100_gb_and_then_falls_in_tiers(gigabytes, dollars):
    assert cost(LISTED["egress_bytes"], gigabytes * AWS_GB) == Decimal(dollars)


def test_a_byte_costs_its_exact_part_of_a_gigabyte():
    last = cost(LISTED["egress_bytes"], 100 * AWS_GB + 1)
    assert last * AWS_GB == Decimal("0.09")


# --- the rules ---------------------------------------------------------------------------------------


def test_a_commitment_is_a_fee_with_its_quantity_and_a_token_below_it_saves_nothing():
    commitment = replace(PLAIN, monthly_fee=Decimal(400), included=Decimal(1000))
    assert cost(commitment, 0) == cost(commitment, 1000) == Decimal(400)
    assert cost(commitment, 1001) == Decimal("400.5")
    assert marginal_rate(commitment, 999) == 0
    assert marginal_rate(commitment, 1000) == Fraction(1, 2)
    assert average_rate(commitment, 800) == Fraction(1, 2)


def test_a_minimum_is_paid_until_usage_costs_more():
    minimum = replace(PLAIN, minimum_charge=Decimal(10))
    assert [cost(minimum, tokens) for tokens in (0, 19, 20, 21)] == [10, 10, 10, Decimal("10.5")]
    assert [marginal_rate(minimum, tokens) for tokens in (0, 19)] == [0, 0]
    assert marginal_rate(minimum, 20) == Fraction(1, 2)


def test_the_marginal_rate_is_that_of_the_tier_of_the_next_unit():
    egress = LISTED["egress_bytes"]
    rates = [marginal_rate(egress, gigabytes * AWS_GB) * AWS_GB for gigabytes in (99, 100, 10340)]
    assert rates == [0, Fraction("0.09"), Fraction("0.085")]


def test_the_marginal_rate_leaves_rounding_aside():
    class_b = LISTED["r2_ia_class_b"]
    assert cost(class_b, 10) == cost(class_b, 11)
    assert marginal_rate(class_b, 10) * MILLION == Fraction("0.90")


def test_the_fee_of_a_plan_is_due_where_nothing_was_used():
    (plan,), _ = month_cost(LISTED, {"workers_plan": 0})
    assert plan.cost == Decimal(5)


def test_nothing_used_has_no_average_rate():
    assert average_rate(LISTED["workers_plan"], 0) is None
    assert average_rate(LISTED["worker_requests"], 5 * MILLION) == 0


def test_a_month_is_split_at_the_average_rate_to_the_last_digit():
    """15 million requests cost 1.50: whoever made them shares the included ones by what it used."""
    usage = {"acme": 10 * MILLION, "globex": 5 * MILLION, "idle": 0}
    shares = cost_of_share(LISTED["worker_requests"], usage)
    assert shares == {"acme": Decimal(1), "globex": Decimal("0.5"), "idle": 0}
    thirds = cost_of_share(
        replace(PLAIN, unit_price=Decimal(1)), dict.fromkeys("abc", Fraction(1, 3))
    )
    assert sum(thirds.values()) == 1
    assert max(thirds.values()) - min(thirds.values()) == Decimal("1E-18")


def test_a_fee_for_nothing_is_shared_evenly_and_never_lost():
    fee = replace(PLAIN, monthly_fee=Decimal(5))
    assert cost_of_share(fee, {"acme": 0, "globex": 0}) == {
        "acme": Decimal("2.5"),
        "globex": Decimal("2.5"),
    }
    with pytest.raises(AmountError):
        cost_of_share(fee, {})


def test_a_cost_finer_than_the_lake_is_split_without_a_rest():
    parts = split_cost(Decimal("1E-30"), {"acme": 1, "globex": 2})
    assert exact_sum(parts.values()) == Decimal("1E-30")


def test_a_cost_that_never_ends_is_rounded_at_the_18th_decimal():
    third = replace(PLAIN, unit="3 tokens", unit_size=3, unit_price=Decimal(1))
    assert cost(third, 1) == Decimal("0.333333333333333333")
    assert cost(third, 3) == 1


def test_a_meter_without_a_price_is_named_and_not_taken_for_free():
    costs, problems = month_cost({}, {"edge_bytes": 1})
    assert costs == ()
    assert problems == ("edge_bytes has no price: add one to the price list.",)


@pytest.mark.parametrize(
    "quantity", [-1, Decimal("-0.1"), Decimal("NaN"), Decimal("Infinity"), 0.5]
)
def test_what_is_no_quantity_is_refused(quantity):
    with pytest.raises(PriceError):
        cost(PLAIN, quantity)


def test_tiers_count_what_is_beyond_the_included_quantity():
    price = replace(PLAIN, included=Decimal(10), tiers=(Tier(Decimal(5), Decimal("0.1")),))
    assert cost(price, 15) == Decimal("2.5")
    assert cost(price, 16) == Decimal("2.6")


def test_rounding_up_comes_before_what_is_included():
    price = replace(
        PLAIN, unit="thousand", unit_size=1000, included=Decimal("0.5"), rounding=Rounding.UP
    )
    assert cost(price, 1) == Decimal("0.25")


@pytest.mark.parametrize("price", LIST_PRICES, ids=lambda price: price.meter)
def test_every_list_price_is_one_that_the_list_itself_would_take(price):
    assert problems_of(price) == []
    second_hand = price.source.startswith("Second-hand, not ")
    assert second_hand == (price.provider in {AWS, TSA})
    assert second_hand or price.source.startswith("https://developers.cloudflare.com/")
    assert price.source_read_on is not None


def test_no_meter_is_listed_twice():
    assert len(LISTED) == len(LIST_PRICES)
