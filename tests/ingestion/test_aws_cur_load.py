"""Loading a CUR 2.0 bill: which delivery counts, and what a damaged one leaves: nothing."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from allocation.models import LedgerDay, LedgerMonth, Restatement
from allocation.selectors import reconciliation
from finops.core.amounts import exact_sum
from finops.models import Tenant
from ingestion.models import Delivery, Load, Source
from ingestion.services import ingest
from tests.cur_export import COLUMNS, Export, line, write_text
from tests.ingestion.bills import load, only_row

pytestmark = pytest.mark.django_db


def test_the_loaded_total_is_the_files_own_to_the_last_digit(bill, tmp_path):
    report = load(bill.write(tmp_path))
    assert report.exit_code == 0
    row = only_row()
    assert row.source_total == row.ingested == bill.total() == Decimal("4.3500124882")
    assert row.difference == 0
    assert row.lines == 5
    assert row.allocated + row.unallocated + row.residual_total == bill.total()
    assert row.unallocated == Decimal("0.1")


def test_money_that_is_finer_than_the_lake_is_a_named_residual(tmp_path):
    bill = Export([line("1.5E-19", tenant="acme"), line("0.1234567890123456789", tenant="acme")])
    load(bill.write(tmp_path))
    row = only_row()
    assert row.source_total == bill.total() == Decimal("0.12345678901234567905")
    assert row.residuals["digits after the 18th decimal"] == Decimal("5E-20")
    assert row.difference == 0


def test_tenants_named_by_tags_are_created_on_first_sight_and_marked(bill, tmp_path):
    Tenant.objects.create(slug="globex", name="Globex Inc.", first_seen="2026-01-01T00:00Z")
    load(bill.write(tmp_path))
    assert {t.slug: (t.name, t.discovered) for t in Tenant.objects.all()} == {
        "acme": ("Acme", True),
        "globex": ("Globex Inc.", False),
    }


def test_the_same_delivery_again_changes_nothing(bill, tmp_path):
    folder = bill.write(tmp_path)
    load(folder)
    before = list(LedgerDay.objects.values_list()), only_row(), Load.objects.count()
    report = load(folder)
    assert [outcome.status for outcome in report.outcomes] == ["unchanged"]
    assert report.exit_code == 0
    assert (list(LedgerDay.objects.values_list()), only_row(), Load.objects.count()) == before


def test_a_redelivered_period_replaces_the_earlier_one(bill, tmp_path):
    load(bill.write(tmp_path))
    newer = replace(
        bill,
        rows=[*bill.rows[1:], line("9", tenant="initech")],
        execution="2026-04-17T15:24:15.653Z-14e9e487-79a7-42b1-a680-1de7c660dc8f",
    )
    load(newer.write(tmp_path))
    assert only_row().source_total == newer.total()
    assert Load.objects.filter(state="superseded").count() == 1
    for model in (LedgerDay, LedgerMonth):
        amounts = model._default_manager.values_list("billed_cost", flat=True)
        assert exact_sum(amounts) == only_row().allocated + only_row().unallocated


def test_a_loaded_bill_that_is_read_again_gives_the_same_ledger(bill, tmp_path):
    folder = bill.write(tmp_path)
    load(folder)
    before = only_row(), list(LedgerDay.objects.values_list())
    report = ingest(kind="aws_cur", location=folder, again=True)
    assert [outcome.status for outcome in report.outcomes] == ["loaded"]
    assert (only_row(), list(LedgerDay.objects.values_list())) == before
    assert sorted(Load.objects.values_list("state", flat=True)) == ["current", "superseded"]
    assert not Restatement.objects.exists()


def test_an_older_delivery_that_comes_late_does_not_replace_a_newer_one(bill, tmp_path):
    newer = replace(bill, rows=bill.rows[:2], execution="2026-04-20T01:00:00.000Z-aaaa")
    load(newer.write(tmp_path / "second"))
    report = load(bill.write(tmp_path / "first"))
    assert [outcome.status for outcome in report.outcomes] == ["superseded"]
    assert only_row().source_total == newer.total()


def test_overwritten_exports_count_as_they_were_read_last(bill, tmp_path):
    first = replace(bill, overwrite=True, chunks=2, execution_id="run-1")
    load(first.write(tmp_path))
    # A smaller refresh: one chunk is left over, emptied, and the manifest no longer names it.
    second = replace(first, rows=bill.rows[:2], chunks=1, execution_id="run-2")
    second.write(tmp_path)
    write_text(tmp_path / first.key(1), "")
    load(tmp_path)
    assert only_row().source_total == second.total()


@pytest.mark.parametrize("content", ["", ",".join(COLUMNS) + "\n"], ids=["empty", "header only"])
def test_an_emptied_chunk_that_the_manifest_names_is_tolerated(bill, tmp_path, content):
    export = replace(bill, chunks=2)
    folder = export.write(tmp_path)
    write_text(folder / export.key(1), content)
    assert load(folder).exit_code == 0
    assert only_row().lines == 3


def test_a_chunk_of_zero_bytes_is_tolerated(bill, tmp_path):
    export = replace(bill, chunks=2)
    folder = export.write(tmp_path)
    (folder / export.key(1)).write_bytes(b"")
    assert load(folder).exit_code == 0


def test_plain_csv_is_read_like_packed_csv(bill, tmp_path):
    load(replace(bill, packed=False).write(tmp_path))
    assert only_row().source_total == bill.total()


def test_windows_line_ends_and_a_byte_order_mark_are_read(bill, tmp_path):
    export = replace(bill, packed=False)
    folder = export.write(tmp_path)
    path = folder / export.key(0)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load(folder).exit_code == 0
    assert only_row().source_total == bill.total()


def test_files_that_the_manifest_does_not_name_are_not_read(bill, tmp_path):
    folder = bill.write(tmp_path)
    stray = folder / bill.key(7)
    stray.write_bytes((folder / bill.key(0)).read_bytes())
    load(folder)
    assert only_row().source_total == bill.total()


@pytest.mark.parametrize("below", ["", "finance", "finance/cur", "finance/cur/saas-hourly"])
def test_any_part_of_the_prefix_may_have_been_copied(bill, tmp_path, below):
    bill.write(tmp_path)
    assert load(tmp_path / below).exit_code == 0
    assert only_row().source_total == bill.total()


def test_the_folder_may_lie_above_the_bucket(bill, tmp_path):
    bill.write(tmp_path / "copies" / "example-billing")
    assert load(tmp_path).exit_code == 0


@pytest.mark.parametrize(
    "uri",
    [
        "s3://example-billing/finance/cur/other-export/data/BILLING_PERIOD=2026-04/x-00001.csv.gz",
        "s3://example-billing/finance/cur/saas-hourly/data/BILLING_PERIOD=2026-03/x-00001.csv.gz",
        "s3://example-billing/elsewhere/saas-hourly/data/BILLING_PERIOD=2026-04/x-00001.csv.gz",
        "s3://example-billing/finance/cur/saas-hourly/data/BILLING_PERIOD=2026-04/../../../../etc/passwd.csv",
        "s3://example-billing/../secret.csv.gz",
        "file:///etc/passwd",
        "/etc/passwd",
    ],
)
def test_a_uri_outside_the_exports_prefix_is_refused(bill, tmp_path, uri):
    report = load(replace(bill, extra_uris=[uri]).write(tmp_path))
    assert report.exit_code == 2
    assert "Manifest.json" in report.outcomes[0].sentence
    assert not Load.objects.exists()


def test_a_link_that_leads_out_of_the_folder_is_refused(bill, tmp_path):
    folder = bill.write(tmp_path / "bill")
    chunk = folder / bill.key(0)
    outside = tmp_path / "outside.csv.gz"
    chunk.rename(outside)
    chunk.symlink_to(outside)
    assert load(folder).exit_code == 2


def cut_off(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-20])
    return "cut off"


def take_away(path: Path) -> str:
    path.unlink()
    return "missing"


def write_latin(path: Path) -> str:
    text = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(text.replace(b"On Demand", b"caf\xe9")))
    return "not UTF-8"


def drop_header(path: Path) -> str:
    text = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(text.split(b"\n", 1)[1]))
    return "first line"


def corrupt(path: Path) -> str:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    return path.name


@pytest.mark.parametrize("damage", [cut_off, take_away, write_latin, drop_header, corrupt])
def test_a_damaged_file_is_one_clear_error_and_works_once_it_is_right(bill, tmp_path, damage):
    export = replace(bill, chunks=2)
    folder = export.write(tmp_path)
    chunk = folder / export.key(1)
    sound = chunk.read_bytes()
    words = damage(chunk)
    report = load(folder)
    assert report.exit_code == 2
    (outcome,) = report.outcomes
    assert words in outcome.sentence
    assert export.key(1) in outcome.sentence
    assert not reconciliation()
    assert not LedgerDay.objects.exists()
    assert not Load.objects.exists()
    assert Delivery.objects.get().state == "rejected"
    chunk.write_bytes(sound)
    assert load(folder).exit_code == 0
    assert only_row().source_total == bill.total()


def test_a_damaged_redelivery_leaves_the_earlier_one_visible(bill, tmp_path):
    load(bill.write(tmp_path))
    newer = replace(bill, rows=bill.rows[:1], execution="2026-04-18T00:00:00.000Z-bbbb")
    newer.write(tmp_path)
    cut_off(tmp_path / newer.key(0))
    assert load(tmp_path).exit_code == 2
    assert only_row().source_total == bill.total()


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    report = load(tmp_path)
    assert report.exit_code == 2
    assert "no CUR manifest" in report.outcomes[0].sentence
    assert load(tmp_path / "nowhere").exit_code == 2
    assert not Source.objects.exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"dataFiles": "x"}', '{"dataFiles": [1]}', '{"dataFiles": []}']
)
def test_a_manifest_that_is_none_is_refused(bill, tmp_path, text):
    bill.write(tmp_path)
    for key in bill.manifest_keys():
        (tmp_path / key).write_text(text)
    report = load(tmp_path)
    assert report.exit_code == 2
    assert "Manifest.json" in report.outcomes[0].sentence


def test_one_broken_period_does_not_stop_another(bill, tmp_path):
    bill.write(tmp_path)
    may = replace(bill, period="2026-05", execution="2026-05-16T15:24:15.653Z-cccc")
    may.write(tmp_path)
    cut_off(tmp_path / may.key(0))
    assert load(tmp_path).exit_code == 1
    assert only_row().billing_period == date(2026, 4, 1)


def test_a_file_of_many_chunks_gives_the_ledger_of_one(bill, tmp_path, monkeypatch):
    rows = [
        line(f"{number}.25", tenant="acme", day=number, line_item_resource_id=f"i-{number}")
        for number in range(1, 8)
    ]
    export = replace(bill, rows=[*rows, *(dict(rows[0], bill_invoice_id="") for _ in range(3))])
    folder = export.write(tmp_path)
    load(folder)
    expected = only_row(), sorted(LedgerDay.objects.values_list("day", "billed_cost", "lines"))
    monkeypatch.setattr("ingestion.cur_stage._CHUNK", 1)
    monkeypatch.setattr("ingestion.cur_stage._BLOCK", 1 << 10)
    assert [one.status for one in ingest(kind="aws_cur", location=folder, again=True).outcomes] == [
        "loaded"
    ]
    found = only_row(), sorted(LedgerDay.objects.values_list("day", "billed_cost", "lines"))
    assert found == expected
    current = Load.objects.get(state="current")
    assert current.files.filter(kind="charges").count() > 2


@pytest.mark.parametrize("bad", [{"line_item_unblended_cost": "ten"}, {"tags": "{not json"}])
def test_a_bad_row_in_a_late_chunk_is_put_aside_alone(bill, tmp_path, monkeypatch, settings, bad):
    monkeypatch.setattr("ingestion.cur_stage._CHUNK", 1)
    monkeypatch.setattr("ingestion.cur_stage._BLOCK", 1 << 10)
    rows = [line(f"{number}.25", tenant="acme", day=number) for number in range(1, 8)]
    export = replace(bill, rows=[*rows, line("3", **bad), *rows])
    report = load(export.write(tmp_path))
    assert report.outcomes[0].rejected_rows == 1
    assert only_row().lines == 14
    names = {path.name for path in settings.LAKE_DIR.rglob("*.parquet")}
    assert names == {"part-00000.parquet"}, "chunks and staged files are gone"


def test_progress_tells_the_rows_read_so_far(bill, tmp_path, monkeypatch):
    monkeypatch.setattr("ingestion.cur_stage._CHUNK", 1)
    monkeypatch.setattr("ingestion.cur_stage._BLOCK", 1 << 10)
    told: list[int] = []

    def report(stage: str, done: int, total: int, rows: int = 0) -> None:
        assert done <= total or not total
        if stage == "reading":
            told.append(rows)

    rows = [line(f"{number}.25", day=number) for number in range(1, 8)]
    folder = replace(bill, rows=rows, chunks=2).write(tmp_path)
    assert ingest(kind="aws_cur", location=folder, progress=report).exit_code == 0
    assert told == sorted(told)
    assert told[-1] == 7
    assert len(set(told)) > 3
