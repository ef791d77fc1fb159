"""A closed month keeps its rates; what changes later is an adjustment of the first open month."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from allocation.changes import booked_in, changes_since_close
from allocation.close_models import (
    ClosedMonth,
    FrozenRate,
    FrozenSettlement,
    LateRate,
    PriorPeriodAdjustment,
)
from allocation.close_selectors import month_states
from allocation.core.closing import EXCHANGE, PRIOR_PERIOD
from allocation.core.figures import Basis, Slice
from allocation.core.pnl import Pnl, add_pnls
from allocation.month_close import reopen_month, stored_digest
from allocation.selectors import currency_notes, pnl_by_tenant
from finops import clock
from finops.core.focus import ChargeCategory, ServiceCategory
from finops.core.fx import Quote
from finops.core.periods import Window
from finops.fx import write_quotes
from finops.models import User
from ingestion.core.invoices import Bill, Line
from ingestion.invoice_models import Invoice
from ingestion.invoices import charge_months, take_bills
from tests.allocation.closing import AUGUST, JULY, NOW, SEPTEMBER, bill, charge, close, earned
from tests.dashboards.world import person

pytestmark = pytest.mark.django_db
SLICE = Slice(Window(JULY, date(2026, 8, 1)))


@pytest.fixture(autouse=True)
def in_december(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(clock, "today", lambda: datetime(2026, 12, 20, tzinfo=UTC).date())


@pytest.fixture
def carol() -> User:
    return person("carol", "admin")


def rate(value: str, day: date = date(2026, 7, 8), base: str = "EUR") -> None:
    write_quotes(quotes=[Quote(day, base, "USD", Decimal(value), "typed in")])


def stamps(amount: str, tenant: str = "acme") -> Line:
    return Line(
        description="Stamps",
        service_name="Time stamps",
        service_category=ServiceCategory.SECURITY,
        charge_category=ChargeCategory.USAGE,
        service_start=JULY,
        service_end=date(2026, 8, 1),
        amount=Decimal(amount),
        tenant=tenant,
    )


def invoice(*lines: Line, settled: str = "", currency: str = "EUR", number: str = "1") -> None:
    rate_ = Decimal(settled) if settled else None
    paid = Bill(
        *("TSA", number, date(2026, 8, 1), currency, lines or (stamps("100"),)),
        settled_rate=rate_,
        settled_currency="USD" if settled else "",
    )
    take_bills(bills=[paid])


def pnl(month: date, basis: Basis = "reported") -> Pnl:
    slice_ = Slice(window=Window.of_month(month), basis=basis)
    return add_pnls(pnl_by_tenant(slice_).values())


def every(basis: Basis) -> Decimal:
    return add_pnls(
        pnl_by_tenant(Slice(Window(JULY, date(2026, 12, 1)), basis=basis)).values()
    ).cost


def test_a_rate_that_changes_after_the_close_changes_no_figure_of_the_month() -> None:
    take_bills(bills=[Bill("TSA", "1", date(2026, 8, 1), "EUR", (stamps("100"),))])
    rate("1.10")
    assert pnl_by_tenant(SLICE)["acme"].cost == 110
    close(JULY, person("dora", "admin"))
    (frozen,) = FrozenRate.objects.values_list("base", "quote", "rate")
    assert (frozen[0], frozen[1], Decimal(frozen[2])) == ("EUR", "USD", Decimal("1.1"))
    rate("1.50")
    assert pnl_by_tenant(SLICE)["acme"].cost == 110
    reported = Slice(SLICE.window, basis="reported")
    assert pnl_by_tenant(reported)["acme"].cost == 110


def test_an_invoice_settled_after_the_close_is_an_exchange_difference_of_the_first_open_month(
    carol: User,
) -> None:
    rate("1.10")
    invoice()
    closed = close(JULY, carol)
    invoice(settled="1.2")
    assert pnl(JULY).direct == {"Security": 110}
    assert pnl(AUGUST).direct == {PRIOR_PERIOD: 0, EXCHANGE: 10}
    assert pnl(JULY, "restated").cost == 120
    assert every("reported") == every("restated") == 120
    assert stored_digest(closed) == closed.digest
    (change,) = changes_since_close(SLICE)
    assert (change.reported_cost, change.cost) == (110, 10)
    (booked,) = booked_in(Slice(Window.of_month(AUGUST), basis="reported"))
    assert (booked.cost, booked.months) == (10, (JULY,))
    why = PriorPeriodAdjustment.objects.get(is_exchange=True).why
    assert why == "TSA invoice 1 counts at the rate that was paid: 1.2 USD for 1 EUR."


def test_a_settlement_that_is_changed_or_removed_moves_only_open_months(carol: User) -> None:
    rate("1.10")
    invoice()
    close(JULY, carol)
    invoice(settled="1.2")
    bill(AUGUST, charge(AUGUST, "5"))
    close(AUGUST, carol)
    invoice(settled="1.3")
    assert pnl(AUGUST).cost == 15
    assert pnl(SEPTEMBER).direct[EXCHANGE] == 10
    assert every("reported") == every("restated") == 135
    invoice()
    assert (pnl(JULY).cost, pnl(AUGUST).cost, pnl(SEPTEMBER).cost) == (110, 15, -10)
    assert every("reported") == every("restated") == 115


def test_a_rate_paid_that_is_typed_into_the_invoice_alone_is_booked_at_once(carol: User) -> None:
    """No charge line changes, so no load tells of it."""
    rate("1.10")
    invoice(settled="1.2")
    close(JULY, carol)
    Invoice.objects.update(settled_rate=Decimal("1.3"))
    charge_months(supplier="TSA", months=[JULY])
    assert (pnl(JULY).cost, pnl(AUGUST).cost, pnl(JULY, "restated").cost) == (120, 10, 130)


def test_a_settlement_that_was_known_at_the_close_is_part_of_the_report(carol: User) -> None:
    rate("1.10")
    invoice(settled="1.2")
    closed = close(JULY, carol)
    assert (closed.cost, pnl(JULY).cost) == (120, 120)
    invoice()
    assert pnl(JULY).cost == 120
    assert pnl(AUGUST).direct == {PRIOR_PERIOD: 0, EXCHANGE: -10}
    assert every("reported") == every("restated") == 110
    assert stored_digest(closed) == closed.digest
    FrozenSettlement.objects.update(rate="1.25")
    assert stored_digest(closed) != closed.digest


def test_a_corrected_and_a_voided_invoice_leave_the_report_alone(carol: User) -> None:
    rate("1.10")
    invoice(settled="1.2")
    close(JULY, carol)
    invoice(stamps("150", "globex"), settled="1.2")
    assert (pnl(JULY).cost, every("reported")) == (120, 180)
    Invoice.objects.update(is_void=True)
    charge_months(supplier="TSA", months=[JULY])
    assert (pnl(JULY).cost, every("reported"), every("restated")) == (120, 0, 0)


def test_an_adjustment_counts_at_the_rate_of_its_own_month(carol: User) -> None:
    rate("1.10")
    rate("1.40", date(2026, 8, 5))
    invoice()
    close(JULY, carol)
    invoice(stamps("130"))
    assert pnl(AUGUST).direct == {PRIOR_PERIOD: 33}
    assert every("reported") == every("restated") == 143
    (note,) = currency_notes(Slice(Window.of_month(AUGUST), basis="reported")).converted
    assert (note.rate.month, note.rate.rate, note.cost) == (JULY, Decimal("1.1"), 30)


def test_a_currency_that_first_comes_after_the_close_counts_at_the_rate_of_its_month(
    carol: User,
) -> None:
    rate("1.10")
    rate("1.40", date(2026, 8, 5))
    bill(JULY, charge(JULY, "7"))
    close(JULY, carol)
    invoice()
    assert pnl(AUGUST).direct == {PRIOR_PERIOD: 110}
    rate("1.90")
    assert every("reported") == every("restated") == 117
    late = LateRate.objects.get()
    assert (late.month, late.base, Decimal(late.rate)) == (JULY, "EUR", Decimal("1.1"))
    (note,) = currency_notes(Slice(Window.of_month(AUGUST), basis="reported")).converted
    assert note.rate.source == "frozen after the close, when the first amount came"
    reopen_month(month=JULY, actor=carol, reason="x")
    assert not LateRate.objects.exists()
    assert pnl(JULY).cost == 197


def test_a_rate_that_is_missing_at_the_close_and_known_later_is_an_adjustment(carol: User) -> None:
    invoice()
    bill(JULY, charge(JULY, "7"))
    july = replace(SLICE, basis="reported")
    closed = close(JULY, carol)
    assert (closed.cost, pnl(JULY).cost) == (7, 7)
    (missing,) = currency_notes(july).missing
    assert (missing.currency, missing.cost) == ("EUR", 100)
    rate("1.10")
    assert (pnl(JULY).cost, pnl(AUGUST).cost, every("restated")) == (7, 110, 117)
    (missing,) = currency_notes(july).missing
    assert missing.cost == 100
    found = currency_notes(Slice(Window.of_month(AUGUST), basis="reported"))
    assert ([one.cost for one in found.converted], found.missing) == ([100], ())
    assert stored_digest(closed) == closed.digest


def test_what_is_booked_without_a_rate_is_named_where_it_is_booked(carol: User) -> None:
    bill(JULY, charge(JULY, "7"))
    close(JULY, carol)
    invoice()
    august = Slice(Window.of_month(AUGUST), basis="reported")
    (missing,) = currency_notes(august).missing
    assert (missing.month, missing.currency, missing.cost) == (JULY, "EUR", 100)
    assert every("reported") == every("restated") == 7
    bill(AUGUST, charge(AUGUST, "1"))
    close(AUGUST, carol)
    rate("1.10")
    assert (pnl(AUGUST).cost, pnl(SEPTEMBER).cost) == (1, 110)
    assert [one.cost for one in currency_notes(august).missing] == [100]
    assert every("reported") == every("restated") == 118


def test_revenue_in_another_currency_keeps_its_rate_and_its_adjustment_bears_it(
    carol: User,
) -> None:
    rate("1.10")
    rate("2.00", date(2026, 8, 5))
    earned_in_eur("100")
    closed = close(JULY, carol)
    assert (closed.revenue, pnl(JULY).revenue) == (110, 110)
    rate("1.30")
    earned_in_eur("90")
    assert (pnl(JULY).revenue, pnl(AUGUST).revenue, pnl(JULY, "restated").revenue) == (110, -11, 99)
    earned(JULY, "90")  # and now it was in the reporting currency all along
    assert pnl(JULY).revenue == 110
    assert pnl(JULY).revenue + pnl(AUGUST).revenue == pnl(JULY, "restated").revenue == 90


def test_totals_of_months_and_changes_are_in_the_reporting_currency(carol: User) -> None:
    rate("1.10")
    bill(JULY, charge(JULY, "7"))
    invoice()
    earned_in_eur("1000")
    closed = close(JULY, carol)
    assert (closed.cost, closed.revenue) == (117, 1100)
    invoice(stamps("110"), settled="1.2")
    earned_in_eur("900")
    (state,) = month_states([JULY], today=clock.today())
    assert (state.cost, state.changed) == (117, 22)
    assert (state.revenue, state.revenue_changed) == (1100, -110)
    (change,) = changes_since_close(SLICE)
    assert (change.reported_cost, change.cost) == (117, 22)
    assert (change.reported_revenue, change.revenue) == (1100, -110)
    assert ClosedMonth.objects.get().cost == 117


def earned_in_eur(amount: str) -> object:
    return earned(JULY, amount, currency="EUR")
