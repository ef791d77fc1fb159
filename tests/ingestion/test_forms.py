"""One month in every form of the CUR: the same ledger, the same bridge, the same charge lines."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.models import BridgeStep, LedgerDay, UncertainCost
from finops.core.amounts import exact_sum
from ingestion.core import aws_cur_columns as cur
from ingestion.models import Load, RejectedRow, Source
from tests.cur_export import Export, line
from tests.cur_forms import parquet_key, write_legacy, write_parquet_export
from tests.ingestion.bills import load, only_row
from tests.ingestion.commitments import (
    WIDE,
    bill,
    covered,
    lake_rows,
    negation,
    plan_fee,
    plan_upfront,
    reservation_fee,
    reserved,
)
from tests.properties.test_cur_properties import clear

pytestmark = pytest.mark.django_db

INVOICE = {"bill_invoice_id": "INV-7"}
MONTHLY = {
    cur.USAGE_START: "2026-04-01T00:00:00.000Z",
    cur.USAGE_END: "2026-05-01T00:00:00.000Z",
    cur.INTERVAL: "2026-04-01T00:00:00Z/2026-05-01T00:00:00Z",
}


@pytest.fixture
def month() -> Export:
    """A bill with every kind of line, tags, a credit in scientific notation and two currencies."""
    return bill(
        line("1.25", tenant="acme", **INVOICE),
        line("1.24889E-5", tenant="Globex", day=2, **INVOICE),
        line("0.1", day=3, line_item_product_code="AmazonS3"),
        covered("3.1", "2.05", tenant="acme"),
        negation("-3.1"),
        plan_fee("4", committed="4", used="2.05"),
        plan_upfront("100", **MONTHLY),
        reserved("0.4", tenant="acme", **{cur.NORMALIZED_USAGE: "4.0"}),
        reservation_fee("30", unused="7.5", **{cur.UNUSED_NORMALIZED: "120.0"}, **MONTHLY),
        line("-7.0E-10", **{cur.LINE_TYPE: "Credit"}),
        line("-2", **{cur.LINE_TYPE: "Refund"}),
        line("9.99", **{cur.LINE_TYPE: "Tax"}, **MONTHLY),
        line("29", **{cur.LINE_TYPE: cur.FEE}, **MONTHLY),
        line("5", tenant="acme", line_item_currency_code="EUR"),
        line("6", tenant="acme", **{cur.SPLIT_PARENT: "i-0abc"}),
        chunks=2,
    )


FORMS: dict[str, Callable[[Export, Path], Any]] = {
    "CUR 2.0 csv": lambda export, root: export.write(root),
    "CUR 2.0 Parquet": write_parquet_export,
    "legacy CUR csv": write_legacy,
    "legacy CUR Parquet": lambda export, root: write_legacy(export, root, parquet=True),
}


def ledger() -> dict[str, Any]:
    """All that a person sees of the load, but for who delivered it."""
    about = [field.attname for field in LedgerDay._meta.fields]
    ours = {"id", "load_id", "source_id", "tenant_id"}
    of_uncertain = {"id", "load_id"}
    names = [field.attname for field in UncertainCost._meta.fields]
    row = Load.objects.get(state="current")
    return {
        "days": sorted(
            LedgerDay.objects.values_list(
                "tenant__slug", *(name for name in about if name not in ours)
            ),
            key=str,
        ),
        "uncertain": sorted(
            UncertainCost.objects.values_list(*(n for n in names if n not in of_uncertain)), key=str
        ),
        "bridge": sorted(
            BridgeStep.objects.values_list(
                "billing_currency", "step", "billed_cost", "effective_cost", "list_cost", "lines"
            )
        ),
        "load": (row.lines, row.line_types, row.data_through, row.first_day, row.cost_basis),
    }


def lines() -> list[tuple[Any, ...]]:
    return lake_rows(
        "charge_period_start, charge_period_end, granularity, charge_category, billed_cost, "
        "effective_cost, contracted_cost, list_cost, consumed_quantity, resource_id, service_name, "
        "commitment_discount_id, commitment_discount_status, commitment_discount_quantity, invoice_id"
    )


@pytest.mark.parametrize("form", [name for name in FORMS if name != "CUR 2.0 csv"])
def test_every_form_gives_the_ledger_of_the_first(form, month, tmp_path):
    load(month.write(tmp_path / "first"))
    expected, expected_lines = ledger(), lines()
    clear()
    report = load(FORMS[form](month, tmp_path / "other"))
    assert [outcome.status for outcome in report.outcomes] == ["loaded"]
    assert Load.objects.get().form == form
    assert ledger() == expected
    assert lines() == expected_lines


amounts = st.decimals("-1e6", "1e6", allow_nan=False, allow_infinity=False, places=10) | st.floats(
    -1e9, 1e9, allow_nan=False
).filter(lambda number: abs(number) > 1e-39).map(lambda number: Decimal(repr(number)))


@settings(max_examples=20)
@given(st.lists(amounts, min_size=1, max_size=6))
def test_a_double_says_the_number_that_its_shortest_text_says(tmp_path_factory, numbers):
    clear()
    export = Export([line(str(number), tenant="acme", hour=n) for n, number in enumerate(numbers)])
    load(write_parquet_export(export, tmp_path_factory.mktemp("parquet")))
    expected = exact_sum(Decimal(repr(float(number))) for number in numbers)
    assert only_row().source_total == expected


def test_a_row_that_cannot_be_read_is_put_aside_in_parquet_too(tmp_path):
    rows = [line("1.25", tenant="acme"), line("2", tags="{}"), line("3")]
    rows[1] = {**rows[1], cur.INTERVAL: "yesterday"}
    export = Export(rows)
    load(write_parquet_export(export, tmp_path))
    (reject,) = RejectedRow.objects.all()
    assert (reject.file, reject.line) == (parquet_key(export, 0), 3)
    assert "not a time in UTC" in reject.reason
    assert (only_row().source_total, only_row().rejected) == (Decimal("6.25"), 2)


def test_a_double_next_to_nothing_is_put_aside(tmp_path):
    load(write_parquet_export(Export([line("1.25"), line("5e-324")]), tmp_path))
    (reject,) = RejectedRow.objects.all()
    assert "closer to 0 than any price: '5e-324'" in reject.reason
    assert only_row().source_total == Decimal("1.25")


def test_a_parquet_file_that_is_cut_off_is_refused_with_a_sentence(tmp_path):
    export = Export([line("1")])
    folder = write_parquet_export(export, tmp_path)
    path = folder / parquet_key(export, 0)
    path.write_bytes(path.read_bytes()[:-20])
    report = load(folder)
    assert report.exit_code == 2
    assert "cut off" in report.outcomes[0].sentence


@pytest.mark.parametrize("key_form", ["{key}", "/{key}", "{bare}", "/{bare}"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_report_keys_are_found_however_the_manifest_spells_them(
    key_form, overwrite, bill, tmp_path
):
    write_legacy(bill, tmp_path, key_form=key_form, overwrite=overwrite)
    load(tmp_path)
    assert only_row().source_total == bill.total()


@pytest.mark.parametrize("below", ["", "finance", "finance/cur", "finance/cur/legacy-hourly"])
def test_any_part_of_a_reports_prefix_may_have_been_copied(below, bill, tmp_path):
    load(write_legacy(bill, tmp_path) / below)
    assert only_row().source_total == bill.total()


def test_a_report_without_a_prefix_is_read(bill, tmp_path):
    load(write_legacy(bill, tmp_path, prefix=""))
    assert only_row().source_total == bill.total()


def test_the_newest_assembly_of_a_report_counts(bill, tmp_path):
    older = Export(bill.rows[:2])
    write_legacy(bill, tmp_path, assembly="20260418T000000Z")
    write_legacy(older, tmp_path, assembly="20260417T000000Z")
    # The copy in the period's folder is the last one written; the assembly's own time decides.
    load(tmp_path)
    assert only_row().source_total == bill.total()


def test_one_report_is_one_source_in_every_month(bill, tmp_path):
    write_legacy(bill, tmp_path)
    write_legacy(Export(bill.rows, period="2026-05"), tmp_path)
    load(tmp_path)
    source = Source.objects.get()
    assert source.identity == "arn:aws:cur:us-east-1:111122223333:definition/legacy-hourly"
    assert source.loads.count() == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"reportKeys": []}, "names no data file"),
        ({"reportKeys": "x"}, "names no reportKeys"),
        ({"reportKeys": ["../../etc/passwd"]}, "not a plain key"),
        ({"reportKeys": ["other/20260401-20260501/x.csv.gz"]}, "outside the report's own folder"),
        ({"reportKeys": ["finance/cur/legacy-hourly/20260501-20260601/x.csv"]}, "outside"),
        (
            {"reportKeys": ["finance/cur/legacy-hourly/20260401-20260501/x.zip"]},
            "only Parquet, csv",
        ),
        ({"billingPeriod": {"start": "20260501T000000.000Z"}}, "lies in the folder of"),
        ({"assemblyId": "x" * 300}, "is no id"),
    ],
)
def test_a_reports_manifest_that_is_wrong_is_refused_with_a_sentence(
    change, sentence, bill, tmp_path
):
    write_legacy(bill, tmp_path, overwrite=True)
    (path,) = tmp_path.rglob("*-Manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    report = load(tmp_path)
    assert report.exit_code == 2
    assert sentence in report.outcomes[0].sentence


@pytest.mark.parametrize(
    ("legacy", "canonical"),
    [
        ("lineItem/UnblendedCost", cur.COST),
        ("lineItem/NetUnblendedCost", cur.NET_COST),
        ("savingsPlan/SavingsPlanARN", cur.PLAN),
        ("savingsPlan/SavingsPlanEffectiveCost", cur.PLAN_EFFECTIVE),
        ("savingsPlan/TotalCommitmentToDate", cur.PLAN_COMMITMENT),
        ("reservation/ReservationARN", cur.RESERVATION),
        ("reservation/UnusedAmortizedUpfrontFeeForBillingPeriod", cur.UNUSED_UPFRONT),
        ("pricing/publicOnDemandCost", cur.LIST_COST),
        ("pricing/RateId", "pricing_rate_id"),
        ("product/ProductName", "product_product_name"),
        ("product/regionCode", "product_region_code"),
        ("splitLineItem/ParentResourceId", cur.SPLIT_PARENT),
        ("bill/InvoiceId", "bill_invoice_id"),
        ("identity/TimeInterval", cur.INTERVAL),
    ],
)
def test_aws_own_legacy_names_reach_the_table_of_columns(legacy, canonical):
    assert cur.canonical_name(legacy) == canonical


def test_a_report_with_few_columns_is_enough(tmp_path):
    """The columns of a small published sample: no tags, no currency, no interval."""
    folder = tmp_path / "r" / "20250101-20250201"
    folder.mkdir(parents=True)
    header = [
        "lineItem/UsageStartDate",
        "lineItem/UsageEndDate",
        "bill/PayerAccountId",
        "lineItem/UsageAccountId",
        "lineItem/ProductCode",
        "lineItem/UsageType",
        "lineItem/UnblendedCost",
        "product/ProductName",
    ]
    with gzip.open(folder / "r-1.csv.gz", "wt", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        writer.writerow(
            [
                "2025-01-01T00:00:00Z",
                "2025-01-01T01:00:00Z",
                "1",
                "1",
                "AmazonEC2",
                "BoxUsage",
                "0.0104",
                "Amazon EC2",
            ]
        )
        writer.writerow(
            [
                "2025-01-02 00:00:00",
                "2025-01-02 01:00:00",
                "1",
                "2",
                "AmazonRDS",
                "Instance",
                "0.034",
                "Amazon RDS",
            ]
        )
    (folder / "r-Manifest.json").write_text(
        json.dumps(
            {"account": "1", "reportName": "r", "reportKeys": ["/r/20250101-20250201/r-1.csv.gz"]}
        )
    )
    assert load(tmp_path).exit_code == 0
    assert only_row().source_total == Decimal("0.0444")
    assert set(LedgerDay.objects.values_list("service_name", flat=True)) == {
        "Amazon Elastic Compute Cloud",
        "Amazon Relational Database Service",
    }


def test_the_columns_of_every_form_are_in_one_table():
    assert {column for column in WIDE if cur.is_used(column)} == set(WIDE)


@pytest.mark.parametrize("spoil", [[], [line("ten")]])
def test_tags_that_differ_by_case_alone_keep_their_own_values(tmp_path, spoil):
    tags = [
        {"resourceTags/user:Tenant": "acme", "resourceTags/user:tenant": ""},
        {"resourceTags/user:Tenant": "", "resourceTags/user:tenant": "globex"},
    ]
    rows = [line("1", tags=json.dumps(found), day=day) for day, found in enumerate(tags, 1)]
    load(write_legacy(Export([*rows, *spoil]), tmp_path))
    borne = LedgerDay.objects.order_by("day").values_list("tenant__slug", flat=True)
    assert list(borne) == ["acme", "globex"]
