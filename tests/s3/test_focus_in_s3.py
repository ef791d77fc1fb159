"""A vendor's FOCUS files in a bucket: loaded, delivered anew, taken away and late like those of a folder."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from allocation.models import LedgerDay, Restatement
from allocation.reconciling import provider_months
from finops import clock
from finops.alerting import check_all, open_alerts
from ingestion.core.lateness import DAILY_HOURS
from ingestion.models import Load, Source
from ingestion.services import IngestReport, ingest
from tests.focus_files import in_may, row, write
from tests.properties.test_cur_properties import clear
from tests.s3.server import BUCKET, Answer, Proxy, Store

pytestmark = pytest.mark.django_db

PLACE = f"s3://{BUCKET}/bills/snowline"


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: moment)


def from_s3(store: Store | Proxy) -> IngestReport:
    return ingest(kind="focus", location=PLACE, endpoint_url=store.url)


def statuses(store: Store | Proxy) -> list[str]:
    return [one.status for one in from_s3(store).outcomes]


def ledger() -> list[tuple[Any, ...]]:
    names = ("day", "tenant__slug", "service_provider_name", "service_name", "charge_category")
    return sorted(LedgerDay.objects.values_list(*names, "billed_cost", "effective_cost"), key=str)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two months in three files of three forms."""
    place = tmp_path / "there" / "snowline"
    write(place / "april.csv.gz", [row("10"), row("2.5", ChargeCategory="Tax")])
    write(place / "more" / "april.parquet", [row("-0.125", ChargeCategory="Credit")])
    write(place / "may.csv", [in_may(row("7"))])
    return place


def test_a_folder_in_a_bucket_gives_the_ledger_of_the_same_folder_on_disk(store, folder):
    assert ingest(kind="focus", location=folder).exit_code == 0
    expected = ledger()
    assert expected
    clear()
    store.fill(folder, "bills/snowline/")
    assert statuses(store) == ["loaded", "loaded"]
    assert ledger() == expected
    source = Source.objects.get(identity=f"folder {PLACE}")
    assert (source.service_provider_name, source.name) == ("Snowline", "FOCUS (snowline)")
    assert {bill.key.billing_period: bill.total("ingested") for bill in provider_months()} == {
        date(2026, 4, 1): Decimal("12.375"),
        date(2026, 5, 1): Decimal(7),
    }


def test_what_did_not_change_is_not_downloaded_and_what_did_restates_its_month(
    store, proxy, folder, monkeypatch
):
    at(monkeypatch, datetime(2026, 6, 3, tzinfo=UTC))
    store.fill(folder, "bills/snowline/")
    assert statuses(proxy) == ["loaded", "loaded"]
    proxy.asked.clear()
    assert set(statuses(proxy)) == {"unchanged"}
    assert not [path for method, path, _ in proxy.asked if method == "GET" and "april" in path]
    write(folder / "april.csv.gz", [row("11"), row("2.5", ChargeCategory="Tax")])
    store.fill(folder, "bills/snowline/")
    assert sorted(statuses(proxy)) == ["loaded", "unchanged"]
    (april,) = [one for one in provider_months() if one.key.billing_period.month == 4]
    assert april.total("ingested") == Decimal("13.375")
    assert Restatement.objects.get().load.billing_period == date(2026, 4, 1)


def test_a_vendor_whose_bucket_gets_nothing_new_is_late(store, folder, monkeypatch, tmp_path):
    at(monkeypatch, datetime(2026, 4, 2, 6, tzinfo=UTC))
    write(tmp_path / "one" / "april.csv", [row("10")])
    store.fill(tmp_path / "one", "bills/snowline/")
    assert statuses(store) == ["loaded"]
    assert Source.objects.get().expected_every_hours == DAILY_HOURS
    end = datetime(2026, 4, 2, tzinfo=UTC) + timedelta(hours=DAILY_HOURS)
    check_all(now=end)
    assert not open_alerts()
    check_all(now=end + timedelta(minutes=5))
    assert [one.kind for one in open_alerts()] == ["stale-source"]


def test_a_file_that_is_cut_short_in_the_bucket_holds_the_vendor_back(store, folder):
    store.fill(folder, "bills/snowline/")
    whole = (folder / "april.csv.gz").read_bytes()
    store.put("bills/snowline/april.csv.gz", whole[: len(whole) // 2])
    report = from_s3(store)
    assert report.exit_code != 0
    assert not Load.objects.exists()


def test_a_file_that_is_written_anew_while_it_is_read_is_read_from_the_start(
    store, proxy, folder, tmp_path
):
    store.fill(folder, "bills/snowline/")
    write(tmp_path / "new" / "april.csv.gz", [row("99")])
    changed: list[str] = []

    def rewrite(method: str, path: str, _count: int, _answer: Answer) -> None:
        if method == "GET" and "april.csv.gz" in path and not changed:
            changed.append(path)
            store.fill(tmp_path / "new", "bills/snowline/")

    proxy.fault = rewrite
    assert from_s3(proxy).exit_code == 0 or from_s3(proxy).exit_code == 0
    assert changed
    (april,) = [one for one in provider_months() if one.key.billing_period.month == 4]
    assert april.total("source_total") == Decimal("98.875")


def test_a_store_that_is_busy_is_asked_again(store, proxy, folder):
    store.fill(folder, "bills/snowline/")
    body = b"<Error><Code>SlowDown</Code><Message>busy</Message></Error>"

    def busy(_method: str, _path: str, count: int, _answer: Answer) -> Answer | None:
        return Answer(503, [("Content-Type", "application/xml")], body) if count == 1 else None

    proxy.fault = busy
    assert statuses(proxy) == ["loaded", "loaded"]
