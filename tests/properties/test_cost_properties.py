"""Commitments, monthly lines and forms: whatever a bill holds, no cent is made or lost."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.core.accrual import days_of, shares
from allocation.models import LedgerDay
from finops.core.amounts import MONEY_QUANTUM, exact_sum
from ingestion.core.aws_cur_costs import scaled_unused
from tests.cur_export import line
from tests.ingestion.bills import load, only_row
from tests.ingestion.commitments import bill, covered, negation, plan_fee
from tests.properties.test_cur_properties import clear

units = st.integers(-(10**15), 10**15)
cents = st.integers(0, 500).map(lambda number: Decimal(number) / 100)


@given(units, st.integers(1, 400))
def test_shares_of_days_add_up_and_differ_by_one_unit_at_most(number, days):
    amount = number * MONEY_QUANTUM
    parts = shares(amount, days, MONEY_QUANTUM)
    assert sum(parts) == amount
    assert len(parts) == days
    assert max(parts) - min(parts) <= MONEY_QUANTUM
    assert all(part * amount >= 0 for part in parts)


@given(
    st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    st.integers(0, 800),
    st.dates(date(2026, 1, 1), date(2026, 12, 1)).map(lambda day: day.replace(day=1)),
)
def test_accrued_days_are_within_the_bill_and_the_lines_own_period(start, length, month):
    days = days_of(start, start + timedelta(days=length), month)
    assert days == sorted(set(days))
    if days != [start]:
        assert {day.replace(day=1) for day in days} == {month}
        assert start <= days[0]
        assert days[-1] < start + timedelta(days=length)


@given(cents, cents, st.integers(1, 100))
def test_what_is_discounted_off_a_fee_is_discounted_off_its_unused_part(unused, more, percent):
    fee = unused + more
    net = fee * percent / 100
    scaled = scaled_unused(unused, net, fee)
    assert abs(scaled - unused * percent / 100) <= Decimal("1e-18")
    assert scaled_unused(unused, fee, fee) == unused


hours = st.lists(
    st.tuples(
        st.integers(0, 23),
        st.sampled_from(["plan-a", "plan-b"]),
        st.lists(st.tuples(st.sampled_from(["", "acme", "globex"]), cents, cents), max_size=4),
        cents,
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda hour: hour[:2],
)
plain_usage = st.lists(st.tuples(st.sampled_from(["", "acme"]), cents), max_size=4)


@pytest.mark.django_db
@settings(max_examples=25)
@given(hours, plain_usage, st.randoms(), st.integers(1, 3))
def test_margin_cost_of_commitments_is_the_commitment_whatever_used_it(
    hours, usage, random, chunks
):
    clear()
    rows = [line(str(cost), tenant=tenant) for tenant, cost in usage]
    on_demand = exact_sum(cost for _, cost in usage)
    committed = Decimal(0)
    borne: dict[str, Decimal] = defaultdict(Decimal)
    for tenant, cost in usage:
        borne[tenant] += cost
    for hour, plan, uses, idle in hours:
        used = exact_sum(effective for _, effective, _ in uses)
        committed += used + idle
        for tenant, effective, saved in uses:
            borne[tenant] += effective
            rows.append(
                covered(str(effective + saved), str(effective), plan=plan, tenant=tenant, hour=hour)
            )
        listed = exact_sum(effective + saved for _, effective, saved in uses)
        rows.append(negation(str(-listed), plan=plan, hour=hour))
        fee = str(used + idle)
        rows.append(plan_fee(fee, committed=fee, used=str(used), plan=plan, hour=hour))
        borne[""] += idle
    random.shuffle(rows)
    with tempfile.TemporaryDirectory() as folder:
        load(bill(*rows, chunks=chunks).write(Path(folder)))
    ledger = list(LedgerDay.objects.select_related("tenant"))
    assert only_row().source_total == only_row().ingested == on_demand + committed
    assert exact_sum(row.billed_cost for row in ledger) == on_demand + committed
    assert exact_sum(row.effective_cost for row in ledger) == on_demand + committed
    for tenant, cost in borne.items():
        found = [
            row.effective_cost
            for row in ledger
            if ((row.tenant and row.tenant.slug) or "") == tenant
        ]
        assert exact_sum(found) == cost
