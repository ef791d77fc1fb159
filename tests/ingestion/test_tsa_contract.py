"""Contracts: exact answers worked out by hand, months that add up to the whole, versions that stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.core.amounts import exact_sum
from finops.core.periods import add_months
from ingestion.core.meters import TSA
from ingestion.core.pricing import Tier, cost
from ingestion.core.tsa_contract import (
    METER,
    Contract,
    by_tenant,
    month_price,
    month_to_date_cost,
    problems_of_contract,
    utilisation,
    value_of_saving,
)
from ingestion.prices import price_at, price_list
from ingestion.tsa_contracts import ContractRefusedError, contract_price, write_contract
from ingestion.tsa_models import TsaContract
from tests.ingestion.stamps import record, take

JANUARY, APRIL, MAY = date(2026, 1, 1), date(2026, 4, 1), date(2026, 5, 1)
MONTH = Contract(
    name="April",
    valid_from=APRIL,
    valid_until=MAY,
    commitment=1000,
    fee=Decimal(100),
    overage_price=Decimal("0.12"),
    tiers=(Tier(Decimal(500), Decimal("0.05")),),
)
YEAR = replace(
    MONTH,
    name="Year",
    valid_from=JANUARY,
    valid_until=date(2027, 1, 1),
    commitment=3650,
    fee=Decimal(365),
)


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 4, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tokens", "now", "expected", "share"),
    [
        (500, at(16), Fraction(500), Fraction(1)),
        (250, at(16), Fraction(500), Fraction(1, 2)),
        (600, at(16, 12), Fraction(1000 * 31, 60), Fraction(36, 31)),
        (1200, datetime(2026, 7, 1, tzinfo=UTC), Fraction(1000), Fraction(6, 5)),
        (0, datetime(2026, 1, 1, tzinfo=UTC), Fraction(0), None),
    ],
)
def test_utilisation_is_tokens_by_the_commitment_prorated_to_now(tokens, now, expected, share):
    found = utilisation(MONTH, tokens, now)
    assert (found.expected, found.share) == (expected, share)
    assert found.used == Fraction(tokens, 1000)


@pytest.mark.parametrize(
    ("tokens", "amount", "saved"),
    [
        (0, "100", 0),
        (999, "100", 0),
        (1000, "100", 0),
        (1001, "100.12", Fraction(12, 100)),
        (1500, "160", Fraction(12, 100)),
        (1600, "165", Fraction(5, 100)),
    ],
)
def test_a_month_costs_its_fee_and_what_lies_beyond_the_commitment(tokens, amount, saved):
    price = month_price(MONTH, APRIL, 0)
    assert cost(price, tokens) == Decimal(amount)
    assert value_of_saving(price, tokens) == saved


def test_a_month_of_a_year_bears_its_days_and_has_what_is_left_of_the_commitment():
    price = month_price(YEAR, APRIL, 3000)
    assert (price.monthly_fee, price.included) == (Decimal(30), Decimal(650))
    used_up = month_price(YEAR, APRIL, 4000)
    assert used_up.included == 0
    assert used_up.unit_price == Decimal("0.12")
    assert used_up.tiers == (Tier(Decimal(150), Decimal("0.05")),)
    beyond = month_price(YEAR, APRIL, 4200)
    assert (beyond.unit_price, beyond.tiers) == (Decimal("0.05"), ())


@given(
    st.lists(st.integers(0, 900), min_size=12, max_size=12),
    st.decimals(0, 10_000, places=8),
    st.integers(0, 5000),
)
def test_months_add_up_to_the_whole(tokens, fee, commitment):
    contract = replace(YEAR, fee=fee, commitment=commitment)
    total, before = Decimal(0), 0
    for place, count in enumerate(tokens):
        total += cost(month_price(contract, add_months(JANUARY, place), before), count)
        before += count
    assert total == cost(contract.whole, sum(tokens))


def test_an_open_month_costs_at_the_average_rate_that_it_is_expected_to_end_with():
    price = month_price(MONTH, APRIL, 0)
    assert month_to_date_cost(price, 600, 1500) == Decimal(64)
    assert month_to_date_cost(price, 1500, 1500) == Decimal(160)
    assert month_to_date_cost(price, 1500, 100) == Decimal(160)


@given(st.decimals(0, 10**6, places=8), st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
def test_the_parts_of_tenants_add_up_to_the_cost(amount, counts):
    parts = by_tenant(amount, {str(place): count for place, count in enumerate(counts)})
    assert exact_sum(parts.values()) == (amount if any(counts) else 0)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": " "}, "name"),
        ({"valid_until": APRIL}, "valid_until"),
        ({"valid_from": date(2026, 3, 2)}, "valid_from"),
        ({"commitment": -1}, "commitment"),
        ({"fee": Decimal(-1)}, "fee"),
        ({"overage_price": Decimal("0.123456789")}, "overage_price"),
        ({"currency": "eur"}, "currency"),
        ({"tiers": (Tier(Decimal(5), Decimal(1)), Tier(Decimal(5), Decimal(1)))}, "tiers"),
    ],
)
def test_a_contract_that_cannot_be_is_refused_with_the_field(changed, field):
    assert field in [name for name, _ in problems_of_contract(replace(MONTH, **changed))]


def test_a_contract_that_can_be_has_no_problems():
    assert problems_of_contract(MONTH) == problems_of_contract(YEAR) == []


@pytest.mark.django_db
class TestKept:
    def test_two_contracts_of_one_account_do_not_overlap(self):
        write_contract(contract=YEAR, reason="signed", by=None)
        with pytest.raises(ContractRefusedError, match="“Year” covers every account from 2026-01"):
            write_contract(contract=MONTH, reason="signed", by=None)
        write_contract(contract=replace(MONTH, account="eu"), reason="signed", by=None)

    def test_a_change_is_a_new_version_with_a_reason(self):
        first = write_contract(contract=YEAR, reason="signed", by=None)
        changed = replace(YEAR, fee=Decimal(730))
        with pytest.raises(ContractRefusedError, match="Say why"):
            write_contract(contract=changed, reason=" ", by=None, changed_id=first.pk)
        second = write_contract(contract=changed, reason="amended", by=None, changed_id=first.pk)
        assert second.replaces_id == first.pk
        states = dict(TsaContract.objects.values_list("pk", "is_current"))
        assert states == {first.pk: False, second.pk: True}
        with pytest.raises(ContractRefusedError, match="was replaced"):
            write_contract(contract=changed, reason="again", by=None, changed_id=first.pk)

    def test_the_price_list_knows_the_contract_with_what_is_left_of_it(self):
        write_contract(contract=YEAR, reason="signed", by=None)
        take(*(record(n, at=datetime(2026, 3, 1, tzinfo=UTC)) for n in range(50)))
        price = price_at(TSA, METER, "", date(2026, 4, 17))
        assert price is not None
        assert (price.monthly_fee, price.included) == (Decimal(30), Decimal(3600))
        assert price in price_list(date(2026, 4, 17))
        assert contract_price("", date(2027, 1, 1)) is None
        assert contract_price("eu", APRIL) is None

    def test_a_contract_of_an_account_covers_its_tokens_alone(self):
        write_contract(contract=YEAR, reason="signed", by=None)
        write_contract(contract=replace(YEAR, account="eu"), reason="signed", by=None)
        march = datetime(2026, 3, 1, tzinfo=UTC)
        take(record(1, at=march), record(2, at=march, account="eu"), record(3, at=march))
        own, others = contract_price("eu", APRIL), contract_price("", APRIL)
        assert own is not None
        assert others is not None
        assert (own.included, others.included) == (Decimal(3649), Decimal(3648))
