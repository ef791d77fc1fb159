"""`manage.py dev` as a process: what it refuses before any work."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from composition import demo

ROOT = Path(__file__).resolve().parents[2]


def _dev(var: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "dev", "--var", str(var), *arguments]
    environment = {**os.environ, "FINOPS_TESTING": "0", "ALLOWED_HOSTS": "localhost"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_port_in_use_is_one_sentence_before_any_work(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = _dev(tmp_path / "var", "--port", str(port))
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        f"finops: port {port} is in use on this machine: choose another, for example "
        "`make run PORT=8001`.\n"
    )
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1"])
def test_a_port_that_is_none_is_one_sentence(tmp_path: Path, port: str) -> None:
    run = _dev(tmp_path / "var", f"--port={port}")
    assert run.returncode == 2
    assert run.stderr == f"finops: PORT={port} is not a port: give a number from 1 to 65535.\n"


def test_a_running_demo_is_neither_started_again_nor_reset(tmp_path: Path) -> None:
    place = demo.Place(tmp_path)
    with demo.held(place):
        place.loaded.touch()
        for arguments in (["--reset"], ["--port", _free_port()]):
            run = _dev(tmp_path, *arguments)
            assert run.returncode == 2
            assert "is running already" in run.stderr
    assert place.loaded.exists()


def test_reset_says_what_it_did(tmp_path: Path) -> None:
    place = demo.Place(tmp_path)
    place.loaded.touch()
    place.database.touch()
    run = _dev(tmp_path, "--reset")
    assert run.returncode == 0
    assert run.stdout == f"Removed the demo's data in {tmp_path}.\n"
    assert not place.database.exists()


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
