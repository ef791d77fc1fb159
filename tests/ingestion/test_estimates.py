"""Usage beyond the bills is estimated; bill and estimate never add up; the error is kept."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from allocation.coverage import gaps
from allocation.models import LedgerDay, Restatement
from finops import clock, job_table
from finops.core.periods import Window
from finops.models import Job, SettingOverride, Tenant
from finops.runner import Runner
from ingestion.core.frontier import Bill, cover_of
from ingestion.core.pricing import Price
from ingestion.estimate_models import MeterDay
from ingestion.estimate_selectors import meter_errors
from ingestion.estimating import estimate, is_stale
from ingestion.models import Connection, Load
from ingestion.origin_models import HostOrigin, UsageOwner
from ingestion.price_models import PriceListEntry
from ingestion.price_services import change_price
from ingestion.prices import price_of
from ingestion.selectors import data_through, freshness
from tests.ingestion.estimates import (
    ACCOUNT,
    HOST,
    MIDNIGHT,
    NOW,
    a_company,
    bill,
    contract,
    ledger,
    logs,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
EVEN = dict.fromkeys(range(24), 1)


@pytest.fixture(autouse=True)
def clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def _money(text: str) -> Decimal:
    return Decimal(text)


def test_one_gigabyte_from_s3_through_the_edge_is_paid_once(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", {10: 1})
    estimate()
    (row,) = LedgerDay.objects.all()
    assert (row.kind, row.effective_cost, row.billed_cost) == (
        "estimated",
        _money("0.09"),
        _money("0.09"),
    )
    assert row.tenant is not None
    assert row.tenant.slug == "acme"
    assert (row.confidence, row.method) == (_money("0.80"), f"host {HOST} v1")
    bill(tmp_path / "bills", {10: 1})
    estimate()
    assert ledger() == {"billed": _money("0.09")}


def test_an_estimate_begins_where_the_bill_ends_within_a_day(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", EVEN)
    bill(tmp_path / "bills", dict.fromkeys(range(15), 1), servers=20)
    estimate()
    assert ledger() == {"billed": _money("1.35"), "estimated": _money("0.81")}
    bill(tmp_path / "bills", EVEN, run=2)
    estimate()
    assert ledger() == {"billed": _money("2.16")}


def test_the_order_and_number_of_deliveries_makes_no_difference(tmp_path: Path) -> None:
    a_company()
    bill(tmp_path / "bills", dict.fromkeys(range(15), 1))
    estimate()
    logs(tmp_path / "logs", EVEN)
    estimate()
    bill(tmp_path / "bills", dict.fromkeys(range(15), 1))
    estimate()
    assert estimate().loads == 0
    assert ledger() == {"billed": _money("1.35"), "estimated": _money("0.81")}


def test_usage_that_comes_after_its_bill_adds_nothing(tmp_path: Path) -> None:
    a_company()
    bill(tmp_path / "bills", EVEN)
    logs(tmp_path / "logs", EVEN)
    estimate()
    logs(tmp_path / "logs", {3: 50}, first=2000)
    estimate()
    assert ledger() == {"billed": _money("2.16")}


def test_a_bill_that_reaches_less_far_than_before_brings_the_estimate_back(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", EVEN)
    bill(tmp_path / "bills", EVEN)
    estimate()
    bill(tmp_path / "bills", dict.fromkeys(range(6), 1), run=2)
    estimate()
    assert ledger() == {"billed": _money("0.54"), "estimated": _money("1.62")}


def test_a_whole_bill_without_a_line_of_the_meter_covers_it(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", EVEN)
    bill(tmp_path / "bills", {}, servers=11)
    estimate()
    assert ledger() == {"estimated": _money("1.08")}


def test_an_open_hour_is_not_estimated(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", {8: 1, 9: 1})
    logs(tmp_path / "logs", {10: 7}, first=3000)
    estimate()
    whole = ledger()["estimated"]
    assert whole == _money("0.81")  # the object that closes 10:00 came with it
    assert max(LedgerDay.objects.values_list("day", flat=True)) == MIDNIGHT.date()


def test_included_quantity_that_is_not_used_up_costs_nothing(tmp_path: Path) -> None:
    Tenant.objects.create(slug="acme", name="Acme", first_seen=NOW)
    HostOrigin.objects.create(pattern="*", kind="aws")
    logs(tmp_path / "logs", {10: 1})  # 1 GB a day is below the 100 GB that the list price includes
    assert estimate().lines == 0
    assert ledger() == {}


def test_the_average_price_is_that_of_the_month_as_it_is_expected_to_end(tmp_path: Path) -> None:
    Tenant.objects.create(slug="acme", name="Acme", first_seen=NOW)
    HostOrigin.objects.create(pattern="*", kind="aws")
    logs(tmp_path / "logs", {10: 10, 23: 0})
    estimate()
    # 30 days of 10 GB, of which 100 GB are free: 10 × (200 × 0.09 ÷ 300).
    assert ledger() == {"estimated": _money("0.6")}


def test_a_minimum_fee_counts_over_the_month(tmp_path: Path) -> None:
    a_company()
    entry = PriceListEntry.objects.get(account=ACCOUNT)
    change_price(
        entry_id=entry.pk,
        price=_changed(entry, minimum_charge=Decimal(54)),
        reason="minimum",
        by=None,
    )
    logs(tmp_path / "logs", {10: 10, 23: 0})
    estimate()
    # The month costs 300 × 0.09 = 27, at least 54: twice as much a gigabyte.
    assert ledger() == {"estimated": _money("1.8")}


def _changed(entry: PriceListEntry, **changed: Any) -> Price:
    return replace(price_of(entry), **changed)


def test_a_price_that_changes_within_the_month_counts_from_its_day(tmp_path: Path) -> None:
    a_company()
    entry = PriceListEntry.objects.get(account=ACCOUNT)
    change_price(
        entry_id=entry.pk,
        price=_changed(entry, unit_price=Decimal("0.18"), valid_from=date(2026, 4, 21)),
        reason="dearer",
        by=None,
    )
    logs(tmp_path / "logs", {23: 1, 24: 1})
    estimate()
    assert {row.day.day: row.effective_cost for row in LedgerDay.objects.all()} == {
        20: _money("0.09"),
        21: _money("0.18"),
    }


def test_a_price_in_another_currency_makes_a_line_in_that_currency(tmp_path: Path) -> None:
    Tenant.objects.create(slug="acme", name="Acme", first_seen=NOW)
    HostOrigin.objects.create(pattern="*", kind="aws", account=ACCOUNT)
    contract("0.10", currency="EUR")
    logs(tmp_path / "logs", {10: 1})
    estimate()
    (row,) = LedgerDay.objects.all()
    assert (row.billing_currency, row.effective_cost) == ("EUR", _money("0.1"))


def test_edge_bytes_cost_what_the_contract_says_beside_the_origin(tmp_path: Path) -> None:
    a_company()
    SettingOverride.objects.create(name="PRICING_EDGE_BYTES_PER_GB", value="0.01")
    logs(tmp_path / "logs", {10: 1})
    estimate()
    assert {row.service_provider_name: row.effective_cost for row in LedgerDay.objects.all()} == {
        "Amazon Web Services": _money("0.09"),
        "Cloudflare": _money("0.01073742"),  # 2^30 bytes are 1.073741824 GB of Cloudflare's
    }


def test_nothing_is_done_while_nothing_changes_and_everything_is_noticed(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", {10: 1})
    estimate()
    assert not is_stale(NOW)
    assert not is_stale(NOW + 31 * DAY)  # time alone changes nothing that is known of April
    UsageOwner.objects.create(
        kind="host",
        name=HOST,
        tenant=Tenant.objects.create(slug="globex", name="Globex", first_seen=NOW),
        confidence=Decimal("1.00"),
    )
    assert is_stale(NOW)
    estimate()
    (row,) = LedgerDay.objects.all()
    assert row.tenant is not None
    assert (row.tenant.slug, row.confidence) == ("globex", _money("1.00"))
    bill(tmp_path / "bills", {10: 1})
    assert is_stale(NOW)


def test_a_host_of_nobody_is_unallocated_and_makes_no_tenant(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", {10: 1}, host="stranger.example.com")
    estimate()
    (row,) = LedgerDay.objects.all()
    assert (row.tenant, row.confidence) == (None, 0)
    assert set(Tenant.objects.values_list("slug", flat=True)) == {"acme"}


def test_an_estimate_is_no_bill_and_no_restatement(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", {10: 1})
    estimate()
    logs(tmp_path / "logs", {11: 4}, first=2000)
    estimate()
    assert Load.objects.get(state="current").kind == "estimated"
    assert not Restatement.objects.exists()
    assert data_through() is None
    found = freshness(NOW)
    assert found.as_of is None
    assert [source.kind for source in found.sources] == ["cloudflare_logpush"]
    (gap,) = gaps([Window(date(2026, 4, 1), date(2026, 5, 1))], through=None, as_of=None)
    assert gap.months == (date(2026, 4, 1),)


def test_what_was_estimated_is_kept_when_the_bill_comes_and_compared(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", EVEN)
    estimate()
    assert meter_errors(None) == []
    bill(tmp_path / "bills", dict.fromkeys(range(15), 1))
    estimate()
    assert meter_errors(None) == []  # the bill has not reached the day's end
    bill(tmp_path / "bills", EVEN, run=2, rate="0.08")
    estimate()
    (error,) = meter_errors(date(2026, 4, 1))
    assert (error.provider, error.meter, error.period) == (
        "Amazon Web Services",
        "egress_bytes",
        date(2026, 4, 1),
    )
    assert (error.estimated, error.billed) == (_money("2.16"), _money("1.92"))
    assert (error.error, error.mape) == (_money("0.125"), _money("0.125"))
    assert (error.estimated_quantity, error.billed_quantity) == (24 * 2**30, 24 * 2**30)
    assert meter_errors(date(2026, 3, 1)) == []


def test_a_restated_bill_is_compared_anew_and_the_estimate_stays_as_it_was(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", EVEN)
    estimate()
    bill(tmp_path / "bills", EVEN, rate="0.08")
    estimate()
    bill(tmp_path / "bills", EVEN, run=2, rate="0.09")
    logs(tmp_path / "logs", {3: 50}, first=2000)
    estimate()
    (error,) = meter_errors(None)
    assert (error.estimated, error.billed) == (_money("2.16"), _money("2.16"))
    bill(tmp_path / "bills", dict.fromkeys(range(6), 1), run=3)
    estimate()
    assert meter_errors(None) == []
    kept = MeterDay.objects.get(day=MIDNIGHT.date())
    assert kept.billed_cost is None
    # What is estimated now knows the bill that was here, so it is not what people saw before it.
    assert kept.estimated_cost == _money("2.16")


def test_a_log_that_is_taken_makes_its_estimate_without_waiting(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", {10: 1})
    Connection.objects.create(
        slug="logs",
        kind="cloudflare_logpush",
        location=str(tmp_path / "logs"),
        check_every_minutes=1,
        created_at=NOW,
    )
    job_table.enqueue(kind="collect", subject="logs")
    assert Runner(worker="w").work_off() == 2
    assert set(Job.objects.values_list("kind", "state")) == {
        ("collect", "done"),
        ("estimate", "done"),
    }
    assert ledger() == {"estimated": _money("0.09")}


def test_a_killed_estimate_leaves_the_ledger_and_the_next_one_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_company()
    logs(tmp_path / "logs", {10: 1})

    def killed(**_what: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("allocation.services.commit_load", killed)
        with pytest.raises(KeyboardInterrupt):
            estimate()
    assert ledger() == {}
    assert is_stale(NOW)
    estimate()
    assert ledger() == {"estimated": _money("0.09")}


APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)
END = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("bill_", "meter", "account", "expected"),
    [
        (Bill("Amazon Web Services", APRIL, END), "egress_bytes", ACCOUNT, END),
        (Bill("Amazon Web Services", APRIL, NOW), "egress_bytes", ACCOUNT, NOW),
        (
            Bill(
                "Amazon Web Services",
                APRIL,
                NOW,
                frozenset({ACCOUNT, "x"}),
                {("egress_bytes", ACCOUNT): MIDNIGHT, ("egress_bytes", "x"): NOW},
            ),
            "egress_bytes",
            ACCOUNT,
            MIDNIGHT,
        ),
        (Bill("Amazon Web Services", APRIL, NOW, frozenset({"x"})), "egress_bytes", ACCOUNT, None),
        (Bill("Amazon Web Services", MAY, NOW), "egress_bytes", ACCOUNT, None),
        (Bill("Cloudflare", APRIL, END), "worker_requests", "a", None),
        (
            Bill("Cloudflare", APRIL, END, frozenset(), {("worker_requests", ""): END}),
            "worker_requests",
            "a",
            END,
        ),
        (
            Bill("Cloudflare", APRIL, END, frozenset(), {("worker_requests", ""): END}),
            "worker_cpu_us",
            "a",
            None,
        ),
    ],
)
def test_up_to_when_a_bill_covers_a_meter(
    bill_: Bill, meter: str, account: str, expected: datetime | None
) -> None:
    found = cover_of([bill_], meter=meter, account=account, month=APRIL)
    start = datetime(2026, 4, 1, tzinfo=UTC)
    assert found.spans == (((start, expected),) if expected else ())
