"""The same bill in AWS's other forms: Parquet, and the legacy report as csv and Parquet."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from finops.core.periods import add_months, parse_month
from ingestion.core import aws_cur_columns as cur
from tests.cur_export import BUCKET, Export, write_csv

NUMBERS = frozenset(number.source for number in cur.NUMBERS)
TIMES = frozenset({cur.USAGE_START, cur.USAGE_END})
MAPS = frozenset({cur.TAGS, cur.RESOURCE_TAGS, cur.PRODUCT})
ACCOUNT, REPORT = "111122223333", "legacy-hourly"
ASSEMBLY = "20260416T152415Z"


def write_parquet_export(export: Export, root: Path) -> Path:
    """The CUR 2.0 export with ``.snappy.parquet`` files, typed as AWS types them."""
    export.write(root)
    for key in export.manifest_keys():
        manifest = json.loads((root / key).read_text())
        manifest["dataFiles"] = [
            f"s3://{BUCKET}/{parquet_key(export, chunk)}" for chunk in range(export.chunks)
        ]
        (root / key).write_text(json.dumps(manifest))
    size = -(-len(export.rows) // export.chunks) or 1
    for chunk in range(export.chunks):
        (root / export.key(chunk)).unlink()
        rows = export.rows[chunk * size : (chunk + 1) * size]
        write_parquet(root / parquet_key(export, chunk), export.columns, rows)
    return root


def parquet_key(export: Export, chunk: int) -> str:
    """The key of a chunk of the Parquet form."""
    return export.key(chunk).replace(".csv.gz", ".snappy.parquet")


def write_parquet(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Doubles, timestamps in milliseconds, maps and texts; empty cells are NULL."""
    table = {name: _array(name, [row.get(name, "") for row in rows]) for name in columns}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path, compression="snappy")


def _array(name: str, texts: list[str]) -> pa.Array:
    if name in NUMBERS:
        return pa.array([float(text) if text else None for text in texts], pa.float64())
    if name in TIMES:
        moments = [datetime.fromisoformat(text[:19]) if text else None for text in texts]
        return pa.array(moments, pa.timestamp("ms"))
    if name in MAPS:
        pairs = [list(json.loads(text).items()) if text else None for text in texts]
        return pa.array(pairs, pa.map_(pa.string(), pa.string()))
    return pa.array([text or None for text in texts], pa.string())


# --- the legacy report -------------------------------------------------------------------------------


def legacy_name(name: str) -> str:
    """``line_item_unblended_cost`` as ``lineItem/UnblendedCost``."""
    for category, legacy in (
        ("line_item", "lineItem"),
        ("split_line_item", "splitLineItem"),
        ("savings_plan", "savingsPlan"),
        ("identity", "identity"),
        ("bill", "bill"),
        ("product", "product"),
        ("pricing", "pricing"),
        ("reservation", "reservation"),
    ):
        if name.startswith(f"{category}_"):
            words = name.removeprefix(f"{category}_").split("_")
            rest = "".join(word.capitalize() for word in words)
            if category == "product" and name != "product_product_name":
                rest = words[0] + rest[len(words[0]) :]  # the attributes of products begin small
            return f"{legacy}/{rest}"
    raise AssertionError(name)


def write_legacy(
    export: Export,
    root: Path,
    *,
    assembly: str = ASSEMBLY,
    overwrite: bool = False,
    parquet: bool = False,
    prefix: str = "finance/cur",
    key_form: str = "{key}",
) -> Path:
    """The same bill as a legacy report; ``key_form`` is how the manifest spells a key."""
    first = parse_month(export.period)
    span = f"{first:%Y%m%d}-{add_months(first, 1):%Y%m%d}"
    base = f"{prefix}/{REPORT}" if prefix else REPORT
    run = "" if overwrite else f"/{assembly}"
    tags = sorted({key for row in export.rows for key in json.loads(row.get("tags") or "{}")})
    columns = [name for name in export.columns if name not in MAPS]
    keys = []
    size = -(-len(export.rows) // export.chunks) or 1
    for chunk in range(export.chunks):
        rows = export.rows[chunk * size : (chunk + 1) * size]
        if parquet:
            key = f"{base}/{REPORT}/year={first.year}/month={first.month}/{REPORT}-{chunk + 1:05d}.snappy.parquet"
            cells = [
                {**row, **{_snake(tag): json.loads(row["tags"]).get(tag, "") for tag in tags}}
                for row in rows
            ]
            cells = [
                {**row, "product_product_name": json.loads(row["product"]).get("product_name", "")}
                for row in cells
            ]
            names = [*columns, "product_product_name", *map(_snake, tags)]
            write_parquet(root / key, names, cells)
        else:
            key = f"{base}/{span}{run}/{REPORT}-{chunk + 1}.csv.gz"
            cells = [_legacy_row(row, columns, tags) for row in rows]
            names = [*map(legacy_name, columns), "product/ProductName", *tags]
            write_csv(root / key, names, cells)
        keys.append(key)
    manifest = {
        "assemblyId": "" if overwrite else assembly,
        "account": ACCOUNT,
        "columns": [{"category": "lineItem", "name": "UnblendedCost", "type": "BigDecimal"}],
        "charset": "UTF-8",
        "compression": "Parquet" if parquet else "GZIP",
        "contentType": "text/csv",
        "reportId": "0" * 32,
        "reportName": REPORT,
        "billingPeriod": {
            "start": f"{first:%Y%m%d}T000000.000Z",
            "end": f"{add_months(first, 1):%Y%m%d}T000000.000Z",
        },
        "bucket": BUCKET,
        "reportKeys": [
            key_form.format(key=key, bare=key.removeprefix(f"{prefix}/")) for key in keys
        ],
    }
    copies = [f"{base}/{span}/{REPORT}-Manifest.json"]
    if not overwrite:
        copies.append(f"{base}/{span}/{assembly}/{REPORT}-Manifest.json")
    for copy in copies:
        (root / copy).parent.mkdir(parents=True, exist_ok=True)
        (root / copy).write_text(json.dumps(manifest))
    return root


def _legacy_row(
    row: Mapping[str, str], columns: Sequence[str], tags: Sequence[str]
) -> dict[str, str]:
    cells = {legacy_name(name): row.get(name, "") for name in columns}
    # The legacy spelling of times has no milliseconds.
    for name in (cur.USAGE_START, cur.USAGE_END):
        cells[legacy_name(name)] = re.sub(r"\.\d+Z$", "Z", row[name])
    known = json.loads(row.get("tags") or "{}")
    cells |= {tag: known.get(tag, "") for tag in tags}
    cells["product/ProductName"] = json.loads(row.get("product") or "{}").get("product_name", "")
    return cells


def _snake(tag: str) -> str:
    """``resourceTags/user:CostCenter`` as ``resource_tags_user_cost_center``."""
    key = tag.removeprefix("resourceTags/").replace(":", "_")
    return "resource_tags_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
