"""The rows of a CUR 2.0 bill: what each becomes, and where those that cannot be read go."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from allocation.models import LedgerDay, LedgerMonth, PnlDay, PnlMonth
from allocation.selectors import reconciliation
from ingestion.models import Load, RejectedRow, Source
from ingestion.services import ingest
from tests.cur_export import Export, line, write_text
from tests.ingestion.bills import load, only_row

pytestmark = pytest.mark.django_db

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


@pytest.mark.parametrize(
    "size", [1_500_000, 40_000_000], ids=["long", "longer than the engine's buffer"]
)
def test_an_endless_line_is_put_aside_and_nothing_after_it_is_lost(bill, tmp_path, size):
    folder = bill.write(tmp_path)
    path = folder / bill.key(0)
    header, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    write_text(path, "\n".join([header, *rows[:2], "0" * size, *rows[2:], "0" * size]))
    assert load(folder).exit_code == 1
    assert [(r.line, r.reason) for r in RejectedRow.objects.all()] == [
        (4, "The row is longer than 1,000,000 characters."),
        (8, "The row is longer than 1,000,000 characters."),
    ]
    assert only_row().ingested == bill.total()
    assert max(len(r.text) for r in RejectedRow.objects.all()) < 600


def test_line_ends_inside_quotes_belong_to_their_row(bill, tmp_path):
    note = 'two\nlines, "quoted"\r\nand a third'
    rows = [line("1", line_item_line_item_description=note), line("x"), line("2")]
    assert load(replace(bill, rows=rows).write(tmp_path)).exit_code == 1
    assert RejectedRow.objects.get().line == 5
    assert only_row().ingested == 3


def test_a_bill_beyond_any_ledger_is_refused_with_a_sentence(bill, tmp_path):
    load(bill.write(tmp_path))
    rows = [line("9999999999", day=n + 1) for n in range(12)]
    worse = replace(bill, rows=rows, execution="2026-04-18T00:00:00.000Z-bbbb")
    report = load(worse.write(tmp_path))
    assert report.exit_code == 2
    assert "more than any ledger holds" in report.outcomes[0].sentence
    assert only_row().source_total == bill.total()


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


def test_a_line_for_a_whole_month_is_monthly_and_accrued_over_its_days(tmp_path):
    row = line(
        "5",
        line_item_line_item_type="Tax",
        identity_time_interval="2026-04-01T00:00:00Z/2026-04-02T00:00:00Z",
        line_item_usage_start_date="2026-04-01T00:00:00.000Z",
        line_item_usage_end_date="2026-05-01T00:00:00.000Z",
    )
    load(Export([row]).write(tmp_path))
    days = LedgerDay.objects.order_by("day")
    assert {row.granularity for row in days} == {"month"}
    assert [row.day for row in days] == [date(2026, 4, day) for day in range(1, 31)]
    assert {row.billed_cost for row in days} == {Decimal("0.16666667"), Decimal("0.16666666")}
    assert sum(row.billed_cost for row in days) == 5
    assert [row.lines for row in days if row.lines] == [1]


def test_currencies_are_never_added(tmp_path):
    rows = [line("1"), line("2", line_item_currency_code="EUR")]
    load(Export(rows).write(tmp_path))
    assert {row.currency: row.source_total for row in reconciliation()} == {"USD": 1, "EUR": 2}


def test_a_row_whose_currency_is_lost_counts_with_the_bills_own(tmp_path):
    export = Export([line("1", line_item_currency_code="EUR")])
    folder = export.write(tmp_path)
    with gzip.open(folder / export.key(0), "at") as stream:
        stream.write("a,b,c\n")
    load(folder)
    row = only_row()
    assert (row.currency, row.lines, row.rejected_lines) == ("EUR", 1, 1)


def test_a_month_is_exactly_its_days(bill, tmp_path):
    load(bill.write(tmp_path))
    days = sum(LedgerDay.objects.values_list("billed_cost", flat=True))
    assert days == sum(LedgerMonth.objects.values_list("billed_cost", flat=True))
    for small in (PnlDay, PnlMonth):
        assert days == sum(small.objects.values_list("billed_cost", flat=True))


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
