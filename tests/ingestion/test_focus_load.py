"""FOCUS files through the real pipeline: what is loaded, put aside, replaced and refused."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.bridges import bridge
from allocation.core.figures import Slice
from allocation.selectors import pnl_by_tenant, reconciliation
from finops.core.periods import Window
from ingestion import lake
from ingestion.models import Delivery, Load, RejectedRow
from ingestion.selectors import shared_bills
from ingestion.services import IngestReport, ingest
from tests.focus_files import in_may, row, text, write
from tests.ingestion.bills import only_row

pytestmark = pytest.mark.django_db

DATA = Path(__file__).resolve().parents[1] / "data"
APRIL = Slice(window=Window(date(2026, 4, 1), date(2026, 5, 1)))


@pytest.fixture
def bills(tmp_path: Path) -> Path:
    """A vendor's folder; the lake of a test lies beside it."""
    folder = tmp_path / "bills"
    folder.mkdir()
    return folder


def load(folder: Path) -> IngestReport:
    return ingest(kind="focus", location=folder)


def lines(*columns: str) -> list[tuple[Any, ...]]:
    current = Load.objects.filter(state=Load.State.CURRENT)
    paths = list(lake.files("charges", current).paths)
    listed = ", ".join(columns)
    return duckdb.execute(
        f"SELECT {listed} FROM read_parquet({paths}, hive_partitioning=false) ORDER BY ALL"
    ).fetchall()


def statuses(report: IngestReport) -> list[str]:
    return [outcome.status for outcome in report.outcomes]


def test_the_official_sample_loads_to_the_last_row_and_digit():
    report = load(DATA / "focus_sample")
    assert report.exit_code == 0
    found = only_row()
    # The sum of the column BilledCost, added up by Python's Decimal.
    assert found.source_total == found.ingested == Decimal("2.7253408097")
    assert (found.lines, found.rejected_lines, found.difference) == (200, 0, 0)
    assert Load.objects.get().form == "FOCUS 1.0 csv"
    providers = {name for (name,) in lines("service_provider_name")}
    assert "Amazon Web Services" in providers, "AWS has one name, whichever bill names it"


def test_each_spec_example_keeps_its_figures(bills):
    """The specification's own rows of commitments, used and unused, as they stand there."""
    import csv

    for example in sorted((DATA / "focus_spec_examples").glob("*.csv")):
        rows = list(csv.DictReader(example.open(encoding="utf-8-sig")))
        given_ = [
            {name.strip(): (value or "").strip() for name, value in one.items()} for one in rows
        ]
        assert given_, example.name
        assert all("BilledCost" in one and "EffectiveCost" in one for one in given_)
        complete = []
        for number, one in enumerate(given_):
            made = row(
                **{name: "" if value.lower() == "null" else value for name, value in one.items()}
            )
            made |= {
                "ChargePeriodStart": f"2026-04-01T{number:02}:00:00Z",
                "ChargePeriodEnd": f"2026-04-01T{number + 1:02}:00:00Z",
                "BillingPeriodStart": "2026-04-01T00:00:00Z",
                "BillingPeriodEnd": "2026-05-01T00:00:00Z",
            }
            complete.append(made)
        folder = bills / example.stem
        write(folder / "rows.csv", complete)
        assert load(folder).exit_code == 0, example.name
        current = Load.objects.get(source__identity=f"folder {folder}")
        paths = list(lake.files("charges", [current]).paths)
        found = duckdb.execute(
            "SELECT billed_cost, effective_cost, commitment_discount_status "
            f"FROM read_parquet({paths}) ORDER BY charge_period_start"
        ).fetchall()
        wanted = [
            (
                Decimal(one["BilledCost"]),
                Decimal(one["EffectiveCost"]),
                one.get("CommitmentDiscountStatus", ""),
            )
            for one in complete
        ]
        assert found == wanted, example.name


