"""Closing and writing take turns: what commits before a close is in the report, what comes after is an adjustment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection, transaction

from allocation import month_close
from allocation.changes import changes_since_close
from allocation.close_models import ClosedMonth
from allocation.core.figures import Basis, Slice
from allocation.core.pnl import Pnl, add_pnls
from allocation.month_close import close_month
from allocation.selectors import pnl_by_tenant
from finops import clock
from finops.core.focus import ChargeCategory, CostKind, ServiceCategory
from finops.core.fx import Quote
from finops.core.periods import Window
from finops.fx import write_quotes
from finops.models import User
from ingestion.core.invoices import Bill, Line
from ingestion.invoice_models import Invoice
from ingestion.invoices import charge_months, take_bills
from tests.allocation.closing import JULY, NOW, bill, charge, earned, open_items
from tests.dashboards.world import person

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
WAIT = 20
EVERY = dict.fromkeys(("bills", "jobs", "deliveries", "currencies", "estimates", "revenue"), "x")


@pytest.fixture(autouse=True)
def in_december(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(clock, "today", NOW.date)


def invoice(settled: str = "") -> None:
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
    paid = Bill(
        *("TSA", "1", date(2026, 8, 1), "EUR", (line,)),
        settled_rate=Decimal(settled) if settled else None,
        settled_currency="USD" if settled else "",
    )
    take_bills(bills=[paid])


def settle() -> None:
    invoice("1.2")


def settle_at_another_rate() -> None:
    """No charge line changes: only the booking of settlements takes the books."""
    Invoice.objects.update(settled_rate=Decimal("1.3"), settled_currency="USD")
    charge_months(supplier="TSA", months=[JULY])


def more_revenue() -> None:
    earned(JULY, "70")


def new_estimate() -> None:
    lines = [charge(JULY, "9", provider="Cloudflare")]
    bill(JULY, *lines, source="estimate", provider="Cloudflare", kind=CostKind.ESTIMATED)


def new_rate() -> None:
    write_quotes(quotes=[Quote(date(2026, 7, 9), "GBP", "USD", Decimal("1.5"), "typed in")])


WRITERS = [settle, settle_at_another_rate, more_revenue, new_estimate, new_rate]


@pytest.fixture
def july() -> User:
    carol = person("carol", "admin")
    write_quotes(quotes=[Quote(date(2026, 7, 8), "EUR", "USD", Decimal("1.1"), "typed in")])
    bill(JULY, charge(JULY, "10"))
    earned(JULY, "50")
    earned(JULY, "8", "globex", currency="GBP")
    return carol


def figures(basis: Basis, span: Window) -> tuple[Decimal, Decimal]:
    found: Pnl = add_pnls(pnl_by_tenant(Slice(window=span, basis=basis)).values())
    return found.cost, found.revenue


def both_agree() -> tuple[Decimal, Decimal]:
    """Reported and restated over all months; what July itself reported."""
    whole = Window(JULY, date(2026, 10, 1))
    assert figures("reported", whole) == figures("restated", whole)
    return figures("reported", Window.of_month(JULY))


def begin(run: Callable[[], object], failed: list[BaseException]) -> threading.Thread:
    def guarded() -> None:
        try:
            run()
        except BaseException as error:  # told by the test's thread
            failed.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=guarded)
    thread.start()
    return thread


@pytest.mark.parametrize("write", WRITERS)
def test_a_close_waits_for_a_writer_and_reports_what_it_wrote(
    july: User, write: Callable[[], None]
) -> None:
    invoice("1.2" if write is settle_at_another_rate else "")
    accept = {**EVERY, **open_items(JULY)}
    written, go = threading.Event(), threading.Event()
    closed: list[ClosedMonth] = []
    failed: list[BaseException] = []

    def writes() -> None:
        with transaction.atomic():
            write()
            written.set()
            assert go.wait(WAIT)

    def closes() -> None:
        closed.append(close_month(month=JULY, actor=july, reason="x", accept=accept))

    writer = begin(writes, failed)
    assert written.wait(WAIT)
    closer = begin(closes, failed)
    closer.join(0.7)
    assert closer.is_alive(), (closed, failed)
    go.set()
    for thread in (writer, closer):
        thread.join(WAIT)
    assert not failed
    assert both_agree() == figures("restated", Window.of_month(JULY))
    (change,) = changes_since_close(Slice(Window.of_month(JULY)))
    assert not change.is_any


@pytest.mark.parametrize("write", WRITERS)
def test_a_writer_waits_for_a_close_and_what_it_wrote_is_an_adjustment(
    july: User, write: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice("1.2" if write is settle_at_another_rate else "")
    accept = {**EVERY, **open_items(JULY)}
    before = figures("restated", Window.of_month(JULY))
    reached, go = threading.Event(), threading.Event()
    failed: list[BaseException] = []
    store = month_close._store

    def slow_store(*what: object) -> None:
        reached.set()
        assert go.wait(WAIT)
        store(*what)  # type: ignore[arg-type]

    monkeypatch.setattr(month_close, "_store", slow_store)
    closer = begin(lambda: close_month(month=JULY, actor=july, reason="x", accept=accept), failed)
    assert reached.wait(WAIT), failed

    def writes() -> None:
        with transaction.atomic():
            write()

    writer = begin(writes, failed)
    writer.join(0.7)
    assert writer.is_alive(), failed
    go.set()
    for thread in (closer, writer):
        thread.join(WAIT)
    assert not failed
    assert ClosedMonth.objects.count() == 1
    assert both_agree() == before
    (change,) = changes_since_close(Slice(Window.of_month(JULY)))
    assert change.is_any
