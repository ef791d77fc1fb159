"""The contenders of `bench/ingest.py`: each prints the seconds that its work took, and what it found."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

_DATABASE = "finops_bench"


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
    _say(took, _figures())


def _figures() -> dict[str, Any]:
    """The product's sums and numbers of rows, for the yardstick that must find the same."""
    from django.db.models import Sum

    from allocation import models
    from ingestion.models import LakeFile

    days = models.LedgerDay.objects.aggregate(
        **{name: Sum(name) for name in ("billed_cost", "effective_cost", "list_cost")}
    )
    tables: dict[str, Any] = {
        "ledger_day": models.LedgerDay,
        "ledger_month": models.LedgerMonth,
        "pnl_day": models.PnlDay,
        "pnl_month": models.PnlMonth,
        "uncertain": models.UncertainCost,
        "candidate": models.CandidateTenant,
        "bridge": models.BridgeStep,
    }
    rows = {name: model.objects.count() for name, model in tables.items()}
    rows["hourly"] = LakeFile.objects.filter(kind=LakeFile.Kind.HOURLY).aggregate(all=Sum("rows"))[
        "all"
    ]
    return days | rows


def _fresh_database(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {_DATABASE}")
        cursor.execute(f"CREATE DATABASE {_DATABASE}")
    connection.close()
    connection.settings_dict["NAME"] = _DATABASE


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
    _say(time.perf_counter() - began)


def in_pandas(folder: Path, *, exact: bool = True) -> None:
    """The product's work as one writes it with pandas: in Arrow's decimals, or in floats."""
    from bench import _pandas_ledger

    connection = _empty_database()
    work = Path(os.environ["BENCH_WORK"])
    began = time.perf_counter()
    figures = _pandas_ledger.run(files_of(folder), work, connection, exact=exact)
    _say(time.perf_counter() - began, figures)


def _empty_database() -> Any:
    """A connection to a database of the yardstick's own, where the product's would be."""
    url = os.environ["DATABASE_URL"]
    if url.startswith("sqlite"):
        return sqlite3.connect(url.removeprefix("sqlite:///"))
    import psycopg
    from psycopg import conninfo

    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {_DATABASE}")
        server.execute(f"CREATE DATABASE {_DATABASE}")
    return psycopg.connect(conninfo.make_conninfo(url, dbname=_DATABASE))


def _say(seconds: float, figures: dict[str, Any] | None = None) -> None:
    """The last line of a contender's output: how long it worked, and what it found, to the last digit."""
    told = {name: str(value) for name, value in (figures or {}).items()}
    print(json.dumps({"seconds": seconds, "figures": told}))


RUNS: dict[str, Callable[[Path], None]] = {
    "product": product,
    "duckdb": bare_duckdb,
    "pandas": in_pandas,
    "floats": partial(in_pandas, exact=False),
}
