"""The contenders of `bench/ingest.py`: each prints the seconds that its work took."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def used_columns(path: Path) -> list[str]:
    """The columns of the file that the product reads, as the file spells them."""
    import gzip

    from ingestion.core import aws_cur_columns as cur

    with gzip.open(path, "rt") as stream:
        return [name for name in stream.readline().strip().split(",") if cur.is_used(name)]


def files_of(folder: Path) -> list[Path]:
    """The delivery's files."""
    return sorted((folder / "delivery").rglob("*.csv.gz"))


def product(folder: Path) -> None:
    """Everything from the files to the committed ledger."""
    import logging

    # What a worker has loaded long since; the yardsticks import what they need before they begin, too.
    import django
    import duckdb  # noqa: F401
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.parquet

    django.setup()
    logging.disable(logging.INFO)
    pyarrow.array([])  # it looks for pandas, which is here for the yardstick alone
    from django.core.management import call_command
    from django.db import connection

    from allocation.selectors import reconciliation
    from ingestion.services import ingest

    if connection.vendor == "postgresql":
        _fresh_database(connection)
    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    report = ingest(kind="aws_cur", location=folder / "delivery")
    took = time.perf_counter() - began
    (row,) = reconciliation()
    if report.exit_code or row.difference:
        msg = f"The ledger is not right: {report}"
        raise SystemExit(msg)
    print(took)


def _fresh_database(connection: Any) -> None:
    name = "finops_bench"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()
    connection.settings_dict["NAME"] = name


def bare_duckdb(folder: Path) -> None:
    """Every value of the same columns read once, and nothing made of it."""
    import duckdb

    paths = files_of(folder)
    columns = used_columns(paths[0])
    listed = ", ".join(f"'{path}'" for path in paths)
    counts = ", ".join(f'count("{name}")' for name in columns)
    began = time.perf_counter()
    duckdb.connect().execute(
        f"SELECT {counts} FROM read_csv([{listed}], header=true, all_varchar=true, quote='\"', escape='\"')"
    ).fetchall()
    print(time.perf_counter() - began)


def in_pandas(folder: Path) -> None:
    """The product's work as one would write it with pandas: in chunks, and with floats."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = files_of(folder)
    columns = used_columns(paths[0])
    work = Path(os.environ["BENCH_WORK"])
    names = ("tenant", "environment", "product", "team")
    known: dict[tuple[str, str], tuple[str, ...]] = {}

    def meaning(pair: tuple[str, str]) -> tuple[str, ...]:
        if pair not in known:
            tags = {**_tags(pair[0]), **_tags(pair[1])}
            known[pair] = tuple(tags.get(name, "") for name in names)
        return known[pair]

    began = time.perf_counter()
    hourly = []
    keys = [*names, "line_item_product_code", "product_region_code", "line_item_line_item_type"]
    measures = [
        "line_item_unblended_cost",
        "line_item_usage_amount",
        "pricing_public_on_demand_cost",
    ]
    writer = None
    for path in paths:
        for chunk in pd.read_csv(
            path, usecols=columns, dtype=str, keep_default_na=False, chunksize=200_000
        ):
            for name in measures:
                chunk[name] = pd.to_numeric(chunk[name]).fillna(0.0)
            for name in ("line_item_usage_start_date", "line_item_usage_end_date"):
                chunk[name] = pd.to_datetime(chunk[name], utc=True)
            pairs = zip(chunk["tags"], chunk["resource_tags"], strict=True)
            chunk[list(names)] = [meaning(pair) for pair in pairs]
            table = pa.Table.from_pandas(chunk, preserve_index=False)
            writer = writer or pq.ParquetWriter(
                work / "lines.parquet", table.schema, compression="zstd"
            )
            writer.write_table(table.cast(writer.schema))
            chunk["hour"] = chunk["line_item_usage_start_date"].dt.floor("h")
            hourly.append(chunk.groupby(["hour", *keys], as_index=False)[measures].sum())
    if writer:
        writer.close()
    hours = pd.concat(hourly).groupby(["hour", *keys], as_index=False)[measures].sum()
    hours.to_parquet(work / "hourly.parquet", compression="zstd")
    hours["day"] = hours["hour"].dt.strftime("%Y-%m-%d")
    days = hours.groupby(["day", *keys], as_index=False)[measures].sum()
    with sqlite3.connect(work / "pandas.sqlite3") as database:
        days.to_sql("ledger", database, index=False)
    print(time.perf_counter() - began)


def _tags(text: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(text) if text else {}
    return {
        name.lower()
        .removeprefix("resourcetags/")
        .removeprefix("user:")
        .removeprefix("user_"): value
        for name, value in found.items()
    }


RUNS: dict[str, Callable[[Path], None]] = {
    "product": product,
    "duckdb": bare_duckdb,
    "pandas": in_pandas,
}
