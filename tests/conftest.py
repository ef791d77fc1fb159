"""What every test stands on: settings of their own, a lake of their own, nothing of this checkout's.

This file starts Django, before any other test file is read, and with an environment that owes nothing
to `.env` or to `var/`. Only `DATABASE_URL` and `REDIS_URL` come from outside, so that the same suite
runs on SQLite and on PostgreSQL with Redis.
"""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path
from uuid import uuid4

import django
import pytest
from django.conf import LazySettings, settings
from django.db import connection
from django.test import TransactionTestCase
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"
OURS = {
    "FINOPS_TESTING",
    "FINOPS_READ_DOTENV",
    "SECRET_KEY",
    "FINOPS_LAKE_URL",
    "DATABASE_URL",
    "REDIS_URL",
}

if settings.configured and not settings.TESTING:
    pytest.exit(
        "Django started before tests/conftest.py: unset DJANGO_SETTINGS_MODULE.", returncode=4
    )

if (
    "FINOPS_TESTS_DIR" not in os.environ
):  # workers of pytest-xdist inherit it from the first process
    os.environ["FINOPS_TESTS_DIR"] = tempfile.mkdtemp(prefix="finops-tests-")
    atexit.register(shutil.rmtree, os.environ["FINOPS_TESTS_DIR"], ignore_errors=True)
TESTS_DIR = Path(os.environ["FINOPS_TESTS_DIR"])

os.environ.update(
    DJANGO_SETTINGS_MODULE="finops.settings",
    FINOPS_TESTING="1",
    FINOPS_READ_DOTENV="0",
    SECRET_KEY="a-key-for-tests-that-protects-nothing-and-is-long-enough-to-pass",
    FINOPS_LAKE_URL=str(TESTS_DIR / "lake"),
)
os.environ["DATABASE_URL"] = (
    os.environ.get("DATABASE_URL") or f"sqlite:///{TESTS_DIR / 'finops.sqlite3'}"
)
for name in set(re.findall(r"^#? ?([A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE)) - OURS:
    os.environ.pop(name, None)  # every other setting stands at its default

database = settings.DATABASES["default"]
if database["ENGINE"].endswith("sqlite3"):
    # A file, as in the product: an in-memory database has other locks and no write-ahead log.
    database.setdefault("TEST", {})["NAME"] = str(TESTS_DIR / "test.sqlite3")

settings.STATIC_ROOT = TESTS_DIR / "static"
settings.STATIC_ROOT.mkdir(exist_ok=True)

django.setup()

hypothesis_settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
hypothesis_settings.register_profile(
    "explore", parent=hypothesis_settings.get_profile("ci"), derandomize=False
)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def lake_of_this_test(settings: LazySettings, tmp_path: Path) -> Path:
    """An empty lake for each test."""
    lake = tmp_path / "lake"
    lake.mkdir()
    settings.LAKE_DIR = lake
    return lake


@pytest.fixture(autouse=True)
def cache_of_this_test(settings: LazySettings) -> None:
    """An empty cache for each test, also where every process shares one Redis (never cleared: it may be yours)."""
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "KEY_PREFIX": f"test-{uuid4().hex}"}
    }


_flush = TransactionTestCase._fixture_teardown


def _flush_audit_log_too(case: TransactionTestCase) -> None:
    """After a test with real transactions every table is emptied; the audit log refuses that by triggers.

    The flush ends with ``post_migrate``, which puts them in place again.
    """
    from finops import audit_triggers

    audit_triggers.remove(connection)
    _flush(case)


TransactionTestCase._fixture_teardown = _flush_audit_log_too  # type: ignore[method-assign]
