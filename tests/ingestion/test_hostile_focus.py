"""FOCUS files as vendors really write them: odd ones are read, broken ones put aside or refused, nothing is lost."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from allocation.reconciling import provider_months
from allocation.selectors import reconciliation
from finops.core.amounts import exact_sum
from ingestion.models import Load, RejectedRow
from ingestion.services import IngestReport, ingest
from tests.focus_files import ROW, row, text, write
from tests.ingestion.bills import only_row

pytestmark = pytest.mark.django_db

SINCE_1_1 = {"SkuMeter": "hours", "CommitmentDiscountQuantity": "", "ServiceSubcategory": ""}
VERSIONS: dict[str, dict[str, str | None]] = {
    "1.0": {"InvoiceId": None},
    "1.1": {"InvoiceId": None, **SINCE_1_1},
    "1.2": {**SINCE_1_1, "PricingCurrency": "USD"},
    "1.3": {"ServiceProviderName": "Snowline", "HostProviderName": "AWS"},
    "1.4": {
        "ServiceProviderName": "Snowline",
        "HostProviderName": "AWS",
        "ProviderName": None,
        "PublisherName": None,
    },
}


def load(folder: Path) -> IngestReport:
    return ingest(kind="focus", location=folder)


def of_version(version: str, one: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in {**one, **VERSIONS[version]}.items() if v is not None}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_each_version_in_each_form_gives_the_same_bill(tmp_path, version, ending):
    rows = [
        row("10.25"),
        row("-2.5", ChargeCategory="Credit", Tags=""),
        row("1", ChargeCategory="Tax"),
    ]
    write(tmp_path / "v" / f"a.{ending}", [of_version(version, one) for one in rows])
    assert load(tmp_path / "v").exit_code == 0
    assert Load.objects.get().form.startswith(f"FOCUS {version} ")
    (bill,) = provider_months()
    assert bill.key.provider == "Snowline", "the host and the issuer are not the vendor"
    assert bill.parts == {
        "usage": Decimal("10.25"),
        "promotional credits": Decimal("-2.5"),
        "tax": Decimal(1),
    }


def test_a_bom_quotes_and_line_ends_of_windows_are_read(tmp_path):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(ROW), lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows([row("1.5"), row("2", ChargeDescription='say "so",\r\nand more')])
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "a.csv").write_bytes(b"\xef\xbb\xbf" + out.getvalue().encode())
    assert load(tmp_path / "v").exit_code == 0
    assert (only_row().lines, only_row().ingested) == (2, Decimal("3.5"))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_named_and_holds_the_folder_back(tmp_path, separator):
    write(tmp_path / "v" / "good.csv", [row("1")])
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(ROW), delimiter=separator)
    writer.writeheader()
    writer.writerow(row("2"))
    (tmp_path / "v" / "bad.csv").write_text(out.getvalue())
    report = load(tmp_path / "v")
    assert (
        f"bad.csv, line 1: the columns are separated by {separator!r}"
        in report.outcomes[0].sentence
    )
    assert not Load.objects.exists(), "its month would lack lines"


def test_currencies_of_one_file_are_never_added(tmp_path):
    rows = [row("10"), row("7", BillingCurrency="eur"), row("nonsense", BillingCurrency="EUR")]
    write(tmp_path / "v" / "a.csv", [*rows, row("3", BillingCurrency="")])
    load(tmp_path / "v")
    found = {one.currency: one for one in reconciliation()}
    assert {name: (one.ingested, one.rejected) for name, one in found.items()} == {
        "USD": (10, 0),
        "EUR": (7, 0),
        "XXX": (0, 3),
    }, "an amount without a currency is in no sum of another"
    assert all(bill.is_explained for bill in provider_months())


def test_empty_columns_that_must_not_be_and_commitments_of_nothing_are_kept(tmp_path):
    rows = [
        row("4", ServiceName="", ServiceCategory="null", BillingAccountId="", ListCost="NULL"),
        row(
            "0",
            ChargeCategory="Purchase",
            CommitmentDiscountId="c",
            CommitmentDiscountCategory="Spend",
        ),
        row("-0.000000000000000001", ChargeCategory="Adjustment"),
    ]
    write(tmp_path / "v" / "a.csv", rows)
    assert load(tmp_path / "v").exit_code == 0
    found = only_row()
    assert (found.lines, found.rejected_lines, found.difference) == (3, 0, 0)
    assert found.ingested == Decimal("3.999999999999999999")


def test_wrong_types_of_parquet_are_put_aside_with_line_and_field(tmp_path):
    table = {name: [row()[name]] * 3 for name in ROW}
    table["BilledCost"] = pa.array([1.5, float("nan"), float("inf")], pa.float64())
    table["ChargePeriodStart"] = pa.array(["2026-04-01T00:00:00Z"] * 3)
    (tmp_path / "v").mkdir()
    pq.write_table(pa.table(table), tmp_path / "v" / "a.parquet")
    load(tmp_path / "v")
    assert (only_row().lines, only_row().rejected_lines, only_row().ingested) == (
        1,
        2,
        Decimal("1.5"),
    )
    assert [(one.file, one.line) for one in RejectedRow.objects.all()] == [
        ("a.parquet", 3),
        ("a.parquet", 4),
    ]
    assert all("BilledCost" in one.reason for one in RejectedRow.objects.all())


def test_a_number_where_a_time_should_be_refuses_the_parquet_file_by_name(tmp_path):
    table = {name: [row()[name]] for name in ROW}
    table["BillingPeriodStart"] = pa.array([20260401], pa.int64())
    (tmp_path / "v").mkdir()
    pq.write_table(pa.table(table), tmp_path / "v" / "a.parquet")
    report = load(tmp_path / "v")
    assert "a.parquet: none of its rows names a month in BillingPeriodStart" in (
        report.outcomes[0].sentence
    )
    assert not Load.objects.exists()


@pytest.mark.parametrize("missing", ["BilledCost", "ChargePeriodEnd", "ChargeCategory"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_without_which_nothing_can_be_said_is_named(tmp_path, missing, ending):
    one = row()
    del one[missing]
    write(tmp_path / "v" / f"a.{ending}", [one])
    report = load(tmp_path / "v")
    assert f"a.{ending}" in report.outcomes[0].sentence
    assert f"lacks the column {missing}" in report.outcomes[0].sentence


def test_columns_of_a_version_to_come_are_passed_over(tmp_path):
    one = {**of_version("1.4", row("5")), "PrincipalId": "p-1", "FutureCost": "999"}
    write(tmp_path / "v" / "a.csv", [one])
    assert load(tmp_path / "v").exit_code == 0
    assert only_row().ingested == 5


def test_no_row_of_a_file_is_lost_whatever_is_wrong_with_it(tmp_path):
    broken = [
        row("1", BilledCost="1e400"),
        row("1", BilledCost="--1"),
        row("1", BilledCost="1.5 USD"),
        row("1", ChargePeriodStart=""),
        row("1", ChargeCategory="usage"),
        row("1", BillingCurrency="USDT"),
        row("1", Tags="[1]"),
    ]
    good = [row("2"), row("-3", ChargeCategory="Credit")]
    whole = text([*broken, *good]) + "too,few,fields\n"
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "a.csv").write_text(whole)
    load(tmp_path / "v")
    rows = reconciliation()
    assert sum(one.lines for one in rows) == 2
    assert sum(one.rejected_lines for one in rows) == len(broken) + 1
    assert exact_sum(one.difference for one in rows) == 0
    assert sorted(RejectedRow.objects.values_list("line", flat=True)) == [*range(2, 9), 11]
