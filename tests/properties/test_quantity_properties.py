"""How a quantity is kept and split does not change what it costs, by more than a rounding that is named."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from allocation.models import LedgerDay
from finops import clock
from finops.core.focus import Granularity
from ingestion.cloudflare.store import Advance, Part, store_day
from ingestion.core.cloudflare_queries import R2_STORAGE
from ingestion.core.estimates import About, AverageRate, Used, estimate_lines, midnight
from ingestion.core.list_prices import LIST_PRICES
from ingestion.core.usage import UsageFact
from ingestion.estimating import estimate
from ingestion.models import Connection, Source

HALF_A_STEP = Fraction(1, 20_000)
"""What a quantity with four decimals (``QuantityField``) may be off by."""
LEAST_MONEY = Fraction(1, 10**8)
WHOLE = {"tsa_tokens", "nat_hours", "workers_plan"}
"""Meters of few units that cost much: tokens and plans are whole; hours of a NAT gateway are metered by nobody here."""
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize("price", LIST_PRICES, ids=lambda price: price.meter)
def test_four_decimals_of_a_meters_unit_are_less_than_the_least_money(price) -> None:
    dearest = max([price.unit_price, *(tier.unit_price for tier in price.tiers)])
    loss = Fraction(dearest) / price.unit_size * HALF_A_STEP
    assert loss < LEAST_MONEY or price.meter in WHOLE


@given(
    st.sampled_from([price for price in LIST_PRICES if price.unit_price]),
    st.lists(st.integers(1, 10**15), min_size=1, max_size=12),
    st.integers(1, 24),
)
def test_a_quantity_over_owners_and_hours_costs_what_it_costs_in_one(
    price, parts: list[int], hours: int
) -> None:
    rate = AverageRate(Fraction(price.unit_price) / price.unit_size, price.currency)
    used = [
        Used(
            APRIL + timedelta(hours=number % hours),
            APRIL + timedelta(hours=number % hours + 1),
            Granularity.HOUR,
            About(price.meter, resource_id=f"{number}"),
            Decimal(quantity) / 1000,
        )
        for number, quantity in enumerate(parts)
    ]
    rates = {(price.meter, "", midnight(APRIL)): rate}
    split = sum(Fraction(line.billed_cost) for line in estimate_lines(used, rates))
    whole = Fraction(sum(parts), 1000) * rate.per_unit
    # An hour is rounded once, at 18 decimals, however many bear it.
    assert abs(split - whole) <= Fraction(hours, 2 * 10**18)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("gigabytes", "cost"), [(10, "0"), (11, "0.015"), (17, "0.105"), (22, "0.18")]
)
def test_a_whole_number_of_gigabyte_months_is_not_rounded_up_by_its_thirtieths(
    monkeypatch: pytest.MonkeyPatch, gigabytes: int, cost: str
) -> None:
    now = datetime(2026, 5, 2, 6, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    connection = Connection.objects.create(
        slug="edge", kind="cloudflare_usage", location="https://api.example", created_at=now
    )
    source = Source.objects.create(
        slug="edge", kind="cloudflare_usage", identity="a", created_at=now
    )
    for number in range(30):
        day = APRIL + number * DAY
        store_day(
            source=source,
            day=day.date(),
            facts=[
                UsageFact(
                    day, "r2_stored_bytes", Decimal(gigabytes * 10**9), account="a", bucket="b"
                )
            ],
            parts=[Part(("r2_stored_bytes",))],
            advance=Advance(connection, ((R2_STORAGE.id, "a"),), now),
        )
    estimate()
    found = LedgerDay.objects.filter(day__lt=date(2026, 5, 1)).aggregate(
        total=Sum("effective_cost")
    )
    assert (found["total"] or Decimal(0)).quantize(Decimal("0.000001")) == Decimal(cost)
