"""Logpush objects for tests: lines as Cloudflare writes them, and what became of them."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from ingestion import usage_lake
from ingestion.services import IngestReport, ingest

START = datetime(2026, 4, 20, 10, tzinfo=UTC)


def request(number: int = 0, *, seconds: int = 0, **changed: Any) -> dict[str, Any]:
    """One line; ``number`` makes it another request. A value of ``...`` leaves the field out."""
    line: dict[str, Any] = {
        "RayID": f"{number:016x}",
        "ParentRayID": "00",
        "EdgeStartTimestamp": f"{START + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}",
        "ZoneName": "example.com",
        "ClientIP": "192.0.2.7",
        "ClientRequestHost": "acme.assets.example.com",
        "ClientRequestPath": "/img/logo.png",
        "ClientRequestURI": "/img/logo.png?sig=s3cr3t",
        "ClientRequestSource": "eyeball",
        "CacheCacheStatus": "hit",
        "EdgeResponseBytes": 1000,
        "CacheResponseBytes": 900,
        "OriginResponseBytes": 0,
        "OriginResponseStatus": 0,
        "WorkerCPUTime": 0,
        "WorkerWallTimeUs": 0,
        "WorkerScriptName": "",
        "WorkerSubrequest": False,
        "WorkerSubrequestCount": 0,
    }
    line |= changed
    return {name: value for name, value in line.items() if value is not ...}


def write(folder: Path, name: str, *lines: dict[str, Any] | str | bytes) -> Path:
    """An object of these lines, gzip where its name says so."""
    raw = b"\n".join(
        line
        if isinstance(line, bytes)
        else (line if isinstance(line, str) else json.dumps(line)).encode()
        for line in lines
    )
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = raw + b"\n" if lines else b""
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return path


def take(folder: Path, *, again: bool = False) -> IngestReport:
    return ingest(kind="cloudflare_logpush", location=folder, again=again)


def facts(*columns: str) -> dict[tuple[Any, ...], Decimal]:
    """Quantities of all that readers see, by metric and ``columns``."""
    found: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    table = usage_lake.files("facts")
    if table:
        names = ", ".join(("metric", *columns))
        rows = (
            duckdb.connect()
            .execute(
                f"SELECT {names}, sum(quantity) FROM read_parquet({list(table.paths)}, "
                "hive_partitioning=false) GROUP BY ALL"
            )
            .fetchall()
        )
        for row in rows:
            found[row[:-1]] += row[-1]
    return dict(found)


def total(metric: str) -> Decimal:
    return facts().get((metric,), Decimal(0))
