"""A loader that is killed, doubled or raced leaves the same ledger, and readers never see a half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from allocation.models import LedgerDay
from allocation.selectors import reconciliation
from ingestion.models import Delivery, LakeFile, Load
from tests.cur_export import Export, line

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]


def database_url() -> str:
    """The address of this test's database, for a process of its own."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    login = (
        f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT'] or 5432}"
    )
    return f"postgres://{login}/{database['NAME']}"


def loader(folder: Path) -> subprocess.Popen[bytes]:
    """`manage.py ingest` as a process of its own, on this test's database and lake."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "ingest", "--source", "aws_cur", "--from", str(folder)],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "FINOPS_LAKE_URL": str(settings.LAKE_DIR),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # A suite that a script started in the background ignores Ctrl-C, and hands that on.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no threads here
    )


@pytest.fixture
def big() -> Export:
    rows = [
        line(
            f"{n}.000000001",
            tenant=f"tenant-{n % 40}",
            day=n % 28 + 1,
            hour=n % 24,
            line_item_usage_type=f"u{n % 50}",
        )
        for n in range(30_000)
    ]
    return Export(rows, chunks=3)


def state() -> tuple[object, ...]:
    return [replace(row) for row in reconciliation()], LedgerDay.objects.count()


def on_disk() -> set[str]:
    lake = settings.LAKE_DIR
    return {path.relative_to(lake).as_posix() for path in lake.rglob("*.parquet")}


def test_a_loader_killed_at_any_moment_is_made_good_by_the_next(big, tmp_path):
    folder = big.write(tmp_path / "bill")
    begin = time.monotonic()
    whole = loader(folder)
    assert whole.wait(60) == 0, whole.stderr
    lasts = time.monotonic() - begin
    expected = state()
    for step in range(1, 7):
        Load.objects.all().delete()
        Delivery.objects.all().delete()
        victim = loader(folder)
        time.sleep(lasts * step / 7)
        victim.send_signal(signal.SIGKILL)
        victim.wait(10)
        seen = state()
        assert seen in (([], 0), expected)
        again = loader(folder)
        assert again.wait(60) == 0
        assert state() == expected
        assert set(Load.objects.values_list("state", flat=True)) == {"current"}
    catalogued = set(LakeFile.objects.values_list("path", flat=True))
    assert catalogued <= on_disk()


def _stopped_in_the_middle(folder: Path) -> subprocess.Popen[bytes]:
    """A loader that holds still while its load is not yet visible; on a busy machine it may take tries."""
    for _ in range(10):
        found = loader(folder)
        while found.poll() is None and not Load.objects.exists():
            time.sleep(0.005)
        found.send_signal(signal.SIGSTOP)
        if found.poll() is None and Load.objects.filter(state="staged").exists():
            return found
        found.kill()
        found.wait(10)
        Load.objects.all().delete()
        Delivery.objects.all().delete()
    raise AssertionError


def test_ctrl_c_ends_a_load_with_a_sentence_and_leaves_nothing(big, tmp_path):
    stopped = _stopped_in_the_middle(big.write(tmp_path / "bill"))
    stopped.send_signal(signal.SIGINT)
    stopped.send_signal(signal.SIGCONT)
    _, errors = stopped.communicate(timeout=60)
    assert stopped.returncode == 130, errors
    assert errors.decode().strip().splitlines()[-1].endswith("load again to go on.")
    assert b"Traceback" not in errors
    assert not Load.objects.exists()
    assert not reconciliation()


def test_two_loaders_at_once_load_a_delivery_once(big, tmp_path):
    folder = big.write(tmp_path / "bill")
    both = [loader(folder), loader(folder)]
    codes = [one.wait(60) for one in both]
    errors = [one.stderr.read().decode() for one in both if one.stderr]
    assert codes == [0, 0], errors
    (row,) = reconciliation()
    assert row.source_total == big.total()
    assert Load.objects.get().state == "current"
    assert set(LakeFile.objects.values_list("path", flat=True)) == on_disk()


def test_a_reader_sees_the_earlier_bill_or_the_newer_one_and_nothing_between(big, tmp_path):
    assert loader(big.write(tmp_path / "bill")).wait(60) == 0
    newer = replace(big, rows=big.rows[:20_000], execution="2026-04-18T00:00:00.000Z-newer")
    replacing = loader(newer.write(tmp_path / "newer"))
    totals = set()
    while replacing.poll() is None:
        (row,) = reconciliation()
        days = sum(LedgerDay.objects.filter(load__state="current").values_list("lines", flat=True))
        totals.add(row.source_total)
        assert days in {20_000, 30_000}
    assert replacing.returncode == 0
    (row,) = reconciliation()
    assert totals <= {big.total(), newer.total()}
    assert row.source_total == newer.total()
