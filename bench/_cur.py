"""A large CUR 2.0 delivery for benchmarks: the simulated company's lines, many times over.

Each copy has its own resources, line ids and costs, and every tenth copy its own tenants, so that files
compress and keys repeat as a larger company's do.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINES_A_FILE = 1_000_000
_EXECUTION = "2026-11-01T01:13:53.071Z-00000000-0000-0000-0000-000000000001"


def generate(folder: Path, lines: int) -> int:
    """Write the delivery of October 2026 below ``folder``; the bytes of its files."""
    import duckdb

    base = folder / "base"
    subprocess.run(
        [
            *(sys.executable, str(ROOT / "manage.py"), "simulate", "--out", str(base)),
            *("--months", "2", "--end", "2026-11-02T00:00Z"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    manifest = next(base.rglob("BILLING_PERIOD=2026-10/*/*-Manifest.json"))
    about = json.loads(manifest.read_text())
    parts = sorted(base.rglob("data/BILLING_PERIOD=2026-10/**/*.csv.gz"))
    with gzip.open(parts[0], "rt") as stream:
        header = stream.readline().strip()
    columns = header.split(",")
    engine = duckdb.connect()
    listed = ", ".join(f"'{path}'" for path in parts)
    engine.execute(
        f"CREATE TABLE base AS SELECT * FROM read_csv([{listed}], header=true, all_varchar=true, "
        "quote='\"', escape='\"', nullstr='')"
    )
    (count,) = engine.execute("SELECT count(*) FROM base").fetchone() or (0,)
    letter = "chr(CAST(97 + copy % 10 AS INTEGER))"
    changed = {
        "identity_line_item_id": "md5(identity_line_item_id || copy)",
        "line_item_resource_id": "line_item_resource_id || CASE WHEN copy > 0 THEN '-' || copy ELSE '' END",
        "line_item_unblended_cost": (
            "CAST(CAST(line_item_unblended_cost AS DECIMAL(28,10)) * (1000 + copy) AS VARCHAR)"
        ),
        "tags": f"replace(tags, 'user:Tenant\":\"', 'user:Tenant\":\"' || {letter} || '-')",
        "resource_tags": (
            f"replace(resource_tags, 'user_tenant\":\"', 'user_tenant\":\"' || {letter} || '-')"
        ),
    }
    select = ", ".join(
        f"{changed[name]} AS {name}" if name in changed else f'"{name}"' for name in columns
    )
    root = folder / "delivery"
    period = "cur/saas-hourly/{}/BILLING_PERIOD=2026-10/" + _EXECUTION
    uris = []
    made, size, number = 0, 0, 0
    while made < lines:
        number += 1
        wanted = min(LINES_A_FILE, lines - made)
        first = made // count
        key = f"{period.format('data')}/saas-hourly-{number:05d}.csv.gz"
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        copies = f"range({first}, {first + wanted // count + 2})"
        engine.execute(
            f"COPY (SELECT {select} FROM {copies} AS copies(copy), base LIMIT {wanted}) "
            f"TO '{path}' (FORMAT csv, HEADER true, COMPRESSION gzip)"
        )
        uris.append(f"s3://finops-billing/{key}")
        size += path.stat().st_size
        made += wanted
    target = root / period.format("metadata") / manifest.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({**about, "dataFiles": uris, "executionId": _EXECUTION[-36:]}))
    shutil.rmtree(base)
    return size
