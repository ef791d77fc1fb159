"""Retention, orphans and compaction: the lake gets smaller and no figure changes."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

import pytest

from allocation.core.figures import Slice
from allocation.lake import charge_lines
from allocation.selectors import reconciliation
from finops import clock, job_table
from finops.core.periods import Window
from finops.models import Job
from finops.runner import Runner
from ingestion import lake, maintenance
from ingestion.models import LakeFile, Load
from tests.cur_export import Export, line
from tests.ingestion.bills import load

pytestmark = pytest.mark.django_db

APRIL = Slice(window=Window.of_month(date(2026, 4, 1)))
DAY = timedelta(days=1)


@pytest.fixture
def told_twice(tmp_path):
    """A bill that was delivered twice; three files of charge lines each."""
    for number in range(2):
        rows = [line(f"{place}.5", tenant="acme", day=place) for place in range(1, 7 + number)]
        export = Export(
            rows, execution=f"2026-04-{10 + number}T08:00:00.000Z-0000000{number}", chunks=3
        )
        assert load(export.write(tmp_path)).exit_code == 0


def on_disk(settings) -> set[str]:
    root: Path = settings.LAKE_DIR
    return {path.relative_to(root).as_posix() for path in root.rglob("*.parquet")}


def in_catalogue() -> set[str]:
    return set(LakeFile.objects.values_list("path", flat=True))


def test_what_was_replaced_long_ago_leaves_the_lake_and_keeps_its_totals(told_twice, settings):
    now = clock.now()
    old = Load.objects.get(state="superseded")
    assert maintenance.purge(before=now - 90 * DAY, now=now) == 0
    assert maintenance.purge(before=now + DAY, now=now) == 1
    old.refresh_from_db()
    assert old.purged_at == now
    assert old.totals.count() == 1
    assert not lake.files("charges", [old])
    assert maintenance.sweep_files(before=now - DAY) == 0, "a reader may still have its list"
    assert maintenance.sweep_files(before=now + 2 * DAY) == 5
    assert on_disk(settings) == in_catalogue()
    assert all(str(old.pk) not in path for path in on_disk(settings))
    assert charge_lines(APRIL).total_lines == 7


def test_small_files_are_put_together_and_no_figure_changes(told_twice, settings):
    current = Load.objects.get(state="current")
    before = charge_lines(APRIL), reconciliation()
    now = clock.now()
    assert maintenance.compact(current, now=now) == 3
    assert len(lake.files("charges", [current]).paths) == 1
    assert (charge_lines(APRIL), reconciliation()) == before
    assert maintenance.compact(current, now=now) == 0
    assert maintenance.sweep_files(before=now + DAY) == 3
    assert on_disk(settings) == in_catalogue()
    assert charge_lines(APRIL) == before[0]


def test_a_load_that_was_replaced_meanwhile_is_left_alone(told_twice, monkeypatch):
    current = Load.objects.get(state="current")
    publish = lake.publish

    def replaced(entries):
        publish(entries)
        Load.objects.filter(pk=current.pk).update(state="superseded")

    monkeypatch.setattr(lake, "publish", replaced)
    assert maintenance.compact(current, now=clock.now()) == 0
    assert LakeFile.objects.filter(load=current, kind="charges", left_at=None).count() == 3


def test_a_compaction_that_lost_a_line_changes_nothing(told_twice, monkeypatch):
    current = Load.objects.get(state="current")
    LakeFile.objects.filter(load=current, kind="charges").update(rows=99)
    with pytest.raises(RuntimeError, match="does not hold what 3 files held"):
        maintenance.compact(current, now=clock.now())
    assert LakeFile.objects.filter(load=current, kind="charges", left_at=None).count() == 3


def test_orphans_are_swept_once_they_are_old(told_twice, settings):
    orphan = settings.LAKE_DIR / "charges" / "source=gone" / "part-00000.parquet"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"PAR1")
    now = clock.now()
    assert maintenance.sweep_files(before=now - DAY) == 0
    os.utime(orphan, ((now - 2 * DAY).timestamp(),) * 2)
    assert maintenance.sweep_files(before=now - DAY) == 1
    assert not orphan.parent.exists()
    assert on_disk(settings) == in_catalogue()


def test_a_load_that_a_killed_worker_left_is_swept_and_one_at_work_is_not(told_twice):
    current = Load.objects.get(state="current")
    begun = clock.now() - 2 * DAY
    dead, alive = (
        Load.objects.create(
            source=current.source,
            delivery=current.delivery,
            billing_period=current.billing_period,
            started_at=begun,
        )
        for _ in range(2)
    )
    with lake.claim(alive):
        assert maintenance.sweep_loads(before=clock.now() - DAY) == 1
    assert not Load.objects.filter(pk=dead.pk).exists()
    assert Load.objects.filter(pk=alive.pk).exists()


def test_upkeep_is_a_job_of_every_day(told_twice):
    mine = Job.objects.filter(kind="maintain")
    job_table.enqueue_due()
    assert mine.count() == 1
    Runner(worker="here:1").work_off()
    job = mine.get()
    assert job.state == "done"
    assert "0 old loads removed" in job.result
    assert job_table.enqueue_due() == 0
    Job.objects.update(finished_at=clock.now() - timedelta(hours=24))
    job_table.enqueue_due()
    assert mine.count() == 2
