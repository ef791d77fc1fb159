"""Loading a CUR 2.0 bill: what ends in the ledger, and what never gets there."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from allocation.models import LedgerDay, LedgerMonth, PnlDay
from allocation.selectors import reconciliation
from finops.models import Tenant
from ingestion.models import Delivery, Load, RejectedRow, Source
from ingestion.services import IngestReport, ingest
from tests.cur_export import COLUMNS, Export, line, write_text

pytestmark = pytest.mark.django_db


def load(folder: Path) -> IngestReport:
    return ingest(kind="aws_cur", location=folder)


def only_row():
    (row,) = reconciliation()
    return row


@pytest.fixture
def bill() -> Export:
    return Export(
        [
            line("1.25", tenant="acme"),
            line("1.24889E-5", tenant="acme", hour=2),
            line("-7.0E-10", tenant="globex", day=2),
            line("0.1", day=3),
            line("3", day=30, hour=23, tenant="Globex"),
        ]
    )


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
    assert set(LedgerDay.objects.values_list("load__state", flat=True)) == {"current"}
    assert set(LedgerMonth.objects.values_list("load__state", flat=True)) == {"current"}


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
    assert "no CUR 2.0 manifest" in report.outcomes[0].sentence
    assert load(tmp_path / "nowhere").exit_code == 2
    assert not Source.objects.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"dataFiles": "x"}', '{"dataFiles": [1]}'])
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


BROKEN = [
    (line("twelve", tenant="acme"), "line_item_unblended_cost is not a number"),
    (line("NaN"), "not a finite number"),
    (line("1e40"), "larger than any bill"),
    (line("99999999999"), "larger than any bill"),
    (line("2.5", identity_time_interval="yesterday"), "not a time in UTC"),
    (
        line("2.5", identity_time_interval="2026-04-01T00:00:00+02:00/2026-04-01T01:00:00+02:00"),
        "not a time",
    ),
    (
        line("2.5", identity_time_interval="2026-04-02T00:00:00Z/2026-04-01T00:00:00Z"),
        "ends before",
    ),
    (line("2.5", resource_tags="{not json"), "resource_tags is not a JSON object"),
    (line("2.5", tags="[1,2]"), "tags is not a JSON object"),
    (line("2.5", line_item_usage_amount="lots"), "line_item_usage_amount is not a number"),
    (line("2.5", line_item_currency_code="DOLLAR"), "three letters"),
]


@pytest.mark.parametrize(("broken", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_row_that_cannot_be_read_is_put_aside_while_the_rest_loads(
    bill, tmp_path, broken, reason
):
    rows = [*bill.rows[:2], broken, *bill.rows[2:]]
    report = load(replace(bill, rows=rows).write(tmp_path))
    assert report.exit_code == 1
    reject = RejectedRow.objects.get()
    assert (reject.file, reject.line) == (bill.key(0), 4)
    assert reason in reject.reason
    row = only_row()
    readable = Decimal("2.5") if reject.amount else Decimal(0)
    assert reject.amount in {"", "2.5"}
    assert row.ingested == bill.total()
    assert row.rejected == readable
    assert row.source_total == row.ingested + row.rejected
    assert (row.lines, row.rejected_lines, row.difference) == (5, 1, 0)


def test_rows_of_another_shape_are_put_aside_one_by_one(bill, tmp_path):
    folder = bill.write(tmp_path)
    path = folder / bill.key(0)
    header, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    short, open_quote = "a,b,c", rows[0].replace("i-0abc", '"i-0abc')
    write_text(path, "\n".join([header, rows[0], short, *rows[1:3], open_quote, *rows[3:]]) + "\n")
    assert load(folder).exit_code == 1
    assert [(r.line, r.reason) for r in RejectedRow.objects.all()] == [
        (3, "The row has 3 fields where the header has 21."),
        (6, "The row has a quote or a line end out of place."),
    ]
    assert only_row().ingested == bill.total()
    assert only_row().rejected_lines == 2


def test_a_file_of_nothing_but_broken_rows_is_refused(bill, tmp_path):
    load(bill.write(tmp_path))
    worse = replace(bill, rows=[line("x")], execution="2026-04-18T00:00:00.000Z-bbbb")
    report = load(worse.write(tmp_path))
    assert report.exit_code == 2
    assert "none of its 1 rows" in report.outcomes[0].sentence
    assert only_row().source_total == bill.total()


def test_line_types_that_nobody_knows_are_loaded_counted_and_shown(bill, tmp_path):
    rows = [*bill.rows, line("2", line_item_line_item_type="CarbonOffset")]
    report = load(replace(bill, rows=rows).write(tmp_path))
    assert report.outcomes[0].unknown_line_types == ("CarbonOffset",)
    assert report.exit_code == 0
    current = Load.objects.get()
    assert current.line_types == {"CarbonOffset": 1, "Usage": 5}
    assert PnlDay.objects.filter(charge_category="Adjustment").count() == 1


@pytest.mark.parametrize(
    ("line_type", "category"),
    [
        ("Usage", "Usage"),
        ("Tax", "Tax"),
        ("Credit", "Credit"),
        ("Refund", "Adjustment"),
        ("Fee", "Purchase"),
        ("", "Usage"),
    ],
)
def test_line_types_become_charge_categories(tmp_path, line_type, category):
    load(Export([line("1", line_item_line_item_type=line_type)]).write(tmp_path))
    assert LedgerDay.objects.get().charge_category == category


def test_extra_and_missing_columns_are_tolerated(bill, tmp_path):
    few = (
        "line_item_unblended_cost",
        "line_item_product_code",
        "line_item_usage_start_date",
        "novelty",
    )
    load(replace(bill, columns=few).write(tmp_path))
    assert only_row().source_total == bill.total()
    assert set(LedgerDay.objects.values_list("billing_currency", flat=True)) == {"USD"}


def test_empty_quoted_and_absent_cells_are_alike(tmp_path):
    rows = [
        line("", tenant="acme", pricing_public_on_demand_cost="", resource_tags='""', product=""),
        line("1", tenant="acme", resource_tags="", line_item_usage_amount=""),
    ]
    assert load(Export(rows).write(tmp_path)).exit_code == 0
    assert only_row().source_total == 1


def test_days_follow_the_interval_not_the_usage_dates(tmp_path):
    row = line(
        "1",
        identity_time_interval="2026-04-07T00:00:00Z/2026-04-08T00:00:00Z",
        line_item_usage_start_date="2026-04-06T23:10:00.000Z",
        line_item_usage_end_date="2026-04-07T00:10:00.000Z",
    )
    load(Export([row]).write(tmp_path))
    ledger = LedgerDay.objects.get()
    assert (ledger.day, ledger.granularity) == (date(2026, 4, 7), "day")


def test_a_line_for_a_whole_month_is_monthly_whatever_its_interval_says(tmp_path):
    row = line(
        "5",
        line_item_line_item_type="Tax",
        identity_time_interval="2026-04-01T00:00:00Z/2026-04-02T00:00:00Z",
        line_item_usage_start_date="2026-04-01T00:00:00.000Z",
        line_item_usage_end_date="2026-05-01T00:00:00.000Z",
    )
    load(Export([row]).write(tmp_path))
    assert LedgerDay.objects.get().granularity == "month"


def test_currencies_are_never_added(tmp_path):
    rows = [line("1"), line("2", line_item_currency_code="EUR")]
    load(Export(rows).write(tmp_path))
    assert {row.currency: row.source_total for row in reconciliation()} == {"USD": 1, "EUR": 2}


def test_a_month_is_exactly_its_days(bill, tmp_path):
    load(bill.write(tmp_path))
    days = sum(LedgerDay.objects.values_list("billed_cost", flat=True))
    assert days == sum(LedgerMonth.objects.values_list("billed_cost", flat=True))
    assert days == sum(PnlDay.objects.values_list("billed_cost", flat=True))


def test_two_exports_are_two_sources(bill, tmp_path):
    bill.write(tmp_path)
    replace(bill, export="other", arn=f"{bill.arn}-2").write(tmp_path)
    load(tmp_path)
    assert set(Source.objects.values_list("slug", flat=True)) == {"aws-saas-hourly", "aws-other"}


def test_only_the_wanted_period_is_loaded(bill, tmp_path):
    bill.write(tmp_path)
    replace(bill, period="2026-05").write(tmp_path)
    ingest(kind="aws_cur", location=tmp_path, period=date(2026, 5, 1))
    assert only_row().billing_period == date(2026, 5, 1)


def test_nothing_of_a_row_but_known_columns_is_kept_among_the_rejects(tmp_path, monkeypatch):
    secret = "hunter2-canary-secret"
    row = line("x", line_item_resource_id=secret, tags=json.dumps({"user:password": secret}))
    load(Export([line("1"), row]).write(tmp_path))
    reject = RejectedRow.objects.get()
    assert secret not in reject.text + reject.reason
    assert "AmazonEC2" in reject.text
