"""The demonstration company through the real pipeline: the ledger equals what the simulator planted."""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from allocation.bridges import bridge
from allocation.core.figures import Slice
from allocation.core.pnl import Verdict
from allocation.selectors import pnl_by_tenant, reconciliation
from finops.core.amounts import EXACT, exact_sum
from finops.core.periods import Window
from finops.models import Tenant
from ingestion.log_selectors import log_health
from ingestion.services import ingest
from ingestion.usage_models import UsageDay
from simulator import focus, logpush

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

APRIL = Slice(window=Window(date(2026, 4, 1), date(2026, 4, 9)))


@pytest.fixture
def truth(tmp_path: Path) -> dict[str, Any]:
    """What was planted in eight days of April, after loading them."""
    company = tmp_path / "company"
    call_command(
        *("simulate", "--out", str(company), "--months", "1", "--end", "2026-04-09T00:00:00Z"),
        stdout=io.StringIO(),
    )
    assert ingest(kind="aws_cur", location=company / "aws").exit_code == 0
    assert ingest(kind="revenue_csv", location=company / "revenue").exit_code == 0
    month: dict[str, Any] = json.loads((company / "truth" / "truth.json").read_text())["months"][
        "2026-04"
    ]
    return month


def test_the_ledger_equals_what_was_planted(truth):
    (row,) = reconciliation()
    assert row.source_total == Decimal(truth["unblended_sum"])
    assert row.lines == truth["lines"]
    assert row.difference == 0
    pnls = pnl_by_tenant(APRIL)
    for tenant, planted in truth["tagged_cost_by_tenant"].items():
        # The ledger keeps 8 decimals a row; what that leaves is the named residual.
        borne = EXACT.add(pnls[tenant].cost, pnls[tenant].credits)
        assert abs(EXACT.subtract(borne, Decimal(planted))) < Decimal("0.00001")


def test_the_database_vendors_bill_is_the_third_provider(tmp_path):
    company, month = tmp_path / "company", datetime(2026, 4, 1, tzinfo=UTC)
    call_command(
        *("simulate", "--out", str(company), "--months", "1", "--end", "2026-04-09T00:00:00Z"),
        stdout=io.StringIO(),
    )
    assert ingest(kind="focus", location=company / "focus" / "snowline").exit_code == 0
    planted = list(focus.charges(7, month, datetime(2026, 4, 9, tzinfo=UTC)))
    (row,) = reconciliation()
    assert (row.source, row.lines, row.difference) == ("focus-snowline", len(planted), 0)
    assert row.source_total == exact_sum(charge.cost for charge in planted)
    pnls = pnl_by_tenant(Slice(window=Window(date(2026, 4, 1), date(2026, 5, 1))))
    nobodys = exact_sum(charge.cost for charge in planted if not charge.tenant)
    assert row.unallocated == nobodys
    for tenant in focus.CUSTOMERS:
        own = exact_sum(charge.cost for charge in planted if charge.tenant == tenant)
        assert pnls[tenant].cost == own, tenant


def test_the_bridge_spreads_the_savings_plan_over_what_used_it(truth):
    steps = {line.step: line for line in bridge()}
    hours = 8 * 24
    fee = steps["savings plan recurring fee"]
    assert (fee.billed_cost, fee.effective_cost, fee.lines) == (Decimal("3.2") * hours, 0, hours)
    covered, negation = steps["savings plan covered"], steps["savings plan negation"]
    assert (covered.billed_cost, negation.billed_cost, negation.effective_cost) == (0, 0, 0)
    spread = exact_sum([covered.effective_cost, steps["unused commitment"].effective_cost])
    assert spread == fee.billed_cost, "what was paid is what was used and what nobody used"
    assert steps["unused commitment"].effective_cost > 0
    assert "savings plan remainder" not in steps


def test_about_sixty_percent_of_the_cost_is_tagged(truth):
    pnls = pnl_by_tenant(APRIL)
    tagged = exact_sum(pnl.cost for tenant, pnl in pnls.items() if tenant)
    everything = exact_sum(pnl.cost for pnl in pnls.values())
    assert Decimal("0.5") < tagged / everything < Decimal("0.7")


def test_the_bounds_of_every_tenant_contain_its_true_cost(truth):
    pnls = pnl_by_tenant(APRIL)
    certain = set()
    for tenant, planted in truth["cost_by_owner"].items():
        if tenant not in truth["tagged_cost_by_tenant"]:
            continue
        pnl, true = pnls[tenant], Decimal(planted)
        low = exact_sum([pnl.cost, pnl.credits, pnl.uncertain_low])
        high = exact_sum([pnl.cost, pnl.credits, pnl.uncertain_high])
        assert low - Decimal("0.00001") <= true <= high + Decimal("0.00001"), tenant
        if low == high:
            certain.add(tenant)
    assert certain, "no tenant is certain: the bounds would mean nothing"
    assert len(certain) < 24, "no tenant is uncertain: the bounds were not tried"


def test_the_company_has_tenants_above_below_and_undecided(truth):
    verdicts = {pnl.verdict(Decimal("0.70")) for slug, pnl in pnl_by_tenant(APRIL).items() if slug}
    assert verdicts >= {Verdict.ABOVE, Verdict.BELOW, Verdict.CANNOT_TELL}


def test_misspelt_tenants_stay_discovered_and_an_invoice_confirms_the_others(truth):
    discovered = set(Tenant.objects.filter(discovered=True).values_list("slug", flat=True))
    assert discovered
    assert not discovered & set(truth["tagged_cost_by_tenant"])


def test_the_usage_facts_equal_the_requests_that_were_planted(tmp_path):
    company, end = tmp_path / "company", datetime(2026, 4, 9, tzinfo=UTC)
    call_command(
        *("simulate", "--out", str(company), "--months", "1", "--end", "2026-04-09T00:00:00Z"),
        stdout=io.StringIO(),
    )
    report = ingest(kind="cloudflare_logpush", location=company / "cloudflare" / "http_requests")
    assert report.exit_code == 0
    planted: Counter[tuple[str, str, str]] = Counter()
    for hour in range(48):
        at = end - logpush.SPAN + timedelta(hours=hour)
        for request in logpush.requests(7, datetime(2026, 4, 1, tzinfo=UTC), at, {}):
            if hour == 47 and logpush.is_late(request):
                continue  # comes with the next hour
            is_eyeball = request.parent == "00"
            key = (f"{at:%Y-%m-%d}", request.host)
            planted[*key, "requests"] += is_eyeball
            planted[*key, "edge_bytes"] += request.edge_bytes if is_eyeball else 0
            planted[*key, "cache_bytes"] += request.cache_bytes
            planted[*key, "worker_cpu_us"] += request.cpu_us
            planted[*key, "subrequests"] += request.subrequests
            answered = request.origin_status not in {0, 304}
            planted[*key, "origin_bytes"] += request.cache_bytes if answered else 0
    found: Counter[tuple[str, str, str]] = Counter()
    for row in UsageDay.objects.all():
        found[f"{row.day}", row.host, row.metric] += int(row.quantity)
    assert {key: found[key] for key in planted} == dict(planted)
    (health,) = log_health()
    assert health.duplicates > 0
    assert health.rejected_lines == 0
    assert f"{health.complete_through:%Y-%m-%d %H}" == "2026-04-08 23"
