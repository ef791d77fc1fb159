"""The export of the ledger as FOCUS: every cent, every tenant, and the way back in."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.core.figures import Slice
from allocation.core.focus_export import VERSIONS, FileFormat, columns
from allocation.focus_export import ExportError, Wanted, write_focus
from allocation.selectors import pnl_by_tenant, reconciliation
from finops.core.amounts import exact_sum
from finops.core.focus import CostKind, Granularity, ServiceCategory
from finops.core.periods import Window
from ingestion.core.charge_line import ChargeLine
from ingestion.made_load import Made, load_made
from ingestion.models import Load, Source
from ingestion.services import ingest
from tests.cur_export import Export, line
from tests.dashboards.world import load_company
from tests.focus_files import row, write
from tests.ingestion.commitments import covered, negation, plan_fee

pytestmark = pytest.mark.django_db

APRIL = date(2026, 4, 1)
MONTH = Slice(window=Window(APRIL, date(2026, 5, 1)))


def rows_of(folder: Path, version: str = "1.2", **wanted) -> list[dict[str, str]]:
    out = folder / "export.csv.gz"
    count = write_focus(Wanted(APRIL, version, **wanted), out)
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(out.read_bytes()).decode(), newline="")))
    assert len(rows) == count
    return rows


def billed(rows: list[dict[str, str]]) -> Decimal:
    return exact_sum(Decimal(one["BilledCost"]) for one in rows)


@pytest.fixture
def bills(tmp_path: Path) -> Path:
    load_company(tmp_path / "bills")
    return tmp_path


@pytest.mark.parametrize("version", VERSIONS)
def test_the_sum_of_the_export_is_the_sum_of_the_lake(bills, version):
    rows = rows_of(bills, version)
    (april,) = [r for r in reconciliation() if r.billing_period == APRIL]
    assert billed(rows) == april.ingested
    assert len(rows) == april.lines
    assert list(rows[0]) == [column.name for column in columns(version)]


def test_amounts_are_plain_decimals_and_times_are_utc(bills):
    for one in rows_of(bills):
        for name, text in one.items():
            if name.endswith(("Cost", "Price", "Quantity")) and text:
                assert "e" not in text.lower(), (name, text)
                Decimal(text)
        assert one["BillingPeriodStart"] == "2026-04-01T00:00:00Z"
        assert one["BillingPeriodEnd"] == "2026-05-01T00:00:00Z"
        assert one["ChargePeriodStart"].endswith(":00:00Z")


def test_each_line_names_its_tenant_the_rule_and_how_sure_it_is(bills):
    rows = rows_of(bills)
    by_tenant: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for one in rows:
        by_tenant[one["x_TenantId"]].add((one["x_AllocationRule"], one["x_AllocationConfidence"]))
    assert by_tenant["acme"] == {("tag tenant=acme v1", "1")}
    assert by_tenant[""] == {("unallocated v1", "0")}
    assert {one["x_CostKind"] for one in rows} == {"billed"}
    assert {one["x_Environment"] for one in rows} == {"production", "staging", ""}


def test_1_4_says_in_its_own_columns_who_bears_a_line(bills):
    rows = rows_of(bills, "1.4")
    assert not {"ProviderName", "PublisherName"} & set(rows[0])
    for one in rows:
        assert one["ServiceProviderName"] == one["HostProviderName"] == "Amazon Web Services"
        if not one["x_TenantId"]:
            assert one["AllocatedMethodId"] == one["AllocatedMethodDetails"] == ""
            continue
        assert one["AllocatedResourceId"] == one["x_TenantId"]
        assert one["AllocatedMethodId"] == one["x_AllocationRule"]
        (element,) = json.loads(one["AllocatedMethodDetails"])["Elements"]
        assert element["AllocatedRatio"] == 1
        assert element["x_Confidence"] == 1
        assert element["x_Rule"] == one["x_AllocationRule"]
        assert json.loads(one["AllocatedTags"])["tenant"] == one["x_TenantId"]
    assert {one["AllocatedResourceName"] for one in rows} == {"Acme", "Globex", "Initech", ""}


def test_unit_prices_times_quantities_are_the_costs(tmp_path):
    rows = [
        line("0.0312", line_item_usage_amount="3"),
        line("1234567.5", line_item_usage_amount="2500"),
        line("1", line_item_usage_amount="3"),
    ]
    assert ingest(kind="aws_cur", location=Export(rows).write(tmp_path / "aws")).exit_code == 0
    found = {one["BilledCost"]: one for one in rows_of(tmp_path)}
    assert found["0.0312"]["ContractedUnitPrice"] == "0.0104"
    assert found["1234567.5"]["ContractedUnitPrice"] == "493.827"
    # A third has no last digit: it is cut, never rounded up.
    assert found["1"]["ContractedUnitPrice"] == "0.333333333333333333"


def test_csv_holds_no_formula_and_parquet_keeps_the_text(bills):
    assert "'=1+1" in {one["ResourceId"] for one in rows_of(bills)}
    out = bills / "export.parquet"
    write_focus(Wanted(APRIL, "1.4", FileFormat.PARQUET), out)
    table = pq.read_table(out)
    assert "=1+1" in table.column("ResourceId").to_pylist()
    assert str(table.schema.field("BilledCost").type) == "decimal128(38, 18)"
    assert "timestamp" in str(table.schema.field("ChargePeriodStart").type)


def test_people_limited_to_tenants_get_their_lines_only(bills):
    rows = rows_of(bills, tenants=frozenset({"acme"}))
    assert {one["x_TenantId"] for one in rows} == {"acme"}
    assert rows_of(bills, tenants=frozenset()) == []


def test_estimates_are_left_out_unless_they_are_asked_for(bills):
    made = Made("estimate", "test", "estimates", "Estimates", "Cloudflare", "estimates")
    start = datetime(2026, 4, 1, tzinfo=UTC)
    estimate = ChargeLine(
        billing_period_start=APRIL,
        charge_period_start=start,
        charge_period_end=start + timedelta(days=1),
        granularity=Granularity.DAY,
        service_provider_name="Cloudflare",
        service_name="Workers",
        service_category=ServiceCategory.COMPUTE,
        billed_cost=Decimal(7),
        effective_cost=Decimal(7),
        billing_currency="USD",
        tags={"tenant": "acme"},
    )
    load_made(made, billing_period=APRIL, lines=[estimate], kind=CostKind.ESTIMATED)
    without, with_ = rows_of(bills), rows_of(bills, estimates=True)
    assert {one["x_CostKind"] for one in without} == {"billed"}
    assert billed(with_) - billed(without) == 7
    (only,) = rows_of(bills, estimates=True, sources=("estimates",))
    assert (only["x_CostKind"], only["BillingAccountId"]) == ("estimated", "estimates")


def _figures(source: str) -> dict[str, tuple[Decimal, ...]]:
    """Billed and effective cost of each tenant, from the ledger of one source's load."""
    from allocation.models import LedgerMonth

    sums: dict[str, tuple[Decimal, ...]] = {}
    for one in LedgerMonth.objects.filter(source__slug=source, month=APRIL).select_related(
        "tenant"
    ):
        key = one.tenant.slug if one.tenant else ""
        old = sums.get(key, (Decimal(0),) * 2)
        new = (one.billed_cost, one.effective_cost)
        sums[key] = tuple(exact_sum(pair) for pair in zip(old, new, strict=True))
    return sums


