"""What a wrong or missing variable says: one sentence, and the start ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "SECRET_KEY": "x" * 60,
    "ALLOWED_HOSTS": "finops.example.com",
    "FINOPS_READ_DOTENV": "0",
}


def start(tmp_path: Path, **changes: str | None) -> subprocess.CompletedProcess[str]:
    environment: dict[str, str | None] = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"sqlite:///{tmp_path / 'start.sqlite3'}",
        **GOOD,
        **changes,
    }
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SECRET_KEY": None}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"ALLOWED_HOSTS": None}, "ALLOWED_HOSTS is not set"),
        ({"MARGIN_GOAL": "70"}, "MARGIN_GOAL='70' must be a number from 0 to 1"),
        ({"MARGIN_GOAL": "most"}, "MARGIN_GOAL='most' must be a number from 0 to 1"),
        ({"FINOPS_LAKE_URL": "gs://bucket/lake"}, "FINOPS_LAKE_URL starts with gs://"),
        ({"FINOPS_LAKE_URL": "s3://"}, "FINOPS_LAKE_URL names no bucket"),
        ({"FINOPS_LAKE_URL": "s3://key:secret@bucket/lake"}, "without credentials"),
        ({"API_RATE": "often"}, "API_RATE='often' must be a number per second"),
        ({"API_FAILED_RATE": "0/day"}, "API_FAILED_RATE='0/day' must be a number per second"),
        ({"API_TOKEN_MAX_DAYS": "0"}, "API_TOKEN_MAX_DAYS=0 must be 1 or more"),
        ({"API_USAGE_MAX_RECORDS": "-1"}, "API_USAGE_MAX_RECORDS=-1 must be 1 or more"),
        ({"FINOPS_ENGINE": "abacus"}, "FINOPS_ENGINE='abacus' is not an engine"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path, changes, words):
    done = start(tmp_path, **changes)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_production_starts_with_a_key_and_a_host(tmp_path):
    done = start(tmp_path)
    assert done.returncode == 0, done.stderr


def test_debug_needs_neither(tmp_path):
    done = start(tmp_path, SECRET_KEY=None, ALLOWED_HOSTS=None, DEBUG="true")
    assert done.returncode == 0, done.stderr
