"""House rules that no linter knows."""

import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {".git", ".venv", "var", "node_modules", "vendor", "__pycache__"}
TEXT = {
    ".py",
    ".md",
    ".html",
    ".css",
    ".js",
    ".json",
    ".toml",
    ".sh",
    ".lock",
    ".txt",
    ".csv",
    ".svg",
    "",
}
CODE = {".py", ".html", ".css", ".js", ".sh"}
LONGEST_FILE = 400

# Pieces, so that this list does not find itself.
PROMISES = [
    "TO" + "DO",
    "FIX" + "ME",
    "not yet " + "implemented",
    "lorem " + "ipsum",
    "coming " + "soon",
]
ADDRESSES = [
    "pypi." + "org",
    "python" + "hosted",
    "npmjs." + "org",
    "npmjs." + "com",
    "deb.debian" + ".org",
]
MACHINE_PATH = re.compile(r"(?<![\w./:])/(work|root|home|Users)/")


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in NOT_OURS or path.name.startswith(
            (".mypy", ".ruff", ".pytest", ".hypo", ".import")
        ):
            continue
        if path.is_dir():
            yield from _walk(path)
        elif path.name != ".env":
            yield path


FILES = list(_walk(ROOT))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _found(words: list[str], suffixes: set[str]) -> list[str]:
    return [
        f"{_name(path)}:{number} {word}"
        for path in FILES
        if path.suffix in suffixes
        for number, line in enumerate(_lines(path), 1)
        for word in words
        if word.lower() in line.lower()
    ]


def test_packages_begin_empty() -> None:
    """Code in a package's `__init__` runs on every import below it, also of a pure core."""
    assert [
        _name(path) for path in FILES if path.name == "__init__.py" and path.stat().st_size
    ] == []


def test_every_folder_of_code_is_a_package() -> None:
    """A folder without `__init__` is found by some tools and not by others; `bench/` holds scripts."""
    code = {path.parent for path in FILES if path.suffix == ".py"} - {ROOT, ROOT / "bench"}
    assert [_name(folder) for folder in sorted(code) if not (folder / "__init__.py").exists()] == []


def test_a_file_is_one_room() -> None:
    long = [
        f"{_name(path)}: {len(_lines(path))} lines"
        for path in FILES
        if path.suffix in CODE
        and "migrations" not in path.parts
        and len(_lines(path)) > LONGEST_FILE
    ]
    assert long == []


def test_nothing_is_promised_instead_of_done() -> None:
    assert _found(PROMISES, CODE) == []


def test_no_package_source_is_written_down() -> None:
    assert _found(ADDRESSES, TEXT) == []


def test_no_machine_is_written_down() -> None:
    found = [
        f"{_name(path)}:{number} {line.strip()}"
        for path in FILES
        if path.suffix in TEXT - {".lock"} and path != Path(__file__)
        for number, line in enumerate(_lines(path), 1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_no_test_brings_rows_back_that_post_migrate_brings_back_itself() -> None:
    """After a flush both would write them, and the second writer fails."""
    assert _found(["serialized_" + "rollback"], {".py"}) == []


# --- dependencies ------------------------------------------------------------------------------------

PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def _requirements() -> list[str]:
    project = tomllib.loads(PYPROJECT)
    return [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]


@pytest.mark.parametrize("requirement", _requirements())
def test_a_reason_stands_beside_every_dependency(requirement: str) -> None:
    line = next(line for line in PYPROJECT.splitlines() if f'"{requirement}"' in line)
    assert re.search(r'",\s+# \S+ \S+', line), f"say why {requirement} is needed"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_python_locks_hold_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    pins = re.findall(r"^(\S+)==\S+", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^\S.*\\\n    --hash=sha256:", text, re.MULTILINE)) > 10


def test_the_locks_hold_what_the_project_asks_for() -> None:
    locked = set(
        re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    )
    asked = {re.split(r"[<>=\[~!]", text)[0].lower().replace("_", "-") for text in _requirements()}
    assert asked - locked == set()


def test_production_never_pins_otherwise_than_development() -> None:
    def pins(lock: str) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", (ROOT / lock).read_text(), re.MULTILINE))

    assert pins("requirements.lock") - pins("requirements-dev.lock") == set()


def test_the_node_lock_holds_no_addresses_of_packages() -> None:
    text = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert ".tgz" not in text


def test_vendored_files_are_what_their_checksums_say() -> None:
    """Also that none of them lacks a checksum."""
    vendor = ROOT / "static" / "vendor"
    lines = [line.split(maxsplit=1) for line in _lines(vendor / "SHA256SUMS")]
    sums = {name: digest for digest, name in lines}
    about = {"SHA256SUMS", "README.md"}
    there = {str(path.relative_to(vendor)) for path in vendor.rglob("*") if path.is_file()} - about
    assert there == set(sums)
    for name, digest in sums.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest, name


# --- purity ------------------------------------------------------------------------------------------


def _cores() -> list[str]:
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in FILES
        if path.suffix == ".py" and path.name != "__init__.py" and path.parent.name == "core"
    )


def test_importing_the_cores_loads_no_framework() -> None:
    """The linter reads imports; this runs them, in a process that has not loaded anything."""
    assert len(_cores()) > 3
    script = (
        f"import importlib, sys; [importlib.import_module(name) for name in {_cores()!r}]; "
        "print(*sorted({'django', 'celery', 'duckdb', 'psycopg', 'redis', 'requests'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []
