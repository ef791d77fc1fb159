"""Bills in a bucket: found page by page, read as they were found, and whatever breaks has a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from pytest_django import Settings

from ingestion.models import Delivery, Load
from ingestion.services import IngestReport, ingest
from tests.cur_export import Export, line
from tests.cur_forms import write_legacy
from tests.ingestion.bills import load, only_row
from tests.ingestion.test_forms import ledger
from tests.properties.test_cur_properties import clear
from tests.s3.server import BUCKET, Answer, Proxy, Store, free_port

pytestmark = pytest.mark.django_db


@pytest.fixture
def bill() -> Export:
    """Two files, two tenants."""
    rows = [line(f"{n}.5", tenant="acme" if n % 2 else "globex", hour=n) for n in range(6)]
    return Export(rows, chunks=2)


def from_s3(store: Store | Proxy, prefix: str = "billing", *, again: bool = False) -> IngestReport:
    return ingest(
        kind="aws_cur", location=f"s3://{BUCKET}/{prefix}", endpoint_url=store.url, again=again
    )


def sentence(report: IngestReport) -> str:
    (outcome,) = report.outcomes
    assert outcome.status == "failed"
    assert not Load.objects.exists()
    return outcome.sentence


def test_a_bill_in_a_bucket_gives_the_ledger_of_the_same_folder(store, bill, tmp_path):
    load(bill.write(tmp_path / "folder"))
    expected = ledger()
    clear()
    store.fill(tmp_path / "folder", "billing/")
    assert [one.status for one in from_s3(store).outcomes] == ["loaded"]
    assert ledger() == expected


def test_a_legacy_report_in_a_bucket_is_read(store, bill, tmp_path):
    store.fill(write_legacy(bill, tmp_path / "folder", key_form="/{key}"))
    assert [one.status for one in from_s3(store, "").outcomes] == ["loaded"]
    assert only_row().source_total == bill.total()


def test_a_manifest_beyond_the_first_page_of_a_listing_is_found(store, bill, tmp_path):
    for number in range(1_001):
        store.put(f"billing/aaa/{number:05d}.txt", b"")
    store.fill(bill.write(tmp_path / "folder"), "billing/")
    assert from_s3(store).exit_code == 0
    assert only_row().source_total == bill.total()


def test_what_did_not_change_is_not_even_downloaded(store, proxy, bill, tmp_path):
    store.fill(bill.write(tmp_path / "folder"), "billing/")
    from_s3(store)
    report = from_s3(proxy)
    assert [one.status for one in report.outcomes] == ["unchanged"]
    assert not [path for method, path, _ in proxy.asked if method == "GET" and ".csv.gz" in path]


def test_every_read_names_the_bytes_that_were_listed(store, proxy, bill, tmp_path):
    store.fill(bill.write(tmp_path / "folder"), "billing/")
    from_s3(proxy)
    reads = [head for how, path, head in proxy.asked if how == "GET" and "list-type" not in path]
    assert reads
    assert all(head["If-Match"].strip('"') for head in reads)


def test_a_bill_that_is_written_anew_while_it_is_read_is_read_from_the_start(
    store, proxy, bill, tmp_path
):
    store.fill(bill.write(tmp_path / "old"), "billing/")
    newer = replace(bill, rows=[*bill.rows, line("100", tenant="acme", day=2)])
    newer.write(tmp_path / "new")
    changed: list[str] = []

    def rewrite(_method: str, path: str, _count: int, _answer: Answer) -> None:
        if ".csv.gz" in path and not changed:
            changed.append(path)
            store.fill(tmp_path / "new", "billing/")

    proxy.fault = rewrite
    report = from_s3(proxy)
    assert changed
    assert [one.status for one in report.outcomes] == ["loaded"]
    assert only_row().source_total == newer.total()


def test_a_bill_that_never_holds_still_is_refused_with_a_sentence(store, proxy, bill, tmp_path):
    store.fill(replace(bill, overwrite=True).write(tmp_path / "bill"), "billing/")
    (manifest,) = (tmp_path / "bill").rglob("*Manifest.json")
    text = json.loads(manifest.read_text())
    key = "billing/" + manifest.relative_to(tmp_path / "bill").as_posix()
    writes = []

    def rewrite(_method: str, path: str, _count: int, _answer: Answer) -> None:
        if ".csv.gz" in path:
            writes.append(path)
            store.put(key, json.dumps({**text, "x": len(writes)}).encode())

    proxy.fault = rewrite
    assert "changed while" in sentence(from_s3(proxy))


def test_a_download_that_breaks_goes_on_where_it_broke(store, proxy, tmp_path):
    rows = [
        line(f"{n}.000000001", hour=n % 24, line_item_resource_id=f"i-{n * 7919:x}")
        for n in range(20_000)
    ]
    big = Export(rows)
    store.fill(big.write(tmp_path / "bill"), "billing/")
    size = next((tmp_path / "bill").rglob("*.csv.gz")).stat().st_size

    def cut(method: str, path: str, count: int, answer: Answer) -> Answer | None:
        if method == "GET" and ".csv.gz" in path and count == 1:
            return replace(answer, cut_at=size // 2)
        return None

    proxy.fault = cut
    assert from_s3(proxy).exit_code == 0
    assert only_row().source_total == big.total()
    ranges = [
        head.get("Range") for how, path, head in proxy.asked if how == "GET" and ".csv.gz" in path
    ]
    assert ranges[0] is None
    assert ranges[1].startswith("bytes=")
    assert ranges[1] != "bytes=0-"


@pytest.mark.parametrize("problem", [(503, "SlowDown"), (500, "InternalError")])
def test_a_store_that_is_busy_is_asked_again(problem, store, proxy, bill, tmp_path):
    status, code = problem
    store.fill(bill.write(tmp_path / "bill"), "billing/")
    body = f"<Error><Code>{code}</Code><Message>busy</Message></Error>".encode()

    def busy(_method: str, _path: str, count: int, _answer: Answer) -> Answer | None:
        return Answer(status, [("Content-Type", "application/xml")], body) if count == 1 else None

    proxy.fault = busy
    assert from_s3(proxy).exit_code == 0
    assert only_row().source_total == bill.total()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", "The credentials need s3:ListBucket"),
        (403, "ExpiredToken", "the AWS credentials are not valid (ExpiredToken)"),
        (400, "Oddity", "the store refused with Oddity"),
    ],
)
def test_a_store_that_refuses_has_a_sentence_with_what_to_do(status, code, expected, proxy):
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    proxy.fault = lambda *_: Answer(status, [("Content-Type", "application/xml")], body)
    assert expected in sentence(from_s3(proxy))


def test_a_bucket_that_does_not_exist_has_a_sentence(store):
    report = ingest(kind="aws_cur", location="s3://no-such-bucket/x", endpoint_url=store.url)
    assert "there is no such bucket" in sentence(report)


def test_an_endpoint_that_is_down_has_a_sentence(store):
    report = ingest(
        kind="aws_cur",
        location=f"s3://{BUCKET}/x",
        endpoint_url=f"http://127.0.0.1:{free_port()}",
    )
    assert "does not answer. Check the endpoint" in sentence(report)


def test_no_credentials_have_a_sentence(store, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert "no AWS credentials were found. Set AWS_PROFILE" in sentence(from_s3(store))


@pytest.mark.parametrize(
    "location", ["s3://", "s3://key:secret@bucket/x", "s3://bucket/x?y=1", "ftp://host/x"]
)
def test_an_address_that_is_no_place_is_refused(location):
    report = ingest(kind="aws_cur", location=location)
    assert sentence(report)
    assert "secret" not in sentence(report)


def test_a_manifest_that_names_keys_elsewhere_is_refused(store, bill, tmp_path):
    folder = replace(bill, overwrite=True).write(tmp_path / "bill")
    (manifest,) = folder.rglob("*Manifest.json")
    text = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**text, "dataFiles": [f"s3://{BUCKET}/../../etc/passwd"]}))
    store.fill(folder, "billing/")
    assert sentence(from_s3(store))


def test_a_file_that_the_manifest_names_and_nobody_delivered_has_a_sentence(store, bill, tmp_path):
    folder = bill.write(tmp_path / "bill")
    next(folder.rglob("*.csv.gz")).unlink()
    store.fill(folder, "billing/")
    assert "the object is missing; the manifest names it" in sentence(from_s3(store))


def test_the_cache_stays_within_its_limit(store, bill, tmp_path, settings: Settings):
    settings.CACHE_MAX_BYTES = 1
    store.fill(bill.write(tmp_path / "bill"), "billing/")
    assert from_s3(store).exit_code == 0
    assert not list((django_settings.CACHE_DIR / "objects").iterdir())


def test_the_cache_holds_a_file_once_and_gives_it_without_the_network(store, proxy, bill, tmp_path):
    store.fill(bill.write(tmp_path / "bill"), "billing/")
    from_s3(proxy)
    before = len([1 for how, path, _ in proxy.asked if how == "GET" and ".csv.gz" in path])
    report = from_s3(proxy, again=True)
    assert report.exit_code == 0
    after = len([1 for how, path, _ in proxy.asked if how == "GET" and ".csv.gz" in path])
    assert (before, after) == (2, 2)


def test_the_command_reads_a_bucket(store, bill, tmp_path):
    store.fill(bill.write(tmp_path / "bill"), "billing/")
    out = StringIO()
    call_command(
        "ingest",
        source="aws_cur",
        location=f"s3://{BUCKET}/billing",
        endpoint_url=store.url,
        stdout=out,
    )
    assert "loaded" in out.getvalue()
    assert Delivery.objects.get().rows == len(bill.rows)
