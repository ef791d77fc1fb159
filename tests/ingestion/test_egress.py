"""Egress in money: one gigabyte from S3 through Cloudflare to an eyeball is paid once."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.core.amounts import exact_sum
from ingestion.core.egress import Origin, OriginKind, Rate, egress_costs
from ingestion.core.list_prices import AWS_GB, CLOUDFLARE_GB, LIST_PRICES, edge_price
from ingestion.core.pricing import average_rate, cost, marginal_rate
from ingestion.core.usage import UsageFact

HOUR = datetime(2026, 11, 1, 5, tzinfo=UTC)
EGRESS = next(price for price in LIST_PRICES if price.meter == "egress_bytes")
BEYOND_FREE = Rate(marginal_rate(EGRESS, 200 * AWS_GB), "USD")
NO_CONTRACT = Rate(marginal_rate(edge_price(Decimal(0), date(2026, 1, 1)), 0), "USD")
ORIGINS = {
    "assets.acme.example": Origin(OriginKind.AWS, BEYOND_FREE),
    "media.acme.example": Origin(OriginKind.R2),
    "old.acme.example": Origin(OriginKind.OTHER),
}


def fact(metric: str, quantity: int | str, host: str = "assets.acme.example", path: str = "/img"):
    return UsageFact(
        hour=HOUR, metric=metric, quantity=Decimal(quantity), host=host, path_prefix=path
    )


def costs_of(*facts, edge_rate=NO_CONTRACT):
    lines, unpriced = egress_costs(facts, origins=ORIGINS, edge_rate=edge_rate)
    return {(line.provider, line.meter): line.cost for line in lines}, unpriced


def test_a_gigabyte_from_s3_through_cloudflare_to_an_eyeball_is_paid_once():
    costs, unpriced = costs_of(fact("origin_bytes", AWS_GB), fact("edge_bytes", AWS_GB))
    assert costs == {
        ("Amazon Web Services", "egress_bytes"): Decimal("0.09"),
        ("Cloudflare", "edge_bytes"): 0,
    }
    assert unpriced == []


def test_a_cache_hit_costs_nothing():
    costs, _ = costs_of(fact("cache_bytes", AWS_GB), fact("edge_bytes", AWS_GB))
    assert exact_sum(costs.values()) == 0


def test_other_views_of_the_same_bytes_cost_nothing_again():
    seen = [fact("origin_bytes", AWS_GB), fact("edge_bytes", AWS_GB)]
    again = [fact("cache_bytes", AWS_GB), fact("zone_edge_bytes", AWS_GB), fact("requests", 7)]
    contract = Rate(Fraction(1, 100) / CLOUDFLARE_GB, "USD")
    assert costs_of(*seen, *again, edge_rate=contract) == costs_of(*seen, edge_rate=contract)


def test_a_contract_prices_the_edge_beside_the_origin():
    contract = edge_price(Decimal("0.01"), date(2026, 1, 1))
    rate = Rate(marginal_rate(contract, 0), contract.currency)
    costs, _ = costs_of(
        fact("origin_bytes", AWS_GB), fact("edge_bytes", CLOUDFLARE_GB), edge_rate=rate
    )
    assert costs[("Amazon Web Services", "egress_bytes")] == Decimal("0.09")
    assert costs[("Cloudflare", "edge_bytes")] == Decimal("0.01")


def test_what_leaves_r2_is_counted_and_free():
    lines, unpriced = egress_costs(
        [fact("origin_bytes", AWS_GB, "media.acme.example")], origins=ORIGINS, edge_rate=NO_CONTRACT
    )
    assert [(line.provider, line.meter, line.quantity, line.cost) for line in lines] == [
        ("Cloudflare", "r2_egress_bytes", AWS_GB, 0)
    ]
    assert unpriced == []


@pytest.mark.parametrize("host", ["old.acme.example", "nobody-named-it.example"])
def test_an_origin_without_a_price_is_told_with_its_bytes_and_not_taken_for_free(host):
    costs, unpriced = costs_of(fact("origin_bytes", 5, host), fact("origin_bytes", 7, host))
    assert costs == {}
    assert [(entry.host, entry.quantity) for entry in unpriced] == [(host, 12)]
    assert unpriced[0].sentence == (
        f"12 bytes left the origin of {host}, which has no price here: "
        "say where it is and what it costs."
    )


def test_aws_without_a_rate_is_not_taken_for_free():
    origins = {"assets.acme.example": Origin(OriginKind.AWS)}
    lines, unpriced = egress_costs(
        [fact("origin_bytes", 1)], origins=origins, edge_rate=NO_CONTRACT
    )
    assert lines == []
    assert [entry.quantity for entry in unpriced] == [1]


def test_egress_can_be_keyed_by_whom_it_belongs_to():
    tenants = {"/img": "acme", "/dl": "globex"}
    lines, _ = egress_costs(
        [fact("origin_bytes", AWS_GB), fact("origin_bytes", 3 * AWS_GB, path="/dl")],
        origins=ORIGINS,
        edge_rate=NO_CONTRACT,
        key=lambda it: (tenants[it.path_prefix],),
    )
    assert {line.key: line.cost for line in lines} == {
        ("acme",): Decimal("0.09"),
        ("globex",): Decimal("0.27"),
    }


@given(
    paths=st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(0, 10**13)), min_size=1, max_size=20
    ),
    order=st.randoms(use_true_random=False),
)
def test_a_month_of_egress_sums_to_its_tiered_cost_in_any_order(paths, order):
    """At the average rate of the month the keys share exactly what AWS charges for all of it."""
    bytes_out = sum(quantity for _path, quantity in paths)
    rate = Rate(average_rate(EGRESS, bytes_out) or Fraction(0), "USD")
    origins = {"assets.acme.example": Origin(OriginKind.AWS, rate)}
    facts = [fact("origin_bytes", quantity, path=path) for path, quantity in paths]
    lines, _ = egress_costs(facts, origins=origins, edge_rate=NO_CONTRACT)
    assert exact_sum(line.cost for line in lines) == cost(EGRESS, bytes_out)
    order.shuffle(facts)
    assert egress_costs(facts, origins=origins, edge_rate=NO_CONTRACT)[0] == lines
