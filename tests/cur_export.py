"""Writes small CUR 2.0 exports as AWS lays them out, for tests of everything that reads them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

BUCKET = "example-billing"
PREFIX = "finance/cur"
EXPORT = "saas-hourly"
ARN = "arn:aws:bcm-data-exports:us-east-1:111122223333:export/saas-hourly-0001"

COLUMNS = (
    "bill_payer_account_id",
    "identity_line_item_id",
    "identity_time_interval",
    "line_item_currency_code",
    "line_item_line_item_description",
    "line_item_line_item_type",
    "line_item_operation",
    "line_item_product_code",
    "line_item_resource_id",
    "line_item_unblended_cost",
    "line_item_usage_account_id",
    "line_item_usage_amount",
    "line_item_usage_end_date",
    "line_item_usage_start_date",
    "line_item_usage_type",
    "pricing_public_on_demand_cost",
    "pricing_unit",
    "product",
    "product_region_code",
    "resource_tags",
    "tags",
)


Cell = str | int


def line(
    cost: str = "1.25", *, tenant: Cell = "", day: Cell = 1, hour: Cell = 0, **cells: Cell
) -> dict[str, str]:
    """One usage line of April 2026; ``tenant`` becomes a tag, ``cells`` replace any column."""
    begin = datetime(2026, 4, int(day), int(hour), tzinfo=UTC)
    start, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (begin, begin + timedelta(hours=1)))
    row = {
        "bill_payer_account_id": "111122223333",
        "identity_line_item_id": f"line-{day}-{hour}-{cost}",
        "identity_time_interval": f"{start}/{end}",
        "line_item_currency_code": "USD",
        "line_item_line_item_description": "$0.0104 per On Demand Linux t3.micro Instance Hour",
        "line_item_line_item_type": "Usage",
        "line_item_operation": "RunInstances",
        "line_item_product_code": "AmazonEC2",
        "line_item_resource_id": "i-0abc",
        "line_item_unblended_cost": cost,
        "line_item_usage_account_id": "444455556666",
        "line_item_usage_amount": "1.0",
        "line_item_usage_end_date": end.replace("Z", ".000Z"),
        "line_item_usage_start_date": start.replace("Z", ".000Z"),
        "line_item_usage_type": "BoxUsage:t3.micro",
        "pricing_public_on_demand_cost": cost,
        "pricing_unit": "Hrs",
        "product": '{"product_name":"Amazon Elastic Compute Cloud"}',
        "product_region_code": "us-east-1",
        "resource_tags": "{}",
        "tags": json.dumps({"resourceTags/user:Tenant": tenant}) if tenant else "{}",
    }
    return {**row, **{name: str(cell) for name, cell in cells.items()}}


@dataclass
class Export:
    """A delivery of one billing period; ``write`` puts it below a folder."""

    rows: Sequence[Mapping[str, str]]
    period: str = "2026-04"
    execution: str = "2026-04-16T15:24:15.653Z-04e9e487-79a7-42b1-a680-1de7c660dc8f"
    overwrite: bool = False
    chunks: int = 1
    packed: bool = True
    columns: Sequence[str] = COLUMNS
    export: str = EXPORT
    prefix: str = PREFIX
    arn: str = ARN
    execution_id: str = ""
    extra_uris: Sequence[str] = field(default_factory=tuple)

    @property
    def data_folder(self) -> str:
        """The folder of the data files, as a key."""
        run = "" if self.overwrite else f"/{self.execution}"
        return f"{self.prefix}/{self.export}/data/BILLING_PERIOD={self.period}{run}"

    def key(self, chunk: int) -> str:
        """The key of a chunk, from 0."""
        ending = "csv.gz" if self.packed else "csv"
        return f"{self.data_folder}/{self.export}-{chunk + 1:05d}.{ending}"

    def manifest_keys(self) -> list[str]:
        """Where the manifest lies: once when overwriting, twice otherwise."""
        folder = f"{self.prefix}/{self.export}/metadata/BILLING_PERIOD={self.period}"
        latest = f"{folder}/{self.export}-Manifest.json"
        return (
            [latest]
            if self.overwrite
            else [latest, f"{folder}/{self.execution}/{self.export}-Manifest.json"]
        )

    def write(self, root: Path) -> Path:
        """Write data files, then manifests, below ``root``, which stands for the bucket."""
        size = -(-len(self.rows) // self.chunks) or 1
        for chunk in range(self.chunks):
            write_csv(
                root / self.key(chunk), self.columns, self.rows[chunk * size : (chunk + 1) * size]
            )
        uris = [f"s3://{BUCKET}/{self.key(chunk)}" for chunk in range(self.chunks)]
        manifest = {
            "executionId": self.execution_id or self.execution.rpartition("Z-")[2],
            "exportArn": self.arn,
            "columns": [{"name": name, "type": "string"} for name in self.columns],
            "dataFiles": [*uris, *self.extra_uris],
        }
        for key in self.manifest_keys():
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(manifest))
        return root

    def total(self) -> Decimal:
        """Sum of the unblended cost, by Python's own decimals."""
        return sum(
            (Decimal(row["line_item_unblended_cost"] or "0") for row in self.rows), Decimal(0)
        )


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> None:
    """A CSV file as AWS writes it: header, LF, quotes where needed; packed when named so."""
    out = io.StringIO()
    writer = csv.DictWriter(
        out, list(columns), lineterminator="\n", extrasaction="ignore", restval=""
    )
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, out.getvalue())


def write_text(path: Path, text: str) -> None:
    """Any text as a data file; packed when the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.name.endswith(".gz") else data)
