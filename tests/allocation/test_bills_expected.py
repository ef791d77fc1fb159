"""What the close checklist says of bills and invoices that have not come."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from allocation.checks.bills import Bills
from allocation.core.checks import Asked, CheckState
from finops import clock
from finops.core.focus import ChargeCategory, ServiceCategory
from ingestion.core.invoices import Bill, Line
from ingestion.invoices import take_bills
from ingestion.services import ingest
from tests.focus_files import row, write

pytestmark = pytest.mark.django_db
MARCH, APRIL, MAY, JUNE = (date(2026, month, 1) for month in (3, 4, 5, 6))


def invoice(number: str, start: date, end: date, **settled: object) -> None:
    line = Line(
        description="Plan",
        service_name="Plan",
        service_category=ServiceCategory.NETWORKING,
        charge_category=ChargeCategory.PURCHASE,
        service_start=start,
        service_end=end,
        amount=Decimal(100),
    )
    currency = "EUR" if settled else "USD"
    take_bills(bills=[Bill("Cloudflare", number, end, currency, (line,), **settled)])  # type: ignore[arg-type]


def details(month: date, year: int, in_month: int, day: int) -> tuple[CheckState, tuple[str, ...]]:
    found = Bills().look(Asked(month, datetime(year, in_month, day, tzinfo=UTC), None))
    return found.state, found.details


def test_a_supplier_whose_invoice_of_the_month_has_not_come_is_an_open_item_with_its_day():
    invoice("M", MARCH, APRIL)
    missing = "Cloudflare: no invoice for 2026-04 has come; it "
    assert details(APRIL, 2026, 5, 11) == (
        CheckState.OPEN,
        (f"{missing}is expected by 11 May 2026.",),
    )
    assert details(APRIL, 2026, 5, 15) == (
        CheckState.OPEN,
        (f"{missing}was expected by 11 May 2026, 4 days ago.",),
    )
    invoice("A", APRIL, MAY)
    assert details(APRIL, 2026, 5, 16) == (CheckState.OK, ())


def test_an_invoice_that_was_settled_is_not_expected_a_second_time():
    invoice("M", MARCH, APRIL, settled_rate=Decimal("1.1"), settled_currency="USD")
    invoice("A", APRIL, MAY)
    assert details(APRIL, 2026, 5, 16) == (CheckState.OK, ())
    invoice("A", APRIL, MAY, settled_rate=Decimal("1.1"), settled_currency="USD")
    assert details(APRIL, 2026, 5, 16) == (CheckState.OK, ())


def test_a_vendor_that_bills_whole_months_is_missed_from_a_stated_day_on(tmp_path, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 5, 3, tzinfo=UTC))
    write(tmp_path / "snowline" / "a.csv", [row("10")])
    ingest(kind="focus", location=tmp_path / "snowline")
    assert details(MAY, 2026, 6, 12) == (
        CheckState.OPEN,
        (
            "FOCUS (snowline): no bill for 2026-05 has come; it was expected by 11 Jun 2026, 1 day ago.",
        ),
    )
