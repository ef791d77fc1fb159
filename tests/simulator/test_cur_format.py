"""The files look like AWS's own."""

import json
import re
from decimal import Decimal

from simulator import columns
from tests.simulator.deliveries import Rows, Simulated, simulate, utc

PERIOD = "2026-10"
FOLDER = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)


def test_the_table_is_that_of_a_real_export():
    kinds = [kind for _, kind in columns.COLUMNS]
    assert len(columns.COLUMNS) == len(columns.POSITIONS) == 127
    assert (kinds.count("string"), kinds.count("double"), kinds.count("timestamp")) == (79, 44, 4)


def test_every_chunk_has_the_header_and_ends_its_lines_with_a_line_feed(quarter: Simulated):
    chunks = quarter.chunks("2026-02")
    assert len(chunks) >= 2
    for chunk in chunks:
        assert chunk.startswith(columns.HEADER.encode())
        assert chunk.endswith(b"\n")
        assert b"\r" not in chunk


def test_every_row_has_127_cells(days_rows: Rows):
    assert all(len(row) == 127 for row in days_rows)


def test_the_gzip_frame_holds_no_time(days: Simulated):
    chunk = next(content for path, content in days.files.items() if path.endswith(".csv.gz"))
    assert chunk[:4] == b"\x1f\x8b\x08\x00"
    assert chunk[4:8] == b"\0\0\0\0"


def test_the_manifest_has_four_keys_and_lists_exactly_the_chunks(quarter: Simulated):
    manifest = quarter.manifest("2026-02")
    assert list(manifest) == ["executionId", "exportArn", "columns", "dataFiles"]
    assert [(c["name"], c["type"]) for c in manifest["columns"]] == list(columns.COLUMNS)
    there = [p for p in quarter.files if "/data/BILLING_PERIOD=2026-02/" in p]
    assert ["s3://" + path.removeprefix("aws/") for path in there] == manifest["dataFiles"]
    assert [path[-12:] for path in there] == [f"{n:05d}.csv.gz" for n in range(1, len(there) + 1)]
    folder = there[0].split("/")[-2]
    assert FOLDER.fullmatch(folder)
    assert folder.endswith(manifest["executionId"])


def test_both_copies_of_the_manifest_are_equal_and_come_last(quarter: Simulated):
    copies = [path for path in quarter.order if path.endswith("-Manifest.json")]
    assert len(copies) == 6
    for own, latest in zip(copies[::2], copies[1::2], strict=True):
        assert quarter.files[own] == quarter.files[latest]
        assert len(own.split("/")) == len(latest.split("/")) + 1
    assert quarter.order[-2:] == copies[-2:]


def test_map_cells_are_json_and_awkward_tags_survive(days_rows: Rows):
    notes = set()
    for row in days_rows:
        assert json.loads(row["cost_category"]) == json.loads(row["discount"]) == {}
        assert json.loads(row["product"])["product_name"]
        tags, resource_tags = json.loads(row["tags"]), json.loads(row["resource_tags"])
        if tags:
            assert {k.removeprefix("resourceTags/user:").lower(): v for k, v in tags.items()} == {
                k.removeprefix("user_"): v for k, v in resource_tags.items()
            }
        notes.add(resource_tags.get("user_note"))
    text = "".join(note for note in notes if note)
    assert {'"', ",", "\\", "🚀", "\t"} <= set(text)
    assert any(note and note.startswith("=") for note in notes)


def test_some_lines_have_resource_tags_only_and_spellings_differ(days_rows: Rows):
    assert any(row["tags"] == "{}" and row["resource_tags"] != "{}" for row in days_rows)
    tags = [json.loads(row["resource_tags"]) for row in days_rows]
    tenants = {t["user_tenant"] for t in tags if "user_tenant" in t}
    assert any(name != name.lower() for name in tenants)
    assert {"safron-foods", "coperline-crafts"} <= {name.lower() for name in tenants}
    assert {"production", "Production"} <= {t.get("user_environment") for t in tags}
    assert {"user_tennant", "user_tenat"} <= {key for t in tags for key in t}


def test_numbers_are_printed_plain_and_scientific(days_rows: Rows):
    costs = {row["line_item_unblended_cost"] for row in days_rows}
    assert any(re.fullmatch(r"\d\.\d+E-\d+", cost) for cost in costs)
    assert any(re.fullmatch(r"\d+\.\d+", cost) for cost in costs)


def test_cost_is_usage_times_rate(days_rows: Rows):
    half_a_step = Decimal("5E-11")
    for row in days_rows[::50]:
        if row["line_item_line_item_type"] == "Usage":
            exact = Decimal(row["line_item_usage_amount"]) * Decimal(
                row["line_item_unblended_rate"]
            )
            cost = Decimal(row["line_item_unblended_cost"])
            assert abs(cost - exact) <= half_a_step
            assert row["pricing_public_on_demand_cost"] == row["line_item_unblended_cost"]


def test_id_and_interval_together_are_unique(days_rows: Rows):
    ids = [(row["identity_line_item_id"], row["identity_time_interval"]) for row in days_rows]
    assert len(set(ids)) == len(ids)
    assert len({line_id for line_id, _ in ids}) < len(ids)
    assert all(re.fullmatch(r"[a-z2-7]{52}", line_id) for line_id, _ in ids[:100])


def test_lines_are_of_an_hour_or_a_day_and_lie_in_the_month(days_rows: Rows):
    lengths = set()
    for row in days_rows:
        start, end = row["identity_time_interval"].split("/")
        assert "2026-10-01T00:00:00Z" <= start < end <= "2026-10-05T00:00:00Z"
        if row["line_item_line_item_type"] == "Usage":
            assert row["line_item_usage_start_date"] == start[:-1] + ".000Z"
            assert row["line_item_usage_end_date"] == end[:-1] + ".000Z"
            lengths.add((start[11:] != "00:00:00Z") or end[11:] != "00:00:00Z")
    assert lengths == {True, False}


def test_services_accounts_and_regions_are_those_of_the_company(days_rows: Rows):
    assert {row["line_item_product_code"] for row in days_rows} == {
        "AmazonEC2", "AmazonS3", "AmazonRDS", "AWSLambda", "AmazonCloudFront", "AmazonEKS",
        "AmazonCloudWatch", "AWSELB", "AWSSupportBusiness", "ComputeSavingsPlans",
    }  # fmt: skip
    accounts = {row["line_item_usage_account_id"] for row in days_rows}
    assert len(accounts) == 9
    assert all(re.fullmatch(r"[1-9]\d{11}", account) for account in accounts)
    assert {row["product_region_code"] for row in days_rows} == {"us-east-1", "eu-west-1", ""}
    types = {row["line_item_usage_type"] for row in days_rows}
    assert {"NatGateway-Bytes", "NatGateway-Hours", "DataTransfer-Out-Bytes"} <= types
    for row in days_rows:
        if row["line_item_usage_type"].endswith("DataTransfer-Out-Bytes"):
            assert row["line_item_product_code"] in {"AmazonEC2", "AmazonS3", "AmazonCloudFront"}


def test_a_first_hour_is_a_whole_delivery():
    first = simulate(utc(2026, 10, 1), utc(2026, 10, 1, 1))
    rows = list(first.rows(PERIOD))
    assert first.truth["months"][PERIOD]["lines"] == len(rows) > 100
    assert {row["line_item_line_item_type"] for row in rows} == {
        "Usage", "Credit", "Fee", "Tax",
        "SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee",
    }  # fmt: skip
