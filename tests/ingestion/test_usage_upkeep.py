"""Usage in the lake gets smaller and no figure changes."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from finops import clock, engine
from ingestion import maintenance, usage_upkeep
from ingestion.log_selectors import log_health
from ingestion.usage_models import LogDay, LogObject, RejectedLine, UsageFile
from tests.log_objects import START, facts, request, take, write

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def looks(tmp_path: Path) -> Path:
    """Three looks at one day, the last of which reaches into the next."""
    for number in range(3):
        lines = [request(number * 100 + n, seconds=number * 25_000) for n in range(4)]
        write(tmp_path / "logs", f"{number}.log", *lines)
        take(tmp_path / "logs")
    return tmp_path / "logs"


def test_a_days_facts_are_put_together_once_the_day_is_quiet(looks):
    before = facts("hour", "host", "path_prefix", "cache_status")
    now = clock.now()
    assert usage_upkeep.compact_days(now=now) == 0
    assert usage_upkeep.compact_days(now=now + 2 * DAY) == 3
    current = UsageFile.objects.filter(kind="facts", left_at=None)
    assert current.count() == 1
    assert facts("hour", "host", "path_prefix", "cache_status") == before
    write(looks, "late.log", request(3), request(999))
    take(looks)
    assert sum(facts().values()) == sum(before.values()) + 1 + 1 + 1000 + 900
    assert maintenance.sweep_files(before=now + 4 * DAY) == 3


def test_upkeep_sweeps_no_file_of_usage_that_readers_have(looks):
    before = facts("hour")
    assert maintenance.sweep_files(before=clock.now() + DAY) == 0
    upkeep = maintenance.upkeep(now=clock.now() + 5 * DAY)
    assert upkeep.compacted_files == 3
    assert facts("hour") == before


def test_a_file_put_together_that_lost_something_is_refused(looks, monkeypatch):
    before = facts("hour")

    class Losing:
        def __init__(self, found):
            self._found = found

        def execute(self, statement):
            return self._found.execute(
                statement.replace("GROUP BY ALL) TO", "GROUP BY ALL LIMIT 1) TO")
            )

    @contextmanager
    def losing():
        with engine.connect() as found:
            yield Losing(found)

    monkeypatch.setattr(usage_upkeep, "connect", losing)
    file = UsageFile.objects.filter(kind="facts").first()
    assert file is not None
    with pytest.raises(RuntimeError, match="does not hold what 3 files held"):
        usage_upkeep.compact_day(file.load.source_id, file.day, now=clock.now())
    assert facts("hour") == before


def test_what_the_engine_of_a_killed_process_spilled_is_swept_a_day_later():
    now = clock.now()
    with engine.connect() as alive:
        (spill,) = alive.execute("SELECT current_setting('temp_directory')").fetchone() or ()
        left = Path(spill).parent / "engine-left"
        left.mkdir()
        (left / "spilled.tmp").write_text("lines")
        assert engine.sweep_scratch(before=now - DAY) == 0
        then = (now - 2 * DAY).timestamp()
        for path in (left / "spilled.tmp", left):
            os.utime(path, (then, then))
        maintenance.upkeep(now=now)
        assert not left.exists()
        assert Path(spill).exists(), "an engine at work keeps its own"


def test_lines_put_aside_are_forgotten_with_their_days_keys_and_their_number_stays(looks):
    now = clock.now()
    write(looks, "broken.log", request(7), "no json")
    take(looks)
    assert usage_upkeep.forget_rejected_lines(now=now) == 0, "every day has its keys"
    LogDay.objects.filter(day=START.date()).update(keys_left_at=now)
    assert usage_upkeep.forget_rejected_lines(now=now) == 0, "it was put aside after that day"
    LogObject.objects.update(taken_at=START)
    maintenance.upkeep(now=now)
    assert not RejectedLine.objects.exists()
    assert log_health()[0].rejected_lines == 1
    assert [one.status for one in take(looks).outcomes] == ["unchanged"]
