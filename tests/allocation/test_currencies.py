"""Amounts of other currencies count at dated rates, exactly, or not at all and then by name."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from allocation.alerts.missing_rate import MissingRate
from allocation.core.figures import Slice
from allocation.currencies import fx_differences
from allocation.selectors import (
    currency_notes,
    other_currencies,
    pnl_by_column,
    pnl_by_tenant,
    services,
    unallocated_cost,
)
from finops import clock
from finops.core.amounts import EXACT, exact_sum
from finops.core.periods import Window
from finops.fx_models import ExchangeRate
from ingestion.models import RejectedRow
from ingestion.services import ingest

pytestmark = pytest.mark.django_db
APRIL = Slice(Window(date(2026, 4, 1), date(2026, 5, 1)))
HEADER = (
    "supplier,invoice_id,issued_on,currency,description,service_name,charge_category,service_start,"
    "service_end,amount,tenant,environment,settled_rate,settled_currency\n"
)


@pytest.fixture(autouse=True)
def in_june(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 6, 10, tzinfo=UTC))
    monkeypatch.setattr(clock, "today", lambda: date(2026, 6, 10))


def bills(folder: Path, *rows: str) -> None:
    (folder / "bills.csv").write_text(HEADER + "".join(rows))
    assert ingest(kind="invoice_csv", location=folder / "bills.csv").exit_code == 0


def rates(folder: Path, text: str, name: str = "rates.csv") -> int:
    (folder / name).write_text(text)
    return ingest(kind="ecb_rates", location=folder / name).exit_code


def bill(
    number: str,
    amount: str,
    currency: str = "EUR",
    *,
    tenant: str = "acme",
    environment: str = "",
    settled: str = "",
) -> str:
    paid = f"{settled},USD" if settled else ","
    return (
        f"TSA,{number},2026-05-01,{currency},Tokens,Time stamps,Usage,2026-04-01,2026-05-01,{amount},{tenant},"
        f"{environment},{paid}\n"
    )


ECB = "Date,USD,GBP,ISK,\n2026-04-02,1.10,0.80,N/A,\n2026-04-01,1.08,0.90,N/A,\n"


def test_a_month_is_converted_at_the_average_of_its_published_days(tmp_path: Path) -> None:
    bills(tmp_path, bill("1", "100.00"), bill("2", "7.00", "USD"))
    assert rates(tmp_path, ECB) == 0
    assert pnl_by_tenant(APRIL)["acme"].cost == Decimal(116)
    assert pnl_by_column(APRIL, "month")["2026-04"].cost == Decimal(116)
    days = pnl_by_column(APRIL, "day")
    assert exact_sum(pnl.cost for pnl in days.values()) == Decimal(116)
    (row,) = services(APRIL, "Other")
    assert (row.effective_cost, row.lines) == (Decimal(116), 2)
    (note,) = currency_notes(APRIL).converted
    assert (note.rate.base, note.rate.rate, note.cost) == ("EUR", Decimal("1.09"), Decimal(100))
    assert note.rate.basis == "average of Apr 2026"


def test_without_a_rate_nothing_is_added_and_the_amount_is_named(tmp_path: Path) -> None:
    bills(tmp_path, bill("1", "100.00"), bill("2", "7.00", "USD"))
    assert pnl_by_tenant(APRIL)["acme"].cost == 7
    assert other_currencies(APRIL) == ("EUR",)
    (missing,) = currency_notes(APRIL).missing
    assert (missing.currency, missing.month, missing.cost) == ("EUR", date(2026, 4, 1), 100)


def test_a_settled_invoice_counts_at_the_rate_that_was_paid(tmp_path: Path) -> None:
    bills(tmp_path, bill("1", "100.00", settled="1.2"), bill("2", "10.00"))
    assert rates(tmp_path, ECB) == 0
    assert pnl_by_tenant(APRIL)["acme"].cost == Decimal("130.90")
    assert pnl_by_column(APRIL, "month")["2026-04"].cost == Decimal("130.90")
    (row,) = services(APRIL, "Other")
    assert (row.effective_cost, row.lines) == (Decimal("130.90"), 2)
    (difference,) = fx_differences(date(2026, 4, 1))
    assert (difference.invoice_id, difference.difference) == ("1", Decimal(11))


def test_an_invoice_that_is_settled_later_moves_without_being_there_twice(tmp_path: Path) -> None:
    bills(tmp_path, bill("1", "100.00"))
    bills(tmp_path, bill("1", "100.00", settled="1.2"))
    assert pnl_by_tenant(APRIL)["acme"].cost == Decimal(120)


def test_what_was_paid_at_a_rate_of_its_own_lacks_no_rate(tmp_path: Path) -> None:
    bills(tmp_path, bill("1", "100.00", settled="1.2"))
    assert pnl_by_tenant(APRIL)["acme"].cost == Decimal(120)
    assert currency_notes(APRIL).missing == ()
    bills(tmp_path, bill("2", "7.50"))
    (missing,) = currency_notes(APRIL).missing
    assert missing.cost == Decimal("7.50"), "only the other invoice is in no figure"


def test_amounts_without_a_rate_are_an_alert_by_currency_and_month_until_a_rate_comes(
    tmp_path: Path,
) -> None:
    (tmp_path / "revenue.csv").write_text(
        "tenant,service_start,service_end,amount,currency,invoice_id\n"
        "acme,2026-05-01,2026-06-01,200.00,GBP,A-1\n"
    )
    assert ingest(kind="revenue_csv", location=tmp_path / "revenue.csv").exit_code == 0
    bills(tmp_path, bill("1", "100.00"), bill("2", "7.00", "USD"), bill("3", "9", settled="1.2"))
    euro, pound = MissingRate().findings(clock.now())
    assert (euro.subject, pound.subject) == ("EUR 2026-04", "GBP 2026-05")
    assert (euro.size, pound.size) == (Decimal(100), Decimal(200))
    assert "cost of 100.00 EUR is in no figure, because no rate from EUR to USD" in euro.sentence
    assert rates(tmp_path, ECB) == 0
    (left,) = MissingRate().findings(clock.now())
    assert left.subject == "GBP 2026-05"


def test_a_company_with_one_currency_is_asked_for_no_rate(
    tmp_path: Path, django_assert_num_queries: Any
) -> None:
    bills(tmp_path, bill("1", "7.00", "USD"))
    with django_assert_num_queries(1):
        assert list(MissingRate().findings(clock.now())) == []


def test_revenue_in_another_currency_is_converted_too(tmp_path: Path) -> None:
    (tmp_path / "revenue.csv").write_text(
        "tenant,service_start,service_end,amount,currency,invoice_id\n"
        "acme,2026-04-01,2026-05-01,200.00,GBP,A-1\n"
    )
    assert ingest(kind="revenue_csv", location=tmp_path / "revenue.csv").exit_code == 0
    assert rates(tmp_path, ECB) == 0
    found = pnl_by_tenant(APRIL)["acme"].revenue
    # The average of two days' crosses: 1.08/0.90 and 1.10/0.80.
    assert found == EXACT.multiply(Decimal(200), Decimal("1.2875"))


def test_parts_converted_sum_to_the_whole_converted(tmp_path: Path) -> None:
    bills(tmp_path, *(bill(str(n), f"{n}.{n:02}7", tenant=f"t{n}") for n in range(1, 9)))
    assert (
        rates(tmp_path, "Date,USD\n2026-04-01,1.0831\n2026-04-02,1.0849\n2026-04-03,1.0902\n") == 0
    )
    parts = pnl_by_tenant(APRIL)
    whole = pnl_by_column(APRIL, "month")["2026-04"]
    assert exact_sum(pnl.cost for pnl in parts.values()) == whole.cost
    (note,) = currency_notes(APRIL).converted
    assert whole.cost == EXACT.multiply(note.cost, note.rate.rate)
    assert note.rate.rounding != 0


def test_rates_are_quarantined_cell_by_cell_and_loaded_once(tmp_path: Path) -> None:
    text = (
        "Date,USD,GBP\n2026-04-01,=1+1,0.9\n2026-13-01,1,1\n2026-04-02,1.1,-3\n2026-04-03,1.2,0.8\n"
    )
    assert rates(tmp_path, text) == 1
    assert ExchangeRate.objects.count() == 4
    assert RejectedRow.objects.count() == 3
    assert rates(tmp_path, text, "again.csv") == 1
    assert ExchangeRate.objects.count() == 4
    assert rates(tmp_path, "day,base,quote,rate\n2026-04-03,EUR,USD,1.25\n", "long.csv") == 0
    assert ExchangeRate.objects.get(day="2026-04-03", quote="USD").rate == Decimal("1.25")
    assert rates(tmp_path, "a,b\n1,2\n", "no.csv") == 2


def test_non_production_cost_stands_below_the_line(tmp_path: Path, settings: LazySettings) -> None:
    bills(
        tmp_path,
        bill("1", "100.00", "USD", environment="production"),
        bill("2", "40.00", "USD", environment="dev"),
        bill("3", "10.00", environment="dev"),
        bill("4", "5.00", "USD", tenant="globex", environment="dev"),
    )
    rates(tmp_path, ECB)
    assert pnl_by_tenant(APRIL)["acme"].cost == Decimal("150.90")
    settings.NON_PRODUCTION_ENVIRONMENTS = ["dev", "staging"]
    acme = pnl_by_tenant(APRIL)["acme"]
    assert acme.cost == 100
    assert acme.below_line == {"Non-production": Decimal("50.90")}
    assert acme.firm == 100
    globex = pnl_by_tenant(APRIL)["globex"]
    assert (dict(globex.direct), globex.below_line) == ({}, {"Non-production": Decimal(5)})
    (row,) = services(replace(APRIL, tenants=("acme",)), "Other")
    assert row.effective_cost == 100
    assert unallocated_cost(APRIL) == 0
    days = pnl_by_column(APRIL, "day")
    assert exact_sum(
        pnl.below_line.get("Non-production", Decimal(0)) for pnl in days.values()
    ) == Decimal("55.90")
