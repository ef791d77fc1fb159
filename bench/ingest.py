"""How fast a bill becomes a ledger: `make bench FIGURE=ingest ARGS="--lines 1000000 --rounds 5"`.

Generates a CUR 2.0 delivery, then runs in turns, each in a process of its own: the product (verify,
parse, type, allocate, write the lake, write the ledger), bare DuckDB reading the same list of columns from
the same files, and pandas doing the product's work. That work is exact: pandas has to come to the product's figures
to the last digit, which it does with Arrow's decimals. It runs a second time in floats, which is less work and does
not (``floats``; how far it is off is printed). Prints medians, their ratios and the peak memory of each. With
DATABASE_URL product and pandas write to that server, into a database of their own.
Targets: product ≤ 2.0 × DuckDB, ≥ 3 × faster than pandas doing the same work, peak ≤ 1.5 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import _cur, _yardsticks  # noqa: E402  # the project is found by now

CONTENDERS = ("product", "duckdb", "pandas", "floats")
CLOSE = Decimal("1e-6")
"""How far floats may be off, of the figure itself: more were a mistake and no rounding."""


def main() -> None:
    """Generate, take turns, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=CONTENDERS, nargs="+", default=CONTENDERS)
    parser.add_argument("--keep", type=Path, help="use this folder for the delivery, and leave it")
    parser.add_argument("--run", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        _yardsticks.RUNS[options.run](options.folder)
        return
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as scratch:
        folder = options.keep or Path(scratch) / "bill"
        if not (folder / "delivery").exists():
            began = time.perf_counter()
            # In a process of its own: a child's peak memory is never below its parent's.
            with ProcessPoolExecutor(1) as pool:
                size = pool.submit(_cur.generate, folder, options.lines).result()
            print(
                f"{options.lines:,} lines in {size / 1e6:,.0f} MB of csv.gz, generated in "
                f"{time.perf_counter() - began:.0f} s",
                flush=True,
            )
        measure(folder, Path(scratch), options.lines, options.rounds, tuple(options.only))


def measure(
    folder: Path, scratch: Path, lines: int, rounds: int, contenders: tuple[str, ...]
) -> None:
    """Every contender once a round; the order turns, so that none always comes first."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    peaks: dict[str, int] = dict.fromkeys(contenders, 0)
    found: dict[str, dict[str, Decimal]] = {}
    for number in range(rounds):
        turn = number % len(contenders)
        for name in (*contenders[turn:], *contenders[:turn]):
            took, peak, figures = once(name, folder, scratch)
            found[name] = figures
            seconds[name].append(took)
            peaks[name] = max(peaks[name], peak)
            print(f"  round {number + 1}: {name} {took:.1f} s, {peak / 1e6:,.0f} MB", flush=True)
        must_agree(found)
    print(f"\n{'contender':<10} {'median s':>9} {'lines/s':>10} {'peak MB':>8} {'product is':>14}")
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name in contenders:
        ratio = medians.get("product", 0) / medians[name]
        said = "" if name == "product" else f"{ratio:.2f} × its time"
        print(
            f"{name:<10} {medians[name]:>9.1f} {lines / medians[name]:>10,.0f} "
            f"{peaks[name] / 1e6:>8,.0f} {said:>14}"
        )
    if "product" in found and "floats" in found:
        off = max(abs(value - found["floats"][name]) for name, value in found["product"].items())
        print(f"\npandas in floats is off by {off:.1e} in a sum")


def once(name: str, folder: Path, scratch: Path) -> tuple[float, int, dict[str, Decimal]]:
    """Seconds that the process says it worked, its peak memory in bytes, and what it found."""
    work = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=scratch))
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "finops.settings",
        "FINOPS_TESTING": "1",
        "FINOPS_READ_DOTENV": "0",
        "FINOPS_LAKE_URL": str(work / "lake"),
        "BENCH_WORK": str(work),
    }
    if not environment.get("DATABASE_URL"):
        environment["DATABASE_URL"] = f"sqlite:///{work}/bench.sqlite3"
    command = [sys.executable, str(Path(__file__)), "--run", name, "--folder", str(folder)]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE)
    output = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    shutil.rmtree(work)
    if status:
        sys.exit(f"{name} failed")
    said = json.loads(output.splitlines()[-1])
    figures = {key: Decimal(value) for key, value in said["figures"].items()}
    return said["seconds"], usage.ru_maxrss * 1024, figures


def must_agree(found: dict[str, dict[str, Decimal]]) -> None:
    """Stop where pandas did not come to the product's sums, to the last digit, and its numbers of rows."""
    for name, value in found.get("product", {}).items():
        for other, allowed in (
            ("pandas", Decimal(0)),
            ("floats", CLOSE * max(abs(value), Decimal(1))),
        ):
            theirs = found.get(other, {}).get(name, value)
            if abs(theirs - value) > allowed:
                sys.exit(f"{name}: the product has {value}, {other} {theirs}")


if __name__ == "__main__":
    main()
