"""An invoiced total of a meter is spread by the usage that is known, to the last digit, and anew when more is known."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.models import LedgerDay
from allocation.selectors import reconciliation
from finops.core.amounts import exact_sum
from finops.core.focus import ChargeCategory, ServiceCategory
from ingestion.core.invoices import Bill, Line, by_month
from ingestion.core.metered import MeteredHour, MeteredSpan
from ingestion.invoices import charge_again, charge_months, take_bills
from ingestion.jobs.charge_invoices import JOB

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)


class _Usage:
    id = "usage"
    meters = ("worker_requests",)

    def __init__(self, *hours: MeteredHour) -> None:
        self._hours = hours
        self.asked: list[date] = []

    def read(self, start: datetime, end: datetime) -> MeteredSpan:
        self.asked.append(start.date())
        return MeteredSpan([hour for hour in self._hours if start <= hour.hour < end], end)

    def marks(self) -> dict[date, str]:
        months = {hour.hour.date().replace(day=1) for hour in self._hours}
        return {
            month: repr([hour for hour in self._hours if hour.hour.date().replace(day=1) == month])
            for month in months
        }


def _used(monkeypatch: pytest.MonkeyPatch, *hours: MeteredHour) -> _Usage:
    usage = _Usage(*hours)
    monkeypatch.setattr("ingestion.spreading.metered", lambda: {"usage": usage})
    return usage


def _hour(day: int, quantity: int, tenant: str) -> MeteredHour:
    moment = datetime(2026, 4, day, 7, tzinfo=UTC)
    return MeteredHour(moment, "worker_requests", Decimal(quantity), "", tags={"tenant": tenant})


def _line(amount: str = "100.00", **changed: object) -> Line:
    about: dict[str, object] = {
        "description": "Workers requests",
        "service_name": "Workers",
        "service_category": ServiceCategory.COMPUTE,
        "charge_category": ChargeCategory.USAGE,
        "service_start": APRIL,
        "service_end": MAY,
        "amount": Decimal(amount),
        "meter": "worker_requests",
    }
    return Line(**{**about, **changed})  # type: ignore[arg-type]  # a test's keywords


def _take(*lines: Line) -> None:
    take_bills(bills=[Bill("Cloudflare", "CF-1", MAY, "USD", lines)])


def _rows() -> set[tuple[object, ...]]:
    names = ("day", "tenant__slug", "kind", "billed_cost")
    return set(LedgerDay.objects.values_list(*names))


def _billed() -> Decimal:
    return exact_sum(LedgerDay.objects.values_list("billed_cost", flat=True))


@pytest.mark.django_db
def test_a_total_is_spread_by_usage_as_true_up(monkeypatch: pytest.MonkeyPatch) -> None:
    _used(monkeypatch, _hour(3, 1, "acme"), _hour(3, 3, "globex"), _hour(9, 4, "acme"))
    _take(_line())
    assert _rows() == {
        (date(2026, 4, 3), "acme", "true-up", Decimal("12.5")),
        (date(2026, 4, 3), "globex", "true-up", Decimal("37.5")),
        (date(2026, 4, 9), "acme", "true-up", Decimal(50)),
    }
    assert [row.difference for row in reconciliation()] == [0]


@pytest.mark.django_db
def test_usage_of_one_day_and_owner_is_a_true_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    _used(monkeypatch, _hour(3, 1, "acme"))
    _take(_line())
    assert _rows() == {(date(2026, 4, 3), "acme", "true-up", Decimal(100))}


@pytest.mark.django_db
def test_usage_that_comes_later_spreads_the_month_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    _used(monkeypatch)
    _take(_line())
    assert {kind for _, _, kind, _ in _rows()} == {"billed"}
    _used(monkeypatch, _hour(3, 1, "acme"), _hour(4, 2, "globex"))
    assert charge_again() == 1
    assert {(tenant, kind) for _, tenant, kind, _ in _rows()} == {
        ("acme", "true-up"),
        ("globex", "true-up"),
    }
    assert _billed() == 100


@pytest.mark.django_db
def test_only_months_whose_usage_changed_are_spread_again(monkeypatch: pytest.MonkeyPatch) -> None:
    march = replace(_hour(3, 5, "acme"), hour=datetime(2026, 3, 3, tzinfo=UTC))
    known = march, _hour(3, 1, "acme")
    _used(monkeypatch, *known)
    _take(_line(service_start=date(2026, 3, 1)))
    assert charge_again() == 0
    usage = _used(monkeypatch, *known, _hour(9, 1, "globex"))
    assert charge_again() == 1
    assert usage.asked == [APRIL]
    assert (date(2026, 4, 9), "globex", "true-up") in {row[:3] for row in _rows()}
    usage.asked.clear()
    assert charge_again() == 0
    assert usage.asked == []


@pytest.mark.django_db
def test_who_waits_for_a_form_does_not_wait_for_usage_to_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = _used(monkeypatch, _hour(3, 1, "acme"))
    _take(_line())
    usage.asked.clear()
    charge_months(supplier="Cloudflare", months={APRIL}, by_usage=False)
    assert usage.asked == []
    assert _billed() == 100
    assert {kind for _, _, kind, _ in _rows()} == {"billed"}
    assert [wanted.subject for wanted in JOB.due(datetime(2026, 5, 2, tzinfo=UTC))] == ["invoices"]
    assert charge_again() == 1
    assert _rows() == {(date(2026, 4, 3), "acme", "true-up", Decimal(100))}
    assert not list(JOB.due(datetime(2026, 5, 2, tzinfo=UTC)))


@pytest.mark.django_db
def test_a_fee_names_its_meter_and_is_not_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    _used(monkeypatch, _hour(3, 1, "acme"))
    _take(_line("25", charge_category=ChargeCategory.PURCHASE), _line("7.77"))
    assert {(tenant, kind) for _, tenant, kind, _ in _rows()} == {
        (None, "billed"),
        ("acme", "true-up"),
    }
    assert _billed() == Decimal("32.77")


@given(
    st.decimals(-(10**9), 10**9, places=8),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.integers(1, 1000),
)
def test_months_of_a_line_sum_to_it_and_cover_its_days(
    amount: Decimal, start: date, days: int
) -> None:
    line = _line(str(amount), service_start=start, service_end=start + timedelta(days=days))
    parts = by_month(line)
    assert exact_sum(part.amount for part in parts) == amount
    assert (parts[0].start, parts[-1].end) == (line.service_start, line.service_end)
    assert all(one.end == other.start for one, other in pairwise(parts))
