"""The export of FOCUS 1.4 against the published data model: every column, every value."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from allocation.core.focus_export import FileFormat, columns
from allocation.focus_export import Wanted, write_focus
from finops.core.focus import ChargeCategory, CostKind, Granularity, ServiceCategory
from ingestion.core.charge_line import ChargeLine
from ingestion.made_load import Made, load_made
from ingestion.models import Load
from ingestion.services import ingest
from tests.cur_export import Export, line
from tests.focus_files import row, write
from tests.ingestion.commitments import covered, negation, plan_fee

pytestmark = pytest.mark.django_db

DATA = Path(__file__).resolve().parents[1] / "data" / "focus_1_4"
MODEL: dict[str, Any] = json.loads((DATA / "cost_and_usage.json").read_text())
COLUMNS: dict[str, dict[str, Any]] = MODEL["columns"]
METHOD_DETAILS = Draft202012Validator(
    json.loads((DATA / "allocated_method_details.json").read_text())
)
APRIL = date(2026, 4, 1)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_DECIMAL = re.compile(r"-?\d+(\.\d+)?")
_NOT_NULL_WHERE = {
    "Usage": ("PricingQuantity", "PricingUnit", "PricingCategory"),
    "Purchase": ("PricingQuantity", "PricingUnit", "PricingCategory"),
}


def faults(one: dict[str, str]) -> list[str]:
    """What the model finds wrong with a row of the CSV form, in which an empty field is null."""
    found = []
    for name, about in COLUMNS.items():
        value = one.get(name)
        if value is None:
            if about["feature_level"] in {"Mandatory", "Recommended"}:
                found.append(f"{name} is missing")
        elif not value:
            if not about["allows_nulls"]:
                found.append(f"{name} is null")
        elif problem := _value_problem(value, about):
            found.append(f"{name} {problem}: {value!r}")
    found += [
        f"{name} is null of {one['ChargeCategory']}"
        for name in _NOT_NULL_WHERE.get(one["ChargeCategory"], ())
        if not one[name]
    ]
    parent = MODEL["service_subcategory_parents"].get(one["ServiceSubcategory"])
    if parent != one["ServiceCategory"]:
        found.append(f"ServiceSubcategory is of {parent}, not of {one['ServiceCategory']}")
    if details := one["AllocatedMethodDetails"]:
        found += [error.message for error in METHOD_DETAILS.iter_errors(json.loads(details))]
    return found


def _value_problem(value: str, about: dict[str, Any]) -> str:
    kind, form = about["data_type"], about["value_format"]
    if about.get("allowed_values") and value not in about["allowed_values"]:
        return "is not one of the allowed values"
    if kind == "Date/Time" and not _TIME.fullmatch(value):
        return "is no time in UTC"
    if kind == "Decimal":
        if not _DECIMAL.fullmatch(value):
            return "is no plain decimal"
        if form == "Decimal (non-negative)" and Decimal(value) < 0:
            return "is negative"
    if form == "Currency" and not re.fullmatch(r"[A-Z]{3}", value):
        return "is no currency"
    if kind == "JSON" and not isinstance(json.loads(value), dict):
        return "is no JSON object"
    return ""


def exported(folder: Path, **wanted: Any) -> list[dict[str, str]]:
    out = folder / "export.csv.gz"
    write_focus(Wanted(APRIL, "1.4", **wanted), out)
    return list(csv.DictReader(io.StringIO(gzip.decompress(out.read_bytes()).decode(), newline="")))


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    """Every kind of line: of AWS with commitments and reversals, of a vendor in FOCUS, of an invoice, estimated."""
    aws = [
        *(line("10.0049", tenant="acme"), line("-5.25", line_item_line_item_type="Credit")),
        *(covered("1.10", "0.75", plan="plan-1", tenant="acme"), negation("-1.10", plan="plan-1")),
        plan_fee("1.00", committed="1.00", used="0.75", plan="plan-1"),
        line("9.5", line_item_line_item_type="Tax"),
        line("-2.25", line_item_line_item_type="Refund", tenant="globex"),
        line("-0.5", tenant="globex"),
        line("3", line_item_line_item_type="Fee"),
    ]
    ingest(kind="aws_cur", location=Export(aws).write(tmp_path / "aws"))
    bare = dict.fromkeys(
        ("ChargeFrequency", "ConsumedUnit", "ConsumedQuantity", "ListCost", "ServiceCategory"), ""
    )
    vendor = [
        row("10.5"),
        row("7", **bare, Tags=""),
        row("0"),
        row("-3.5", ChargeCategory="Adjustment", ChargeClass="Correction"),
        row("4", ServiceCategory="Something else", ServiceName="Another"),
        row("5", ChargeCategory="Purchase", ChargeFrequency="Recurring"),
        row(
            "0",
            CommitmentDiscountId="c-1",
            CommitmentDiscountCategory="Spend",
            CommitmentDiscountStatus="Unused",
        ),
    ]
    write(tmp_path / "snowline" / "a.csv", vendor)
    ingest(kind="focus", location=tmp_path / "snowline")
    start = datetime(2026, 4, 2, tzinfo=UTC)
    one = ChargeLine(
        billing_period_start=APRIL,
        charge_period_start=start,
        charge_period_end=start + timedelta(hours=1),
        granularity=Granularity.HOUR,
        service_provider_name="Cloudflare",
        service_name="Workers",
        service_category=ServiceCategory.COMPUTE,
        billed_cost=Decimal("0.3"),
        effective_cost=Decimal("0.3"),
        billing_currency="EUR",
        tags={"tenant": "acme"},
    )
    made = Made("estimate", "cf", "estimate-cf", "Cloudflare (estimated)", "Cloudflare", "x")
    load_made(made, billing_period=APRIL, lines=[one], kind=CostKind.ESTIMATED)
    return tmp_path


def test_the_columns_are_those_of_the_published_model_and_ours_say_so():
    names = [column.name for column in columns("1.4")]
    assert len(set(names)) == len(names)
    own = [name for name in names if name not in COLUMNS]
    assert all(re.fullmatch(r"x_([A-Z][a-z]+)+", name) for name in own), own
    needed = {
        name
        for name, about in COLUMNS.items()
        if about["feature_level"] in {"Mandatory", "Recommended"}
    }
    assert needed <= set(names)
    assert not {"ProviderName", "PublisherName"} & set(names), "1.4 has them no more"


def test_every_value_of_every_line_is_what_the_published_model_allows(everything):
    rows = exported(everything, estimates=True)
    assert {one["ChargeCategory"] for one in rows} == {one.value for one in ChargeCategory}
    assert {one["ServiceProviderName"] for one in rows} == {
        "Amazon Web Services",
        "Snowline",
        "Cloudflare",
    }
    assert [(one["ChargeDescription"], faults(one)) for one in rows if faults(one)] == []


def test_parquet_has_the_types_of_the_published_model(everything):
    out = everything / "export.parquet"
    write_focus(Wanted(APRIL, "1.4", file_format=FileFormat.PARQUET), out)
    schema = pq.read_schema(out)
    for name, about in COLUMNS.items():
        if name not in schema.names:
            continue
        kind = schema.field(name).type
        if about["data_type"] == "Decimal":
            assert pa.types.is_decimal(kind), name
        elif about["data_type"] == "Date/Time":
            assert pa.types.is_timestamp(kind), name
        else:
            assert pa.types.is_string(kind), name


_COST = st.decimals("-999", "999", places=6, allow_nan=False)


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([one.value for one in ChargeCategory]),
            *[_COST] * 3,
            st.sampled_from(["", "0", "-4", "24", "0.000001"]),
            st.sampled_from(["", "Hours"]),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_a_bill_says_the_export_stays_within_the_model(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    Load.objects.all().delete()
    made = [
        row(
            str(billed),
            ChargeCategory=category,
            EffectiveCost=str(effective),
            ListCost=str(listed),
            ConsumedQuantity=quantity,
            ConsumedUnit=unit,
        )
        for category, billed, effective, listed, quantity, unit in rows
    ]
    write(folder / "in" / "a.csv", made)
    assert ingest(kind="focus", location=folder / "in").exit_code == 0
    for one in exported(folder):
        assert faults(one) == []
        for cost, price in (
            ("ListCost", "ListUnitPrice"),
            ("ContractedCost", "ContractedUnitPrice"),
        ):
            if one[price]:
                told = Decimal(one[price]) * Decimal(one["PricingQuantity"])
                rest = abs(told - Decimal(one[cost]))
                assert rest <= abs(Decimal(one["PricingQuantity"])) * Decimal("1e-9")
