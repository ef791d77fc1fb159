"""Figures are the same by tenant, by column, by service and by line; a page never adds up otherwise."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from allocation.core.figures import Slice
from allocation.core.pnl import add_pnls
from allocation.lake import charge_lines
from allocation.models import CandidateTenant, UncertainCost
from allocation.selectors import (
    filter_choices,
    pnl_by_column,
    pnl_by_tenant,
    services,
    statement,
    unallocated_cost,
    untagged_resources,
)
from finops.core.amounts import exact_sum
from finops.core.periods import Window
from ingestion.services import ingest
from tests.cur_export import Export, line

pytestmark = pytest.mark.django_db

APRIL = Slice(window=Window.of_month(date(2026, 4, 1)))
SHARED, OWN = "444455556666", "777788889999"


def tags(**named: str) -> str:
    import json

    return json.dumps({f"resourceTags/user:{name.title()}": value for name, value in named.items()})


@pytest.fixture
def bill(tmp_path):
    rows = [
        line("10", tags=tags(tenant="acme", environment="production", team="core")),
        line("4", day=2, tags=tags(tenant="acme", environment="staging")),
        line(
            "6",
            tenant="globex",
            day=2,
            line_item_product_code="AmazonS3",
            line_item_usage_type="DataTransfer-Out-Bytes",
        ),
        line("2", tenant="initech", line_item_usage_account_id=OWN),
        line("3", day=3, line_item_resource_id="i-untagged"),
        line("-1", day=3, line_item_resource_id="i-negative"),
        line("-5", tenant="acme", line_item_line_item_type="Credit"),
        line("9", day=1, line_item_line_item_type="Tax"),
    ]
    export = Export(rows)
    assert ingest(kind="aws_cur", location=export.write(tmp_path)).exit_code == 0
    return export


def test_tenants_and_the_unallocated_add_up_to_the_bill(bill):
    pnls = pnl_by_tenant(APRIL)
    total = exact_sum(p.cost + p.credits + exact_sum(p.below_line.values()) for p in pnls.values())
    assert total == bill.total()
    assert {slug: pnl.cost for slug, pnl in pnls.items()} == {
        "acme": 14,
        "globex": 6,
        "initech": 2,
        None: 2,
    }
    assert pnls["acme"].credits == -5
    assert pnls[None].below_line == {"Tax": 9}


@pytest.mark.parametrize(
    ("start", "end"),
    [((4, 1), (5, 1)), ((3, 15), (5, 15)), ((3, 1), (6, 1)), ((4, 2), (4, 30)), ((3, 31), (5, 1))],
)
def test_any_window_gives_what_its_days_give(bill, start, end):
    window = Window(date(2026, *start), date(2026, *end))
    days = pnl_by_column(Slice(window=window), "day")
    months = pnl_by_column(Slice(window=window), "month")
    together = add_pnls(pnl_by_tenant(Slice(window=window)).values())
    assert add_pnls(days.values()).cost == add_pnls(months.values()).cost == together.cost
    assert exact_sum(p.credits for p in days.values()) == together.credits


def test_columns_add_up_to_the_same(bill):
    for granularity in ("day", "month"):
        columns = pnl_by_column(APRIL, granularity)
        assert exact_sum(pnl.cost for pnl in columns.values()) == 24
    assert set(pnl_by_column(APRIL, "day")) == {"2026-04-01", "2026-04-02", "2026-04-03"}
    assert set(pnl_by_column(APRIL, "month")) == {"2026-04"}


def test_services_and_lines_add_up_to_their_category(bill):
    slice_ = Slice(window=APRIL.window, tenants=("acme",))
    rows = services(slice_, "Compute")
    assert exact_sum(row.effective_cost for row in rows) == 9
    page = charge_lines(slice_, service_category="Compute", charge_category="Usage")
    assert page.total_effective == 14
    assert page.total_lines == 2
    first = page.lines[0]
    assert (first.tenant_rule, first.tenant_confidence) == ("tag tenant=acme v1", Decimal("1.00"))
    assert first.environment_rule == "tag environment=production v1"
    assert first.product_rule == "unallocated v1"
    assert first.tags["team"] == "core"


def test_traffic_is_networking_whichever_service_it_left(bill):
    assert pnl_by_tenant(APRIL)["globex"].direct == {"Networking": 6}


def test_lines_can_be_paged_and_filtered(bill):
    everything = charge_lines(APRIL, limit=3)
    rest = charge_lines(APRIL, limit=100, offset=3)
    assert everything.total_lines == rest.total_lines == 8
    assert len(everything.lines) + len(rest.lines) == 8
    assert everything.total_billed == bill.total()
    nobody = charge_lines(Slice(window=APRIL.window, tenants=("",)))
    assert exact_sum(view.billed_cost for view in nobody.lines) == 11
    assert charge_lines(Slice(window=APRIL.window, tenants=())).total_lines == 0


def test_bounds_come_from_uncertain_cost_of_the_tenants_own_accounts(bill):
    pnls = pnl_by_tenant(APRIL)
    for slug in ("acme", "globex"):
        assert (pnls[slug].uncertain_low, pnls[slug].uncertain_high) == (-1, 3)
    assert (pnls["initech"].uncertain_low, pnls["initech"].uncertain_high) == (0, 0)
    assert set(CandidateTenant.objects.values_list("sub_account_id", "tenant__slug")) == {
        (SHARED, "acme"),
        (SHARED, "globex"),
        (OWN, "initech"),
    }
    assert exact_sum(UncertainCost.objects.values_list("billed_cost", flat=True)) == 11


def test_the_resources_that_would_settle_the_bounds_are_named_by_money(bill):
    found = untagged_resources(APRIL, "acme")
    assert [(row.resource_id, row.amount) for row in found] == [
        ("i-untagged", 3),
        ("i-negative", -1),
    ]
    assert untagged_resources(APRIL, "initech") == []


def test_filters_narrow_every_figure(bill):
    staging = Slice(window=APRIL.window, tenants=("acme",), environment="staging")
    assert pnl_by_tenant(staging)["acme"].cost == 4
    assert filter_choices(APRIL).environments == ("production", "staging")
    assert filter_choices(APRIL).teams == ("core",)
    part = Slice(
        window=Window(date(2026, 4, 2), date(2026, 4, 3)), tenants=("acme",), environment="staging"
    )
    assert pnl_by_tenant(part)["acme"].cost == 4


def test_a_statement_has_every_column_and_says_which_are_complete(bill):
    window = Window(date(2026, 3, 1), date(2026, 6, 1))
    found = statement(
        Slice(window=window, tenants=("acme",)),
        "month",
        previous=Window(date(2025, 12, 1), date(2026, 3, 1)),
    )
    assert [(c.label, c.complete, c.last_day, c.pnl.cost) for c in found.columns] == [
        ("Mar 2026", True, date(2026, 3, 31), 0),
        ("Apr 2026", False, date(2026, 4, 2), 14),
        ("May 2026", False, None, 0),
    ]
    assert found.total.cost == 14


def test_what_nobody_bears_is_the_same_however_it_is_asked_for(bill):
    assert unallocated_cost(APRIL) == pnl_by_tenant(APRIL)[None].cost == 2
    only_production = Slice(window=APRIL.window, environment="production")
    assert unallocated_cost(only_production) == 0
