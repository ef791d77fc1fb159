"""`make setup` says in one sentence what a machine lacks, and never overwrites a `.env`."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tools.write_env import write_env

ROOT = Path(__file__).resolve().parents[2]

TOO_OLD = 'case "$*" in *--version*) echo "Python 3.9.2" ;; *) exit 1 ;; esac'
NO_VENV = 'case "$*" in *ensurepip*) exit 1 ;; *--version*) echo "Python 3.11.2" ;; esac'


def _setup(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "setup.sh", folder / "tools")
    (folder / "requirements-dev.lock").write_text("")
    command = ["sh", "tools/setup.sh"]
    environment = {**os.environ, "PYTHON": python}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (TOO_OLD, "Python 3.11 or newer is needed, and"),
        (NO_VENV, "cannot make virtual environments (no venv or ensurepip)"),
        (None, "There is no"),
    ],
)
def test_what_a_machine_lacks_is_one_sentence(
    tmp_path: Path, script: str | None, says: str
) -> None:
    python = tmp_path / "python3"
    if script is not None:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    run = _setup(tmp_path, str(python))
    assert run.returncode == 1
    assert run.stderr.startswith("setup: ")
    assert run.stderr.count("\n") == 1
    assert says in run.stderr
    assert "make setup PYTHON=" in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_env_gets_a_key_of_its_own_and_is_private(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path)
    assert write_env(tmp_path)
    env = tmp_path / ".env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    first = env.read_text()
    key = next(line for line in first.splitlines() if line.startswith("SECRET_KEY="))
    assert len(key) > len("SECRET_KEY=") + 50
    assert first.replace(key, "SECRET_KEY=") == (ROOT / ".env.example").read_text()
    assert not write_env(tmp_path)
    assert env.read_text() == first
