"""Bills in other currencies in the journal: at the rate of the close, trued up when they are paid."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from allocation.close_models import GlAccount
from allocation.journal import journal_of
from finops import clock
from finops.core.focus import ChargeCategory, ServiceCategory
from finops.core.fx import Quote
from finops.fx import write_quotes
from finops.models import User
from ingestion.core.invoices import Bill, Line
from ingestion.invoices import take_bills
from tests.allocation.closing import AUGUST, JULY, NOW, bill, charge, close
from tests.allocation.test_journal import RULES, balances
from tests.dashboards.world import person


def invoice(amount: str, settled: str = "") -> None:
    about = Line(
        description="Stamps",
        service_name="Time stamps",
        service_category=ServiceCategory.SECURITY,
        charge_category=ChargeCategory.USAGE,
        service_start=JULY,
        service_end=AUGUST,
        amount=Decimal(amount),
        tenant="acme",
    )
    paid = Decimal(settled) if settled else None
    bill_ = Bill("TSA", "1", AUGUST, "EUR", (about,), settled_rate=paid)
    take_bills(bills=[replace(bill_, settled_currency="USD" if settled else "")])


def close_with(actor: User, *closed: date) -> None:
    for month in closed:
        bill(month, charge(month, "5", invoice_id=f"I-{month:%m}"))
        close(month, actor)


def the_rate(value: str) -> None:
    write_quotes(quotes=[Quote(date(2026, 7, 8), "EUR", "USD", Decimal(value), "typed in")])


@pytest.fixture
def accounts(db, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(clock, "today", NOW.date)
    for rule in RULES:
        GlAccount.objects.create(**{k: v for k, v in rule.__dict__.items() if v})
    return person("carol", "admin")


def test_a_foreign_bill_is_booked_at_the_rate_of_the_close_and_its_payment_trues_it_up(accounts):
    the_rate("1.091")
    invoice("100.01")
    close_with(accounts, JULY)
    invoice("100.01", settled="1.2")
    close_with(accounts, AUGUST)
    lines = [*journal_of(JULY), *journal_of(AUGUST)]
    assert {one.currency for one in lines} == {"USD"}
    assert balances(JULY, until=date(2026, 7, 31)) == {
        "5000": Decimal("114.11"),
        "2000": Decimal("-114.11"),
    }
    assert balances(JULY, AUGUST, until=date(2026, 8, 31)) == {
        "5000": Decimal("119.11"),  # 100.01 at 1.091, and twice the 5 of the other bill
        "7000": Decimal("10.90"),
        "2000": Decimal("-130.01"),
    }


def test_what_has_no_rate_is_a_journal_in_its_own_currency_until_it_has_one(accounts):
    invoice("100")
    close_with(accounts, JULY)
    euros = [one for one in journal_of(JULY) if one.currency == "EUR"]
    assert sum(one.debit for one in euros) == sum(one.credit for one in euros) == 100
    the_rate("1.1")
    close_with(accounts, AUGUST)
    every = [*journal_of(JULY), *journal_of(AUGUST)]
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for one in every:
        sums[one.currency, one.account] += one.debit - one.credit
    assert {key: amount for key, amount in sums.items() if amount} == {
        ("USD", "5000"): Decimal(120),
        ("USD", "2000"): Decimal(-120),
    }
