"""How fast an hour of logs becomes usage facts: `make bench FIGURE=logpush ARGS="--lines 2000000"`.

Generates Logpush objects, then runs in turns, each in a process of its own: the product (unpack, check,
parse, tell doubles apart, mask, sum, write the lake and the tables), and bare DuckDB reading the same
fields from the same files. Prints medians of wall time and of processor time (which neighbours on the machine
disturb less), their ratios, and the peak memory of each; to the product's, what unpacked objects take
at most is added. Targets: product ≤ 2.0 × DuckDB, peak below 1 GB for 2 million lines.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import _logs  # noqa: E402  # the project is found by now

CONTENDERS = ("product", "duckdb")


def product(folder: Path) -> None:
    """Everything from the objects to the committed load."""
    import logging

    import django

    django.setup()
    logging.disable(logging.INFO)
    from django.core.management import call_command

    from ingestion import unpacking
    from ingestion.services import ingest
    from ingestion.usage_models import UsageLoad

    held: list[int] = []
    close = unpacking.Slots.close

    def told(slots: unpacking.Slots) -> None:
        held.append(slots.held)
        close(slots)

    unpacking.Slots.close = told  # type: ignore[method-assign,assignment]  # nothing else tells it
    call_command("migrate", verbosity=0)
    began, worked = time.perf_counter(), _processor()
    report = ingest(kind="cloudflare_logpush", location=folder)
    took, worked = time.perf_counter() - began, _processor() - worked
    if report.exit_code or not UsageLoad.objects.exists():
        msg = f"The facts are not right: {report}"
        raise SystemExit(msg)
    print(took, worked, max(held))


def bare_duckdb(folder: Path) -> None:
    """Every value of the same fields read once, and nothing made of it."""
    import duckdb

    from ingestion.core.cache_said import HEADERS
    from ingestion.core.logpush_lines import FIELDS, NESTED

    names = (*FIELDS, NESTED, HEADERS)
    paths = ", ".join(f"'{path}'" for path in sorted(folder.rglob("*.log.gz")))
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in names)
    counts = ", ".join(f"count({name})" for name in names)
    began, worked = time.perf_counter(), _processor()
    duckdb.connect().execute(
        f"SELECT {counts} FROM read_json([{paths}], format='newline_delimited', columns={{{columns}}})"
    ).fetchall()
    print(time.perf_counter() - began, _processor() - worked, 0)


RUNS: dict[str, Callable[[Path], None]] = {"product": product, "duckdb": bare_duckdb}


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Generate, take turns, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="use this folder for the objects, and leave it")
    parser.add_argument("--run", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        RUNS[options.run](options.folder)
        return
    with tempfile.TemporaryDirectory(prefix="bench-logpush-") as scratch:
        folder = options.keep or Path(scratch) / "logs"
        if not folder.exists():
            began = time.perf_counter()
            # In a process of its own: a child's peak memory is never below its parent's.
            with ProcessPoolExecutor(1) as pool:
                size = pool.submit(_logs.generate, folder, options.lines).result()
            print(
                f"{options.lines:,} lines in {size / 1e6:,.0f} MB of gzip objects, generated in "
                f"{time.perf_counter() - began:.0f} s",
                flush=True,
            )
        measure(folder, Path(scratch), options.lines, options.rounds)


def measure(folder: Path, scratch: Path, lines: int, rounds: int) -> None:
    """Both once a round; the order turns."""
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in CONTENDERS}
    for number in range(rounds):
        for name in CONTENDERS if number % 2 else CONTENDERS[::-1]:
            once_found = once(name, folder, scratch)
            found[name].append(once_found)
            took, worked, peak = once_found
            print(
                f"  round {number + 1}: {name} {took:.1f} s ({worked:.1f} s of processors), "
                f"{peak / 1e6:,.0f} MB",
                flush=True,
            )
    print(
        f"\n{'contender':<10} {'median s':>9} {'processors s':>13} {'lines/s':>10} {'peak MB':>8}"
    )
    medians = {}
    for name, runs in found.items():
        wall, work = (statistics.median(run[place] for run in runs) for place in (0, 1))
        medians[name] = (wall, work)
        peak = max(run[2] for run in runs)
        print(f"{name:<10} {wall:>9.1f} {work:>13.1f} {lines / wall:>10,.0f} {peak / 1e6:>8,.0f}")
    wall, work = (medians["product"][place] / medians["duckdb"][place] for place in (0, 1))
    print(f"\nproduct is {wall:.2f} × its time, {work:.2f} × its processor time")


def once(name: str, folder: Path, scratch: Path) -> tuple[float, float, int]:
    """Seconds of wall and processor time that the process says it worked, and its peak memory in bytes."""
    work = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=scratch))
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "finops.settings",
        "FINOPS_TESTING": "1",
        "FINOPS_READ_DOTENV": "0",
        "FINOPS_LAKE_URL": str(work / "lake"),
        "DATABASE_URL": f"sqlite:///{work}/bench.sqlite3",
    }
    command = [sys.executable, str(Path(__file__)), "--run", name, "--folder", str(folder)]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE)
    output = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    shutil.rmtree(work)
    if status:
        sys.exit(f"{name} failed")
    took, worked, held = output.split()[-3:]
    return float(took), float(worked), usage.ru_maxrss * 1024 + int(held)


if __name__ == "__main__":
    main()
