"""An estimate that comes late for a closed month is an adjustment, and the bill after it takes it back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum

from allocation.close_models import PriorPeriodAdjustment
from allocation.core.figures import Slice
from allocation.facts import pnls_by_tenant
from finops import clock
from finops.core.amounts import exact_sum
from finops.core.focus import ChargeCategory, ServiceCategory
from finops.core.periods import Window, add_months
from finops.models import Tenant, User
from ingestion.core.invoices import Bill, Line
from ingestion.core.tsa_contract import Contract
from ingestion.estimating import estimate
from ingestion.invoices import take_bills
from ingestion.tsa_contracts import write_contract
from tests.allocation.closing import AUGUST, JULY, NOW, bill, charge, close
from tests.dashboards.world import person
from tests.ingestion import stamps

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_december(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def carol() -> User:
    return person("carol", "admin")


def tokens(count: int, *, first: int) -> None:
    Tenant.objects.get_or_create(slug="acme", defaults={"name": "Acme", "first_seen": NOW})
    at = datetime(2026, 7, 5, 8, tzinfo=UTC)
    stamps.take(
        *[stamps.record(first + i, at=at + timedelta(seconds=first + i)) for i in range(count)]
    )


def cost(month: date, basis: str) -> Decimal:
    found = pnls_by_tenant(Slice(window=Window.of_month(month), basis=basis))  # type: ignore[arg-type]
    return exact_sum(one.cost for one in found.values())


def adjustments() -> dict[str, Decimal]:
    rows = PriorPeriodAdjustment.objects.values_list("kind").order_by("kind")
    return {kind: total for kind, total in rows.annotate(total=Sum("effective_cost")) if total}


def test_a_late_estimate_of_a_closed_month_is_an_adjustment_and_its_bill_takes_it_back(
    carol: User,
) -> None:
    contract = Contract(
        name="C",
        valid_from=date(2026, 1, 1),
        valid_until=date(2027, 1, 1),
        commitment=0,
        fee=Decimal(0),
        overage_price=Decimal("0.5"),
        currency="USD",
    )
    write_contract(contract=contract, reason="Agreed.", by=None)
    bill(JULY, charge(JULY, "10"))
    bill(AUGUST, charge(AUGUST, "20"))
    tokens(4, first=0)
    estimate()
    close(JULY, carol)
    assert cost(JULY, "reported") == Decimal(12)

    tokens(2, first=100)
    estimate()
    assert (cost(JULY, "reported"), cost(JULY, "restated")) == (Decimal(12), Decimal(13))
    assert adjustments() == {"estimated": Decimal(1)}
    assert set(PriorPeriodAdjustment.objects.values_list("cost_month", "booked_month")) == {
        (JULY, AUGUST)
    }
    assert cost(AUGUST, "reported") == Decimal(21)

    line = Line(
        description="Tokens of July",
        service_name="Time stamps",
        service_category=ServiceCategory.SECURITY,
        charge_category=ChargeCategory.USAGE,
        service_start=JULY,
        service_end=add_months(JULY, 1),
        amount=Decimal(9),
        meter="tsa_tokens",
    )
    take_bills(bills=[Bill("TSA", "I1", AUGUST, "USD", (line,))])
    estimate()
    assert (cost(JULY, "reported"), cost(JULY, "restated")) == (Decimal(12), Decimal(19))
    assert adjustments() == {"estimated": Decimal(-2), "true-up": Decimal(9)}
    assert cost(AUGUST, "reported") == Decimal(27)