def test_csv_gzip_and_parquet_hold_the_same_ledger(bills):
    rows = [row("0.1"), row("1.24889E-5", Tags=""), row("-7.0E-10")]
    kept = []
    for name in ("a/rows.csv", "b/rows.csv.gz", "c/rows.parquet"):
        assert load(write(bills / name, rows).parent).exit_code == 0
        (only,) = [r for r in reconciliation() if r.source == f"focus-{name[0]}"]
        kept.append((only.source_total, only.allocated, only.unallocated, only.lines))
    assert kept[0] == kept[1] == kept[2]
    assert kept[0][0] == Decimal("0.1000124882")


def test_doubles_of_parquet_become_decimals_through_their_shortest_text(bills):
    names = [name for name in row() if name not in {"BilledCost", "ChargePeriodStart", "Tags"}]
    table = {name: [row()[name]] for name in names}
    table["BilledCost"] = pa.array([0.1], pa.float64())
    table["ChargePeriodStart"] = pa.array([datetime(2026, 4, 1)], pa.timestamp("ms", tz="UTC"))  # noqa: DTZ001
    table["Tags"] = pa.array([[("tenant", "acme")]], pa.map_(pa.string(), pa.string()))
    pq.write_table(pa.table(table), bills / "rows.parquet")
    assert load(bills).exit_code == 0
    assert only_row().source_total == Decimal("0.1")
    assert pnl_by_tenant(APRIL)["acme"].cost == Decimal("1.5")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"BilledCost": "1,50"}, "BilledCost is not a number"),
        ({"BilledCost": ""}, "BilledCost is empty"),
        ({"EffectiveCost": "much"}, "EffectiveCost is not a number"),
        ({"ChargePeriodStart": "1/4/2026"}, "ChargePeriodStart is not a time in UTC"),
        ({"ChargePeriodEnd": "2026-04-01T00:00:00Z"}, "ends before it has begun"),
        ({"ChargePeriodEnd": "2026-04-02T00:00:00+02:00"}, "ChargePeriodEnd is not a time in UTC"),
        ({"ChargeCategory": "Rent"}, "FOCUS knows Usage"),
        ({"BillingCurrency": "dollars"}, "not a currency of three letters"),
        ({"BillingPeriodStart": "April"}, "BillingPeriodStart is not a time in UTC"),
        ({"Tags": '{"tenant": '}, "Tags is not a JSON object"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_bad_row_is_put_aside_with_its_reason_and_the_rest_is_loaded(
    bills, changed, reason, ending
):
    write(bills / f"rows.{ending}", [row("2"), row(**changed), row("3")])
    report = load(bills)
    assert report.exit_code == 1
    reject = RejectedRow.objects.get()
    assert reason in reject.reason
    assert reject.line == 3
    found = only_row()
    assert (found.lines, found.rejected_lines, found.ingested) == (2, 1, Decimal(5))
    assert found.difference == 0
    assert found.source_total == found.ingested + found.rejected


def test_a_row_out_of_shape_is_put_aside(bills):
    whole = text([row("2"), row("3")])
    (bills / "rows.csv").write_text(whole + "one,two\n" + text([row("4")]).split("\n", 1)[1])
    assert load(bills).exit_code == 1
    assert RejectedRow.objects.get().reason == "The row has 2 fields where the header has 30."
    assert only_row().ingested == Decimal(9)


def test_times_may_have_a_space_an_offset_of_zero_or_no_zone(bills):
    starts = (
        "2026-04-01 00:00:00",
        "2026-04-01T00:00:00+00:00",
        "2026-04-01T00:00:00 UTC",
        "2026-04-01",
    )
    write(bills / "rows.csv", [row("1", ChargePeriodStart=start) for start in starts])
    assert load(bills).exit_code == 0
    assert set(lines("charge_period_start", "granularity")) == {(datetime(2026, 4, 1), "day")}  # noqa: DTZ001


def test_a_file_of_two_months_is_two_deliveries(bills):
    write(bills / "rows.csv", [row("1"), in_may(row("2")), row("4", BillingPeriodStart="soon")])
    report = load(bills)
    months = {o.billing_period: (o.rows, o.rejected_rows) for o in report.outcomes}
    # The row whose month cannot be read is counted once, in the file's first month.
    assert months == {date(2026, 4, 1): (2, 1), date(2026, 5, 1): (1, 0)}
    assert {r.billing_period: r.ingested for r in reconciliation()} == {
        date(2026, 4, 1): Decimal(1),
        date(2026, 5, 1): Decimal(2),
    }


def test_all_files_of_a_month_are_one_delivery_and_order_does_not_matter(bills):
    write(bills / "b.csv", [row("2")])
    assert statuses(load(bills)) == ["loaded"]
    write(bills / "a.csv.gz", [row("1")])
    assert statuses(load(bills)) == ["loaded"]
    assert statuses(load(bills)) == ["unchanged"]
    assert only_row().ingested == Decimal(3)


def test_a_restated_file_replaces_what_it_said_before(bills):
    write(bills / "a.csv", [row("1"), row("2")])
    load(bills)
    write(bills / "a.csv", [row("1.5")])
    assert statuses(load(bills)) == ["loaded"]
    found = only_row()
    assert (found.ingested, found.lines) == (Decimal("1.5"), 1)


def test_a_file_that_was_taken_away_takes_its_lines_with_it(bills):
    write(bills / "a.csv", [row("1")])
    gone = write(bills / "b.csv", [row("2")])
    load(bills)
    gone.unlink()
    assert statuses(load(bills)) == ["loaded"]
    assert only_row().ingested == Decimal(1)
    (bills / "a.csv").unlink()
    assert statuses(load(bills)) == ["failed"]
    assert only_row().ingested == Decimal(1), "an empty folder empties no month"


def test_a_copy_of_a_file_counts_once(bills):
    for name in ("a.csv", "a (1).csv"):
        write(bills / name, [row("2")])
    assert load(bills).exit_code == 0
    assert only_row().ingested == Decimal(2)
    assert Load.objects.get(state=Load.State.CURRENT).notes == [
        "a.csv is a copy of a (1).csv: it counts once."
    ]


def test_a_truncated_file_holds_the_whole_folder_back(bills):
    write(bills / "a.csv", [row("1")])
    whole = write(bills / "b.csv.gz", [row("2")] * 50).read_bytes()
    load(bills)
    (bills / "b.csv.gz").write_bytes(whole[:-20])
    report = load(bills)
    assert report.exit_code == 2
    assert "b.csv.gz: the gzip file is cut off" in report.outcomes[0].sentence
    assert "nothing is loaded from here" in report.outcomes[1].sentence
    assert only_row().ingested == Decimal(101)
    (bills / "b.csv.gz").write_bytes(whole)
    assert statuses(load(bills)) == ["unchanged"]


def test_a_file_without_a_column_that_is_needed_says_which(bills):
    one = row()
    del one["BillingCurrency"]
    write(bills / "a.csv", [one])
    report = load(bills)
    assert "a.csv: the first line lacks the column BillingCurrency" in report.outcomes[0].sentence


def test_another_dataset_in_the_folder_is_passed_over(bills):
    write(bills / "a.csv", [row("1")])
    (bills / "commitments.csv").write_text("ContractCommitmentId,ContractId\n1,2\n")
    report = load(bills)
    assert sorted(statuses(report)) == ["failed", "loaded"]
    assert "passed over" in report.outcomes[0].sentence
    assert only_row().ingested == Decimal(1)


def test_an_empty_folder_says_what_is_expected(bills):
    report = load(bills)
    assert report.exit_code == 2
    assert "no FOCUS file is there" in report.outcomes[0].sentence


@pytest.mark.parametrize(
    ("columns", "version"),
    [
        ({}, "1.2"),
        ({"ServiceProviderName": "Snowline"}, "1.3"),
        ({"ServiceProviderName": "Snowline", "ProviderName": None, "PublisherName": None}, "1.4"),
        ({"InvoiceId": None, "SkuMeter": "hours"}, "1.1"),
        ({"InvoiceId": None}, "1.0"),
    ],
)
def test_the_columns_tell_the_version(bills, columns, version):
    one = {name: value for name, value in {**row("1"), **columns}.items() if value is not None}
    write(bills / "a.csv", [one])
    assert load(bills).exit_code == 0
    assert Load.objects.get().form == f"FOCUS {version} csv"
    assert lines("service_provider_name") == [("Snowline",)]


def test_commitments_take_their_steps_of_the_bridge(bills):
    plan = {"CommitmentDiscountId": "plan-1", "CommitmentDiscountCategory": "Spend"}
    used = {**plan, "CommitmentDiscountStatus": "Used", "EffectiveCost": "7", "BilledCost": "0"}
    left = {**plan, "CommitmentDiscountStatus": "Unused", "EffectiveCost": "3", "BilledCost": "0"}
    fee = {
        **plan,
        "ChargeCategory": "Purchase",
        "ChargeFrequency": "Recurring",
        "EffectiveCost": "0",
    }
    rows = [row(**used), row(**left), row("10", **fee), row("-2", ChargeCategory="Credit", Tags="")]
    rows += [
        row("1", ChargeCategory="Tax"),
        row("-4", ChargeCategory="Adjustment", ChargeClass="Correction"),
    ]
    write(bills / "rows.csv", rows)
    assert load(bills).exit_code == 0
    steps = {step.step: (step.billed_cost, step.effective_cost) for step in bridge()}
    assert steps == {
        "savings plan covered": (0, 7),
        "savings plan recurring fee": (10, 0),
        "unused commitment": (0, 3),
        "promotional credits": (-2, -2),
        "refunds": (-4, -4),
        "tax": (1, 1),
    }
    pools = {pool for (pool,) in lines("x_pool") if pool}
    assert pools == {"unused commitment", "commitment fees"}


def test_an_export_of_aws_is_read_by_its_manifest(bills):
    export = bills / "focus-export"
    key = "data/BILLING_PERIOD=2026-04/focus-export-00001.csv.gz"
    write(export / key, [row("2.5")])
    manifest = export / "metadata/BILLING_PERIOD=2026-04/focus-export-Manifest.json"
    manifest.parent.mkdir(parents=True)
    about = {
        "executionId": "e-1",
        "exportArn": "arn:aws:bcm-data-exports:us-east-1:111122223333:export/focus-export-1",
        "columns": [{"name": name, "type": "string"} for name in row()],
        "dataFiles": [f"s3://bucket/focus-export/{key}"],
    }
    manifest.write_text(json.dumps(about))
    assert statuses(load(bills)) == ["loaded"]
    assert Delivery.objects.get().source.slug == "focus-focus-export"
    assert statuses(load(bills)) == ["unchanged"]
    assert only_row().ingested == Decimal("2.5")


def test_the_bill_of_one_account_from_two_sources_is_pointed_out(bills):
    for name in ("one", "two"):
        write(bills / name / "a.csv", [row("1", ResourceId=name)])
        load(bills / name)
    (sentence,) = shared_bills()
    assert "account org-1 for 2026-04 is loaded from focus-one and focus-two" in sentence


def test_what_is_finer_than_the_lake_is_a_named_residual(bills):
    write(bills / "a.csv", [row("0.1234567890123456789")])
    assert load(bills).exit_code == 0
    found = only_row()
    assert found.difference == 0
    assert found.source_total == Decimal("0.1234567890123456789")
    assert found.residuals["digits after the 18th decimal"] == Decimal("-1E-19")


@settings(max_examples=20)
@given(
    costs=st.lists(
        st.decimals("-99999999", "99999999", places=12, allow_nan=False), min_size=1, max_size=8
    )
)
def test_the_ledger_holds_the_sum_of_the_file(costs, tmp_path_factory):
    Delivery.objects.all()  # each example adds a source of its own
    folder = tmp_path_factory.mktemp("focus")
    write(folder / "a.csv", [row(f"{cost:f}") for cost in costs])
    assert load(folder).exit_code == 0
    (found,) = [r for r in reconciliation() if r.source_name == f"FOCUS ({folder.name})"]
    assert found.source_total == sum(costs, Decimal(0))
    assert found.difference == 0


def test_a_gzip_bomb_of_one_line_does_not_fill_the_memory(bills):
    (bills / "a.csv.gz").write_bytes(gzip.compress(b"A" * 30_000_000))
    report = load(bills)
    assert report.exit_code == 2
    assert "a.csv.gz" in report.outcomes[0].sentence