def _again(folder: Path, name: str, version: str, file_format: FileFormat) -> str:
    """Export all of April, load it as a source of its own, and name that."""
    back = folder / name
    back.mkdir()
    wanted = Wanted(APRIL, version, file_format, sources=("aws-saas-hourly",))
    write_focus(wanted, back / wanted.name)
    assert ingest(kind="focus", location=back).exit_code == 0
    return f"focus-{name}"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file_format", list(FileFormat))
def test_our_own_export_loads_to_the_same_ledger(tmp_path, version, file_format):
    rows = [
        *(line("10.0049", tenant="acme"), line("-5.25", line_item_line_item_type="Credit")),
        line("1.5", tenant="globex", line_item_resource_id="=cmd|' /C calc'!A0"),
        line("9.5", tenant="acme", line_item_line_item_type="Tax"),
        *(covered("1.10", "0.75", plan="plan-1", tenant="acme"), negation("-1.10", plan="plan-1")),
        plan_fee("1.00", committed="1.00", used="0.75", plan="plan-1"),
        line("2.25", line_item_line_item_type="Refund", tenant="globex"),
    ]
    assert ingest(kind="aws_cur", location=Export(rows).write(tmp_path / "aws")).exit_code == 0
    back = _again(tmp_path, "back", version, file_format)
    first = _figures("aws-saas-hourly")
    assert first
    assert _figures(back) == first
    sums = {r.source: (r.ingested, r.allocated, r.unallocated) for r in reconciliation()}
    assert sums[back] == sums["aws-saas-hourly"]


