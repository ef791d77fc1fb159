"""A reader of logs that is killed, raises or is overtaken: nothing half is seen, nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from finops import clock
from ingestion import maintenance, usage, usage_taking
from ingestion.lake import LEFT_BEHIND
from ingestion.usage_models import LogDay, LogObject, UsageDay, UsageFile, UsageLoad
from tests.faults.test_killed_loads import ROOT, database_url
from tests.log_objects import facts, request, take, total, write

TABLES = (UsageLoad, UsageFile, LogObject, UsageDay, LogDay)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for number in range(6):
        lines = [request(number * 1000 + n, seconds=n) for n in range(300)]
        write(tmp_path / "logs", f"{number}.log.gz", *lines)
    return tmp_path / "logs"


def on_disk() -> set[str]:
    root: Path = settings.LAKE_DIR
    return {path.relative_to(root).as_posix() for path in root.rglob("*.parquet")}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("at", ["UsageFile", "LogObject", "LogDay"])
def test_an_error_between_writing_files_and_their_commit_leaves_nothing(logs, monkeypatch, at):
    model = getattr(usage, at)

    def broken(*_arguments, **_options):
        message = "the database went away"
        raise KeyboardInterrupt(message)

    place = model if at == "LogDay" else model.objects
    monkeypatch.setattr(place, "save" if at == "LogDay" else "bulk_create", broken)
    with pytest.raises(KeyboardInterrupt):
        take(logs)
    monkeypatch.undo()
    assert [table.objects.count() for table in TABLES] == [0] * len(TABLES)
    assert on_disk() == set()
    take(logs)
    assert total("requests") == 1800


def reader(logs: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            "manage.py",
            "ingest",
            "--source",
            "cloudflare_logpush",
            "--from",
            str(logs),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "FINOPS_LAKE_URL": str(settings.LAKE_DIR),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_reader_killed_over_its_files_is_made_good_by_the_next(logs):
    """Killed as soon as a file lies in the lake, which is before its commit or right after it."""
    expected = None
    for _ in range(3):
        victim = reader(logs)
        while victim.poll() is None and not on_disk():
            time.sleep(0.001)
        victim.send_signal(signal.SIGKILL)
        victim.wait(20)
        assert total("requests") in {0, 1800}
        take(logs)
        expected = expected or facts("hour", "host", "cache_status")
        assert facts("hour", "host", "cache_status") == expected
        assert total("requests") == 1800
        later = clock.now() + 3 * LEFT_BEHIND
        maintenance.sweep_files(before=later)
        catalogued = set(UsageFile.objects.filter(left_at=None).values_list("path", flat=True))
        assert on_disk() == catalogued, "what the killed one left was swept"
        for table in (LogObject, LogDay, UsageDay, UsageLoad):
            table.objects.all().delete()
        maintenance.sweep_files(before=later)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_readers_at_once_count_a_line_once(logs):
    both = [reader(logs), reader(logs)]
    codes = [one.wait(90) for one in both]
    errors = [one.stderr.read().decode() for one in both if one.stderr]
    assert codes == [0, 0], errors
    assert total("requests") == 1800
    assert LogObject.objects.count() == 6
    assert set(UsageFile.objects.values_list("path", flat=True)) == on_disk()


@pytest.mark.django_db(transaction=True)
def test_a_reader_that_was_overtaken_reads_again_and_counts_nothing_twice(logs, monkeypatch):
    commit = usage.commit_usage
    overtaken: list[int] = []

    def late(**what):
        if not overtaken:
            overtaken.append(1)
            monkeypatch.setattr(usage_taking, "commit_usage", commit)
            write(logs, "9.log.gz", request(0), request(99_999))
            take(logs)
        commit(**what)

    monkeypatch.setattr(usage_taking, "commit_usage", late)
    take(logs)
    assert overtaken
    assert total("requests") == 1801
    assert set(UsageFile.objects.values_list("path", flat=True)) == on_disk()


@pytest.mark.django_db(transaction=True)
def test_keys_that_are_let_go_while_a_line_of_their_day_is_read_let_none_count_twice(
    tmp_path, monkeypatch
):
    folder, kept = tmp_path / "logs", timedelta(hours=48)
    write(folder, "a.log", request(1))
    write(folder, "b.log", request(2, seconds=5 * 86_400))
    take(folder)
    write(folder, "late.log", request(1), request(3, seconds=5 * 86_400))
    bounds, let_go = usage_taking._bounds, []

    def late(source, settings):
        found = bounds(source, settings)
        later = clock.now() + 2 * kept
        let_go.append(usage.let_keys_go(source=source, kept=kept, now=later))
        return found

    monkeypatch.setattr(usage_taking, "_bounds", late)
    take(folder)
    assert let_go == [1, 0], "the first reading was thrown away"
    assert total("requests") == 3
    assert LogObject.objects.get(key="late.log").rejected == 1
