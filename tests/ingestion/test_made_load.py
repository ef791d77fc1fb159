"""Charge lines that no file delivers go the way of every bill."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from allocation.models import LedgerDay, PnlMonth, Restatement
from allocation.selectors import reconciliation
from finops.core.focus import CostKind, Granularity, ServiceCategory
from ingestion.core.charge_line import ChargeLine
from ingestion.made_load import Made, load_made
from ingestion.models import Load

pytestmark = pytest.mark.django_db

MAY = date(2026, 5, 1)
START = datetime(2026, 5, 3, 7, tzinfo=UTC)
MADE = Made(
    source_kind="estimate",
    identity="estimate cloudflare",
    source_slug="estimate-cloudflare",
    source_name="Cloudflare (estimated)",
    service_provider_name="Cloudflare",
    key="estimate 2026-05",
)
LINE = ChargeLine(
    billing_period_start=MAY,
    charge_period_start=START,
    charge_period_end=START + timedelta(hours=1),
    granularity=Granularity.HOUR,
    service_provider_name="Cloudflare",
    service_name="Workers",
    service_category=ServiceCategory.COMPUTE,
    billed_cost=Decimal("1.234567891234567891"),
    effective_cost=Decimal("1.234567891234567891"),
    billing_currency="USD",
    consumed_quantity=Decimal(7),
    consumed_unit="requests",
    tags={"tenant": "acme"},
)


def _load(*lines: ChargeLine, kind: CostKind = CostKind.ESTIMATED) -> str:
    return load_made(MADE, billing_period=MAY, lines=lines, kind=kind).status


def test_lines_become_ledger_rows_of_their_kind_and_reconcile() -> None:
    assert _load(LINE, replace(LINE, tags={}, billed_cost=Decimal(2))) == "loaded"
    rows = {
        (row.tenant and row.tenant.slug, row.kind, row.billed_cost)
        for row in LedgerDay.objects.all()
    }
    assert rows == {
        ("acme", "estimated", Decimal("1.23456789")),
        (None, "estimated", Decimal(2)),
    }
    assert set(PnlMonth.objects.values_list("kind", flat=True)) == {"estimated"}
    assert reconciliation() == []
    (row,) = reconciliation(estimates=True)
    assert row.source_total == Decimal("3.234567891234567891")
    assert row.difference == 0


def test_equal_lines_change_nothing_and_other_lines_replace_them() -> None:
    _load(LINE)
    assert _load(LINE) == "unchanged"
    assert _load(replace(LINE, effective_cost=Decimal(5))) == "loaded"
    assert [row.effective_cost for row in LedgerDay.objects.all()] == [Decimal(5)]
    assert Load.objects.filter(state="current").count() == 1
    assert _load(LINE) == "loaded"
    assert [row.billed_cost for row in LedgerDay.objects.all()] == [Decimal("1.23456789")]


def test_no_line_empties_the_period() -> None:
    _load(LINE)
    assert _load() == "loaded"
    assert not LedgerDay.objects.exists()


def test_an_amount_finer_than_the_lake_is_refused_and_nothing_stays_behind() -> None:
    with pytest.raises(ValueError, match="more digits than the lake holds"):
        _load(replace(LINE, billed_cost=Decimal("1e-19")))
    assert not Load.objects.exists()


def test_an_estimate_that_changes_is_no_restatement_and_another_kind_is_another_row() -> None:
    _load(LINE)
    _load(replace(LINE, effective_cost=Decimal(5)))
    assert not Restatement.objects.exists()
    assert _load(replace(LINE, effective_cost=Decimal(5)), kind=CostKind.TRUE_UP) == "loaded"
    assert set(LedgerDay.objects.values_list("kind", flat=True)) == {"true-up"}