@settings(max_examples=15)
@given(
    lines_=st.lists(
        st.tuples(
            st.decimals("-9999", "9999", places=10, allow_nan=False),
            st.sampled_from(["acme", "globex", ""]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_the_amounts_export_and_import_agree(lines_, tmp_path_factory):
    folder = tmp_path_factory.mktemp("roundtrip")
    Load.objects.all().delete()
    rows = [
        row(f"{cost:f}", Tags=json.dumps({"tenant": who} if who else {})) for cost, who in lines_
    ]
    write(folder / "in" / "a.csv", rows)
    assert ingest(kind="focus", location=folder / "in").exit_code == 0
    out = folder / "out"
    out.mkdir()
    write_focus(Wanted(APRIL, "1.4", sources=(_slug(folder / "in"),)), out / "a.csv.gz")
    assert ingest(kind="focus", location=out).exit_code == 0
    assert _figures(_slug(out)) == _figures(_slug(folder / "in"))


def _slug(folder):
    return Source.objects.get(identity=f"folder {folder}").slug


def test_the_command_writes_a_whole_file_or_none(bills, capsys):
    out = bills / "april.csv.gz"
    call_command("export_focus", period="2026-04", out=str(out))
    assert "april.csv.gz: 9 lines, FOCUS 1.2." in capsys.readouterr().out
    assert gzip.decompress(out.read_bytes()).count(b"\n") == 10
    before = out.read_bytes()
    for options, sentence in (
        ({"period": "2025-01"}, "No bill of 2025-01 is loaded"),
        ({"period": "soon"}, "soon"),
        ({"period": "2026-04", "source": ["nobody"]}, "There is no source 'nobody'"),
        ({"period": "2026-04", "out": str(bills / "no" / "x.csv.gz")}, "cannot be written"),
    ):
        with pytest.raises(CommandError, match=sentence) as refused:
            call_command("export_focus", **{"out": str(out), **options})
        assert refused.value.returncode == 2
    assert out.read_bytes() == before
    assert not list(bills.glob(".*.part"))


def test_an_unknown_version_is_refused(bills):
    with pytest.raises(ExportError, match=r"FOCUS 9\.9 cannot be written: choose 1\.2 or 1\.4"):
        write_focus(Wanted(APRIL, "9.9"), bills / "x")


def test_the_pnl_of_a_tenant_is_the_sum_of_its_exported_lines(bills):
    cost: dict[str, Decimal] = defaultdict(Decimal)
    for one in rows_of(bills, "1.4"):
        if one["ChargeCategory"] in {"Usage", "Purchase", "Adjustment"}:
            cost[one["x_TenantId"]] += Decimal(one["EffectiveCost"])
    pnls = pnl_by_tenant(MONTH)
    del cost[""]
    assert {slug: pnls[slug].cost for slug in cost} == dict(cost)


def test_the_export_of_parquet_is_what_any_engine_reads(bills):
    out = bills / "export.parquet"
    write_focus(Wanted(APRIL, "1.2", FileFormat.PARQUET), out)
    ((total,),) = duckdb.execute(f"SELECT sum(BilledCost) FROM read_parquet('{out}')").fetchall()
    assert total == Decimal("102.0576")
