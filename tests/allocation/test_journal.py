"""The GL journal: balanced to the cent, accruals reversed and booked again, every key on an account."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from allocation.close_models import GlAccount
from allocation.core.journal import (
    ACCRUED,
    COLUMNS,
    EXCHANGE,
    EXPENSE,
    PAYABLE,
    PREPAID,
    ROUNDING,
    SUSPENSE,
    AccountRule,
    Bill,
    CostLine,
    JournalLine,
    Worth,
    build_journal,
    to_csv,
)
from allocation.journal import JournalError, journal_of
from finops import clock
from finops.core.amounts import exact_sum, to_cents
from finops.core.focus import CostKind, ServiceCategory
from ingestion.models import Load
from tests.allocation.closing import AUGUST, JULY, NOW, SEPTEMBER, bill, charge, close
from tests.dashboards.world import person

RULES = [
    AccountRule(EXPENSE, "5000"),
    AccountRule(EXPENSE, "5100", service_category="Storage"),
    AccountRule(EXPENSE, "5900", service_provider_name="AWS", charge_category="Tax"),
    AccountRule(PAYABLE, "2000"),
    AccountRule(ACCRUED, "2100"),
    AccountRule(PREPAID, "1300"),
    AccountRule(ROUNDING, "5999"),
    AccountRule(EXCHANGE, "7000"),
]


def line(tenant: str = "acme", category: str = "Compute", charge_: str = "Usage") -> CostLine:
    return CostLine(tenant, tenant, "AWS", category, charge_, "billed")


def bill_of(now, before=None, **fields) -> Bill:
    about = {
        "source": "aws",
        "billing_period": JULY,
        "currency": "USD",
        "service_provider_name": "AWS",
        "is_invoiced": True,
        "was_invoiced": False,
        "reference": "exec-1",
        **fields,
    }
    worths = [
        {key: Worth(*amounts) for key, amounts in (side or {}).items()} for side in (now, before)
    ]
    return Bill(now=worths[0], before=worths[1], **about)


def posted(lines: list[JournalLine]) -> list[tuple[str, str, str, str]]:
    return [(str(one.date), one.account, one.tenant, str(one.debit - one.credit)) for one in lines]


def test_an_invoice_is_expenses_against_a_payable():
    costs = {
        line(): (Decimal("10.004"), Decimal("10.004")),
        line("globex", "Storage"): (Decimal("5.001"), Decimal("5.001")),
        line("acme", charge_="Tax"): (Decimal("2"), Decimal("2")),
    }
    lines, errors = build_journal(JULY, [bill_of(costs)], RULES)
    assert errors == []
    assert posted(lines) == [
        ("2026-07-31", "5000", "acme", "10.00"),
        ("2026-07-31", "5100", "globex", "5.00"),
        ("2026-07-31", "5900", "acme", "2.00"),
        ("2026-07-31", "5999", "", "0.01"),
        ("2026-07-31", "2000", "", "-17.01"),
    ]
    assert {one.journal_id for one in lines} == {"2026-07/aws/2026-07/USD"}
    assert [one.line for one in lines] == [1, 2, 3, 4, 5]
    assert lines[0].reference == "exec-1"
    assert lines[2].description == "AWS Compute, Tax 2026-07"


def test_a_bill_without_an_invoice_is_accrued_and_reversed_on_the_first():
    lines, _ = build_journal(
        JULY, [bill_of({line(): (Decimal(7), Decimal(7))}, is_invoiced=False)], RULES
    )
    assert posted(lines) == [
        ("2026-07-31", "5000", "acme", "7.00"),
        ("2026-07-31", "2100", "", "-7.00"),
        ("2026-08-01", "5000", "acme", "-7.00"),
        ("2026-08-01", "2100", "", "7.00"),
    ]
    assert lines[2].journal_id == "2026-07/aws/2026-07/USD/R"
    assert lines[2].description == "Reversal: AWS Compute 2026-07"


def test_what_was_booked_for_good_is_booked_once_and_only_changed_by_the_difference():
    before = {line(): (Decimal(7), Decimal(7))}
    now = {line(): (Decimal("7.5"), Decimal("7.5"))}
    lines, _ = build_journal(AUGUST, [bill_of(now, before, was_invoiced=True)], RULES)
    assert [(one.account, str(one.debit - one.credit)) for one in lines] == [
        ("5000", "0.50"),
        ("2000", "-0.50"),
    ]
    assert build_journal(AUGUST, [bill_of(before, before, was_invoiced=True)], RULES)[0] == []


def test_a_credit_note_turns_the_sides():
    lines, _ = build_journal(JULY, [bill_of({line(): (Decimal(-3), Decimal(-3))})], RULES)
    assert [(one.account, one.debit, one.credit) for one in lines] == [
        ("5000", 0, Decimal("3.00")),
        ("2000", Decimal("3.00"), 0),
    ]


def test_what_is_billed_and_not_yet_effective_is_prepaid():
    lines, _ = build_journal(JULY, [bill_of({line(): (Decimal(120), Decimal(10))})], RULES)
    assert [(one.account, str(one.debit - one.credit)) for one in lines] == [
        ("5000", "10.00"),
        ("1300", "110.00"),
        ("2000", "-120.00"),
    ]


def test_what_an_invoice_was_paid_above_its_rate_is_on_its_own_account():
    costs = {line(): (Decimal("120"), Decimal("109.10"), Decimal("10.90"))}
    lines, _ = build_journal(JULY, [bill_of(costs, billed_in="EUR")], RULES)
    assert [(one.account, str(one.debit - one.credit), one.description) for one in lines] == [
        ("5000", "109.10", "AWS Compute 2026-07, billed in EUR"),
        ("7000", "10.90", "AWS Compute 2026-07, billed in EUR, exchange difference"),
        ("2000", "-120.00", "AWS 2026-07, billed in EUR, invoice"),
    ]
    assert {one.journal_id for one in lines} == {"2026-07/aws/2026-07/EUR-USD"}


def test_a_key_without_an_account_is_named_or_goes_to_suspense():
    costs = {line(): (Decimal(1), Decimal(1))}
    _, errors = build_journal(JULY, [bill_of(costs)], RULES[1:])
    assert errors == [
        "No expense account takes AWS, Compute, Usage, billed: add one to the GL accounts, or a suspense account."
    ]
    lines, errors = build_journal(JULY, [bill_of(costs)], [AccountRule(SUSPENSE, "9999")])
    assert errors == []
    assert {one.account for one in lines} == {"9999"}


def test_the_file_is_csv_with_no_formula_in_it():
    costs = {line("=cmd()"): (Decimal("1234.5"), Decimal("1234.5"))}
    text = to_csv(build_journal(JULY, [bill_of(costs, reference="@x")], RULES)[0])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["tenant"], rows[0]["reference"]) == ("'=cmd()", "'@x")
    assert (rows[0]["debit"], rows[0]["credit"]) == ("1234.50", "")
    assert text.endswith("\r\n")


money = st.decimals("-1000", "1000", places=8, allow_nan=False)
costs_of = st.dictionaries(
    st.builds(
        line,
        st.sampled_from(["acme", "globex", ""]),
        st.sampled_from(["Compute", "Storage"]),
        st.sampled_from(["Usage", "Tax", "Credit"]),
    ),
    st.tuples(money, money, money),
    max_size=6,
)


@given(costs_of, costs_of, st.booleans(), st.booleans())
def test_every_journal_balances_and_says_the_bill_to_the_cent(now, before, is_invoiced, was):
    lines, errors = build_journal(
        JULY, [bill_of(now, before, is_invoiced=is_invoiced, was_invoiced=was)], RULES
    )
    assert errors == []
    by_id = defaultdict(list)
    for one in lines:
        by_id[one.journal_id].append(one)
        assert (one.debit > 0) != (one.credit > 0)
        assert one.debit == to_cents(one.debit)
    for mine in by_id.values():
        assert exact_sum(one.debit for one in mine) == exact_sum(one.credit for one in mine)
    booked = [one for one in lines if not one.journal_id.endswith("/R")]
    borne = exact_sum(one.debit - one.credit for one in booked if one.account[0] in "57")
    wanted = exact_sum(amount for _, *parts in now.values() for amount in parts)
    if was:
        wanted -= exact_sum(amount for _, *parts in before.values() for amount in parts)
    assert borne == to_cents(wanted)
    if not (is_invoiced or was):
        assert exact_sum(one.debit - one.credit for one in lines if one.account == "2100") == 0


# --- from the database -----------------------------------------------------------------------------


@pytest.fixture
def books_of_summer(db, monkeypatch):
    """July is accrued at its close, invoiced and dearer in August; August is invoiced at once."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    for rule in RULES:
        GlAccount.objects.create(**{k: v for k, v in rule.__dict__.items() if v})
    carol = person("carol", "admin")
    bill(JULY, charge(JULY, "100.25"), charge(JULY, "50", "", category=ServiceCategory.STORAGE))
    close(JULY, carol)
    bill(JULY, charge(JULY, "101", invoice_id="I-7"), charge(JULY, "50", "", invoice_id="I-7"))
    bill(AUGUST, charge(AUGUST, "70", "globex", invoice_id="I-8"))
    close(AUGUST, carol)
    return carol


