"""Check our FOCUS 1.2 export with the FinOps Foundation's validator: `python tools/focus_validate.py WORK`.

A small simulated company is loaded and its closed month is exported; the validator runs in an environment of its
own below WORK, because it needs Python 3.12 and other versions of what we use. It exits with 0 even where rules
fail, so its summary is read: a failing rule that ``focus-known-failures.toml`` does not explain fails the check.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "tools" / "focus-validator.lock"
KNOWN = ROOT / "tools" / "focus-known-failures.toml"
UV = ROOT / ".venv" / "bin" / "uv"
OURS = ROOT / ".venv" / "bin" / "python"
PERIOD = "2026-04"
NEEDED = (3, 12)

_SUMMARY = re.compile(r"Total: (\d+) \| Pass: (\d+) \| Fail: (\d+) \| Skipped: (\d+)")
_FAILED = re.compile(r"❌ (\S+): FAIL  \(violations=\d+, msg=(.*)\)")
_PARENT = "AND failed - failed child rules"
"""What the validator says of a rule that only sums up others."""


class CheckError(Exception):
    """The check cannot be made; the message is one sentence."""


def main() -> int:
    """Exit code 0: only explained rules fail; 1: another one does, or the check cannot be made."""
    work = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "var" / "focus-validator").resolve()
    work.mkdir(parents=True, exist_ok=True)
    try:
        python = _python()
        if python is None:
            print(
                "THE FOCUS VALIDATOR DID NOT RUN: it needs Python 3.12 or newer, and none is here or can be "
                "installed with uv. Install one, or name it in FOCUS_PYTHON."
            )
            return 1 if os.environ.get("FOCUS_REQUIRED") else 0
        validator = _validator(python, work / "venv")
        output = _validate(validator, _export(work / "company"))
        return _judge(output)
    except CheckError as error:
        print(error, file=sys.stderr)
        return 1


def _python() -> Path | None:
    """A Python that is new enough: named, found, or installed by uv."""
    found = next((path for path in _pythons() if _version(path) >= NEEDED), None)
    if found is None and UV.exists():
        subprocess.run([UV, "python", "install", "--quiet", "3.12"], check=False, timeout=300)
        found = next((path for path in _asked_of_uv() if _version(path) >= NEEDED), None)
    return found


def _pythons() -> Iterator[Path]:
    if named := os.environ.get("FOCUS_PYTHON"):
        yield Path(named)
    for name in ("python3.14", "python3.13", "python3.12", "python3"):
        if path := shutil.which(name):
            yield Path(path)
    yield from sorted((Path.home() / ".pyenv" / "versions").glob("3.1[2-9]*/bin/python"))
    yield from _asked_of_uv()


def _asked_of_uv() -> Iterator[Path]:
    if UV.exists():
        asked = subprocess.run(
            [UV, "python", "find", f">={'.'.join(map(str, NEEDED))}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0:
            yield Path(asked.stdout.strip())


def _version(python: Path) -> tuple[int, ...]:
    """Its version; (0,) for what does not run, as a shim of a version that is not chosen."""
    try:
        asked = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return (0,)
    return tuple(map(int, asked.stdout.split()))


def _validator(python: Path, venv: Path) -> Path:
    """The installed validator; what the lock names is installed once."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    done = venv / "installed"
    if not done.exists() or done.read_text() != digest:
        shutil.rmtree(venv, ignore_errors=True)
        _run([UV, "venv", "--quiet", "--python", python, venv])
        install = [UV, "pip", "install", "--quiet", "--require-hashes", "-r", LOCK]
        _run([*install, "--python", venv / "bin" / "python"])
        done.write_text(digest)
    return venv / "bin" / "focus-validator"


def _export(folder: Path) -> Path:
    """The closed month of a small simulated company, as FOCUS 1.2."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder / 'finops.sqlite3'}",
        "REDIS_URL": "",
        "FINOPS_LAKE_URL": str(folder / "lake"),
        "FINOPS_READ_DOTENV": "0",
        "LOG_LEVEL": "WARNING",
        "ALLOWED_HOSTS": "localhost",
        "SECRET_KEY": secrets.token_urlsafe(45),
    }
    files, out = folder / "files", folder / "export.parquet"
    end = ("--months", "2", "--end", "2026-05-02T00:00:00Z")
    for command in (
        ("migrate", "--verbosity", "0"),
        ("simulate", "--out", files, *end),
        ("ingest", "--source", "aws_cur", "--from", files / "aws", "--period", PERIOD),
        ("ingest", "--source", "focus", "--from", files / "focus" / "snowline"),
        ("export_focus", "--period", PERIOD, "--format", "parquet", "--out", out),
    ):
        _run([OURS, ROOT / "manage.py", *command], environment)
    return out


def _validate(validator: Path, export: Path) -> str:
    """What the validator prints of ``export``."""
    packages = next(validator.parents[1].glob("lib/python3*/site-packages"))
    command = [
        *(validator, "--data-file", export, "--validate-version", "1.2.0.1"),
        *("--focus-dataset", "CostAndUsage", "--applicability-criteria", "ALL", "--block-download"),
    ]
    # It opens its list of currencies by a path relative to its own packages.
    return _run(command, cwd=packages)


def _judge(output: str) -> int:
    summary = _SUMMARY.search(output)
    if summary is None:
        print(output[-3000:], file=sys.stderr)
        msg = "The FOCUS validator printed no summary."
        raise CheckError(msg)
    failed = {found[1]: found[2] for found in _FAILED.finditer(output) if _PARENT not in found[2]}
    if int(summary[3]) and not failed:
        msg = "The FOCUS validator counts failures and names none: its output has another form now."
        raise CheckError(msg)
    known: dict[str, str] = tomllib.loads(KNOWN.read_text(encoding="utf-8"))["failures"]
    print(f"FOCUS 1.2: {summary[0]}")
    for rule in sorted(set(failed) & set(known)):
        print(f"  known   {rule}: {known[rule]}")
    for rule in sorted(set(known) - set(failed)):
        print(f"  passes  {rule}: it is in {KNOWN.name} and fails no more. Take it out.")
    new = sorted(set(failed) - set(known))
    for rule in new:
        print(f"  NEW     {rule}: {failed[rule]}")
    return 1 if new else 0


def _run(
    command: list[object] | list[str | Path],
    environment: dict[str, str] | None = None,
    cwd: Path = ROOT,
) -> str:
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if ended.returncode:
        shown = json.dumps([str(part) for part in command[:4]])
        msg = f"{shown} ended with {ended.returncode}: {(ended.stderr or ended.stdout)[-1500:]}"
        raise CheckError(msg)
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main())
