"""A closed month keeps the rates that it was closed with."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from allocation.close_models import FrozenRate
from allocation.core.figures import Slice
from allocation.selectors import pnl_by_tenant
from finops import clock
from finops.core.focus import ChargeCategory, ServiceCategory
from finops.core.fx import Quote
from finops.core.periods import Window
from finops.fx import write_quotes
from ingestion.core.invoices import Bill, Line
from ingestion.invoices import take_bills
from tests.allocation.closing import JULY, NOW, close
from tests.dashboards.world import person

pytestmark = pytest.mark.django_db
SLICE = Slice(Window(JULY, date(2026, 8, 1)))


@pytest.fixture(autouse=True)
def in_december(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(clock, "today", lambda: datetime(2026, 12, 20, tzinfo=UTC).date())


def rate(value: str) -> None:
    write_quotes(quotes=[Quote(date(2026, 7, 8), "EUR", "USD", Decimal(value), "typed in")])


def test_a_rate_that_changes_after_the_close_changes_no_figure_of_the_month() -> None:
    line = Line(
        description="Stamps",
        service_name="Time stamps",
        service_category=ServiceCategory.SECURITY,
        charge_category=ChargeCategory.USAGE,
        service_start=JULY,
        service_end=date(2026, 8, 1),
        amount=Decimal(100),
        tenant="acme",
    )
    take_bills(bills=[Bill("TSA", "1", date(2026, 8, 1), "EUR", (line,))])
    rate("1.10")
    assert pnl_by_tenant(SLICE)["acme"].cost == 110
    close(JULY, person("dora", "admin"))
    (frozen,) = FrozenRate.objects.values_list("base", "quote", "rate")
    assert (frozen[0], frozen[1], Decimal(frozen[2])) == ("EUR", "USD", Decimal("1.1"))
    rate("1.50")
    assert pnl_by_tenant(SLICE)["acme"].cost == 110
    reported = Slice(SLICE.window, basis="reported")
    assert pnl_by_tenant(reported)["acme"].cost == 110