def balances(*months: date, until: date) -> dict[str, Decimal]:
    """Account → balance of all journals, up to and including a day."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for month in months:
        for one in journal_of(month):
            if one.date <= until:
                found[one.account] += one.debit - one.credit
    return {account: amount for account, amount in found.items() if amount}


def test_an_accrual_ends_as_the_payable_of_its_invoice(books_of_summer):
    assert Load.objects.filter(is_invoiced=True, state="current").count() == 2
    july = balances(JULY, until=date(2026, 7, 31))
    assert july == {
        "5000": Decimal("100.25"),
        "5100": Decimal("50.00"),
        "2100": Decimal("-150.25"),
    }
    both = balances(JULY, AUGUST, until=date(2026, 8, 31))
    assert "2100" not in both
    assert both["2000"] == Decimal("-221.00")
    assert sum(amount for account, amount in both.items() if account.startswith("5")) == 221


def test_a_month_that_is_open_has_no_journal(books_of_summer):
    with pytest.raises(JournalError, match="2026-09 is not closed"):
        journal_of(SEPTEMBER)


def test_a_settled_bill_is_in_no_later_journal_unless_it_changes(books_of_summer):
    carol = books_of_summer
    bill(SEPTEMBER, charge(SEPTEMBER, "1", invoice_id="I-9"))
    bill(JULY, charge(JULY, "90", invoice_id="I-7"), charge(JULY, "50", "", invoice_id="I-7"))
    close(SEPTEMBER, carol)
    assert {one.journal_id for one in journal_of(SEPTEMBER)} == {
        "2026-09/aws/2026-07/USD",
        "2026-09/aws/2026-09/USD",
    }
    every = balances(JULY, AUGUST, SEPTEMBER, until=date(2026, 9, 30))
    assert every["2000"] == Decimal("-211.00")


def test_an_estimate_is_accrued_until_it_is_gone(books_of_summer):
    carol = books_of_summer
    bill(
        SEPTEMBER,
        charge(SEPTEMBER, "5", provider="Cloudflare"),
        source="estimate",
        provider="Cloudflare",
        kind=CostKind.ESTIMATED,
    )
    close(SEPTEMBER, carol)
    october = date(2026, 10, 1)
    bill(SEPTEMBER, source="estimate", provider="Cloudflare", kind=CostKind.ESTIMATED)
    bill(
        SEPTEMBER,
        charge(SEPTEMBER, "6", invoice_id="C-9", provider="Cloudflare"),
        source="cf",
        provider="Cloudflare",
    )
    bill(october, charge(october, "1", invoice_id="I-10"))
    close(october, carol)
    every = balances(JULY, AUGUST, SEPTEMBER, october, until=date(2026, 10, 31))
    assert "2100" not in every
    assert every["2000"] == Decimal("-228.00")


def test_the_cost_centre_is_what_the_setting_says(books_of_summer, settings):
    assert {one.cost_centre for one in journal_of(AUGUST)} == {"", "acme", "globex"}
    settings.GL_COST_CENTRE = "team"
    assert {one.cost_centre for one in journal_of(AUGUST)} == {""}


def test_the_journal_is_the_same_every_time(books_of_summer):
    assert to_csv(journal_of(AUGUST)) == to_csv(journal_of(AUGUST))


def test_the_command_writes_the_file_or_one_sentence(books_of_summer, tmp_path):
    out = tmp_path / "journal.csv"
    call_command("export_journal", "--month", "2026-08", "--out", str(out))
    assert out.read_bytes().decode() == to_csv(journal_of(AUGUST))
    for month, words in (("2026-09", "is not closed"), ("September", "not a month")):
        with pytest.raises(CommandError, match=words) as refused:
            call_command("export_journal", "--month", month, "--out", str(out))
        assert refused.value.returncode == 2
    with pytest.raises(CommandError, match="cannot be written") as refused:
        call_command("export_journal", "--month", "2026-08", "--out", str(tmp_path / "no" / "x"))
    assert refused.value.returncode == 2
    GlAccount.objects.filter(role="payable").delete()
    with pytest.raises(CommandError, match="No payable account takes AWS"):
        call_command("export_journal", "--month", "2026-08", "--out", str(out))
    assert out.read_bytes().decode().startswith("date,")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"role": "expense", "account": "50 10"}, "letters, digits"),
        ({"role": "expense", "account": "=5010"}, "letters, digits"),
        ({"role": "rounding", "account": "5", "kind": "billed"}, "whole journal"),
        ({"role": "payable", "account": "2", "service_category": "Compute"}, "by provider only"),
        ({"role": "expense", "account": "5", "charge_category": "Fun"}, "is none"),
        ({"role": "expense", "account": "5", "kind": "guess"}, "is none"),
    ],
)
def test_an_account_that_could_never_match_is_refused(db, fields, words):
    with pytest.raises(ValidationError, match=words):
        GlAccount(**fields).full_clean()
