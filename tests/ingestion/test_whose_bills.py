"""A FOCUS source knows from its own lines whose bills it holds, and from its deliveries when more is due."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.ledger_totals import ledger_totals
from allocation.reconciling import provider_months
from allocation.selectors import reconciliation
from allocation.source_days import source_days
from dashboards.presenters.sources import sources_table
from finops import clock
from finops.alerting import check_all, open_alerts
from finops.core.amounts import exact_sum
from finops.core.periods import Window, add_months
from ingestion.core.delivery import CurrencyTotal
from ingestion.core.focus_rows import UNKNOWN_CURRENCY
from ingestion.core.grid import DayState
from ingestion.core.lateness import DAILY_HOURS, expected_hours
from ingestion.focus_tally import by_currency, folded
from ingestion.models import Source
from ingestion.selectors import freshness
from ingestion.services import ingest
from tests.focus_files import in_may, row, write

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)
MONTHLY = {
    "ChargePeriodStart": "2026-04-01T00:00:00Z",
    "ChargePeriodEnd": "2026-05-01T00:00:00Z",
}


def at(monkeypatch: pytest.MonkeyPatch, year: int, month: int, day: int, hour: int) -> datetime:
    moment = datetime(year, month, day, hour, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: moment)
    return moment


def load(folder: Path) -> Source:
    assert [one.status for one in ingest(kind="focus", location=folder).outcomes][-1] == "loaded"
    return Source.objects.get(identity=f"folder {folder}")


# --- whose -------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_source_takes_the_only_provider_that_its_lines_name(tmp_path):
    write(tmp_path / "bills" / "a.csv", [row("10"), row("2.5")])
    assert load(tmp_path / "bills").service_provider_name == "Snowline"
    assert [bill.key.provider for bill in provider_months()] == ["Snowline"]


@pytest.mark.django_db
def test_bills_of_several_providers_in_one_folder_are_told_apart_to_the_last_digit(tmp_path):
    rows = [
        row("10.000000001"),
        row("2.5", ChargeCategory="Tax"),
        row("7", ProviderName="Icelake", Tags=""),
        row("nonsense", ProviderName="Icelake"),
        row("0.25", ProviderName="Icelake", ChargeCategory="Nonsense"),
        row("0.125", ProviderName="", PublisherName="", InvoiceIssuerName="", ChargeCategory="No"),
    ]
    write(tmp_path / "bills" / "a.csv", rows)
    source = load(tmp_path / "bills")
    assert source.service_provider_name == ""
    bills = {bill.key.provider: bill for bill in provider_months()}
    assert set(bills) == {"Snowline", "Icelake", source.name}
    assert bills["Snowline"].total("source_total") == Decimal("12.500000001")
    assert bills["Snowline"].parts == {"usage": Decimal("10.000000001"), "tax": Decimal("2.5")}
    assert bills["Snowline"].residuals["rounding to 8 decimals"] == Decimal("1e-9")
    ice = bills["Icelake"]
    assert (ice.total("ingested"), ice.total("rejected")) == (7, Decimal("0.25"))
    assert (ice.total("allocated"), ice.total("unallocated")) == (0, 7)
    assert (ice.lines, ice.rejected_lines) == (1, 2)
    assert bills[source.name].total("rejected") == Decimal("0.125"), "it names nobody"
    assert all(bill.is_explained for bill in bills.values())
    assert exact_sum(ledger_totals().values()) == exact_sum(
        one for found in reconciliation() for one in (found.allocated, found.unallocated)
    )
    (shown,) = sources_table(freshness(clock.now()).sources).rows
    assert "several providers" in shown.cells[0].note


@pytest.mark.django_db
def test_a_vendor_that_goes_leaves_the_other_one_its_name(tmp_path):
    write(tmp_path / "bills" / "a.csv", [row("10")])
    other = write(tmp_path / "bills" / "b.csv", [row("5", ProviderName="Icelake")])
    assert load(tmp_path / "bills").service_provider_name == ""
    other.unlink()
    assert load(tmp_path / "bills").service_provider_name == "Snowline"


_TOTALS = st.dictionaries(
    st.tuples(
        st.sampled_from(["USD", "EUR", UNKNOWN_CURRENCY]), st.sampled_from(["A", "B", "C", ""])
    ),
    st.builds(
        CurrencyTotal,
        *[st.decimals(-100, 100, places=4)] * 3,
        lines=st.integers(0, 3),
        rejected_lines=st.integers(0, 3),
    ),
)


@given(_TOTALS)
def test_folding_what_names_nobody_loses_and_invents_nothing(totals):
    found = folded(totals)
    for name in ("source", "rejected", "beyond", "lines", "rejected_lines"):
        before = sum(getattr(one, name) for one in totals.values())
        assert sum(getattr(one, name) for one in found.values()) == before
        assert sum(getattr(one, name) for one in by_currency(found).values()) == before


# --- how often ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_daily_vendor_that_stops_is_late_after_a_day_and_a_half(tmp_path, monkeypatch):
    at(monkeypatch, 2026, 4, 2, 6)
    write(tmp_path / "bills" / "a.csv", [row("10")])
    source = load(tmp_path / "bills")
    assert source.expected_every_hours == DAILY_HOURS
    end = datetime(2026, 4, 2, tzinfo=UTC) + timedelta(hours=DAILY_HOURS)
    check_all(now=end)
    assert not open_alerts()
    check_all(now=end + timedelta(minutes=5))
    assert [(one.kind, one.subject) for one in open_alerts()] == [("stale-source", source.slug)]
    cells = {
        cell.day.day: cell.state
        for cell in source_days(Window(APRIL, date(2026, 4, 7)), end + timedelta(days=1))[0][1]
    }
    assert (cells[1], cells[2], cells[4]) == (DayState.COMPLETE, DayState.LATE, DayState.DUE)


@pytest.mark.django_db
def test_a_vendor_that_bills_whole_months_is_late_when_the_next_bill_is(tmp_path, monkeypatch):
    at(monkeypatch, 2026, 5, 4, 6)
    write(tmp_path / "bills" / "april.csv", [row("10", **MONTHLY)])
    source = load(tmp_path / "bills")
    for moment, late in (
        (datetime(2026, 5, 31, tzinfo=UTC), False),
        (datetime(2026, 6, 11, tzinfo=UTC), False),
        (datetime(2026, 6, 11, 0, 1, tzinfo=UTC), True),
    ):
        check_all(now=moment)
        assert bool(open_alerts()) is late, moment
    at(monkeypatch, 2026, 6, 12, 6)
    write(tmp_path / "bills" / "may.csv", [in_may(row("11", **MONTHLY))])
    load(tmp_path / "bills")
    check_all(now=clock.now())
    assert not open_alerts(), "the bill has come"
    (found,) = freshness(clock.now()).sources
    assert (found.newest, found.provider) == (datetime(2026, 6, 1, tzinfo=UTC), "Snowline")
    days = dict(source_days(Window(APRIL, date(2026, 6, 1)), clock.now()))[source]
    assert {cell.state for cell in days} == {DayState.COMPLETE}


@pytest.mark.django_db
def test_days_without_a_charge_are_no_gap_of_a_vendor_that_bills_whole_months(
    tmp_path, monkeypatch
):
    now = at(monkeypatch, 2026, 5, 4, 6)
    write(tmp_path / "bills" / "april.csv", [row("10")])  # one day of use in the month
    load(tmp_path / "bills")
    ((_, cells),) = source_days(Window(APRIL, MAY), now)
    assert {cell.state for cell in cells} == {DayState.COMPLETE}
    assert "without a charge" in cells[9].reason


@pytest.mark.django_db
def test_hours_that_a_person_has_set_are_not_learnt_anew(tmp_path, monkeypatch):
    at(monkeypatch, 2026, 5, 4, 6)
    write(tmp_path / "bills" / "april.csv", [row("10")])
    load(tmp_path / "bills")
    Source.objects.update(expected_every_hours=100, is_expectation_learnt=False)
    write(tmp_path / "bills" / "april.csv", [row("11")])
    assert load(tmp_path / "bills").expected_every_hours == 100


@given(
    st.lists(st.tuples(st.integers(0, 24), st.integers(-20, 40)), max_size=8), st.integers(1, 30)
)
def test_one_month_that_came_before_its_end_makes_a_vendor_a_daily_one(months, within):
    first_came = []
    for number, days in months:
        start = datetime.combine(add_months(date(2025, 1, 1), number), datetime.min.time(), UTC)
        end = datetime.combine(add_months(start.date(), 1), datetime.min.time(), UTC)
        first_came.append((start, end + timedelta(days=days)))
    hours = expected_hours(first_came, bill_within_days=within)
    is_monthly = bool(months) and all(days >= 0 for _, days in months)
    assert hours == ((31 + within) * 24 if is_monthly else DAILY_HOURS)
