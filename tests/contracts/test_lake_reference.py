"""`docs/reference/lake.md` names the columns that a real load writes."""

import re
from dataclasses import fields
from pathlib import Path

import duckdb
import pytest
from django.core.management import call_command
from django.db import connection

from ingestion import usage_lake
from ingestion.core.usage import UsageFact
from ingestion.models import LakeFile
from tests.log_objects import request, take, write

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs" / "reference" / "lake.md").read_text(encoding="utf-8")

LINE = {
    "identity_line_item_id": "a",
    "identity_time_interval": "2026-04-01T00:00:00Z/2026-04-01T01:00:00Z",
    "bill_payer_account_id": "111122223333",
    "line_item_usage_account_id": "111122223333",
    "line_item_line_item_type": "Usage",
    "line_item_product_code": "AmazonS3",
    "line_item_usage_type": "TimedStorage-ByteHrs",
    "line_item_usage_start_date": "2026-04-01T00:00:00Z",
    "line_item_usage_end_date": "2026-04-01T01:00:00Z",
    "line_item_usage_amount": "2",
    "line_item_unblended_cost": "1.25",
    "line_item_currency_code": "USD",
}


@pytest.fixture
def loaded(tmp_path: Path, db: None) -> None:
    month = "BILLING_PERIOD=2026-04"
    export = tmp_path / "bills" / "export"
    for folder in ("data", "metadata"):
        (export / folder / month).mkdir(parents=True)
    data = export / "data" / month / "export-00001.csv"
    data.write_text(f"{','.join(LINE)}\n{','.join(LINE.values())}\n")
    (export / "metadata" / month / "export-Manifest.json").write_text(
        f'{{"dataFiles": ["s3://bucket/export/data/{month}/export-00001.csv"]}}'
    )
    call_command("ingest", source="aws_cur", location=str(tmp_path / "bills"))


def _section(title: str) -> str:
    return re.split(
        r"^## ", REFERENCE.split(f"\n## {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE
    )[0]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("kind", ["charges", "allocated", "hourly"])
def test_every_column_is_described(kind: str, lake_of_this_test: Path) -> None:
    path = lake_of_this_test / LakeFile.objects.get(kind=kind).path
    names = duckdb.read_parquet(str(path), hive_partitioning=False).columns
    section = _section(kind)
    described = set(re.findall(r"`([a-z_]+)`", section))
    if kind == "hourly":
        described |= {"tenant", "environment", "product", "team"}  # "the four dimensions"
    assert set(names) - described == set()
    assert described - set(names) - {"hour", "day", "month", "charges"} == set()


@pytest.mark.usefixtures("loaded")
def test_the_statement_of_the_reference_finds_the_current_files(lake_of_this_test: Path) -> None:
    statement = re.search(r"```sql\n(.*?)```", REFERENCE, re.DOTALL)
    assert statement is not None
    with connection.cursor() as cursor:
        cursor.execute(statement[1].replace("2026-09-01", "2026-04-01"))
        paths = [row[0] for row in cursor.fetchall()]
    assert [(lake_of_this_test / path).is_file() for path in paths] == [True]


@pytest.mark.django_db
def test_every_column_of_usage_is_described(tmp_path: Path) -> None:
    write(tmp_path / "logs", "a.log", request(1))
    take(tmp_path / "logs")
    (path,) = usage_lake.files("facts").paths
    names = set(duckdb.read_parquet(path, hive_partitioning=False).columns)
    section = _section("usage")
    described = set(re.findall(r"`([a-z_]+)`", section)) - {"other", "unknown"}
    assert names == described
    assert names == {field.name for field in fields(UsageFact)} | {"unit"}
    statement = re.search(r"```sql\n(.*?)```", section, re.DOTALL)
    assert statement is not None
    with connection.cursor() as cursor:
        cursor.execute(statement[1].replace("2026-09-01", "2026-04-20"))
        assert [path.endswith(row[0]) for row in cursor.fetchall()] == [True]
