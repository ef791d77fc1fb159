"""The lake in a bucket: what one machine wrote another one reads, and nothing is visible before it is safe."""

from __future__ import annotations

import shutil
from datetime import date, timedelta

import pytest
from pytest_django import Settings

from allocation.core.figures import Slice
from allocation.lake import charge_lines
from allocation.selectors import reconciliation
from finops import clock
from finops.core.periods import Window
from ingestion import maintenance
from ingestion.core.delivery import SourceError
from ingestion.models import LakeFile, Load
from ingestion.store import BucketStore
from ingestion.store import store as lake_store
from tests.cur_export import Export, line
from tests.ingestion.bills import load
from tests.s3.server import BUCKET, Answer, Proxy, Store

pytestmark = pytest.mark.django_db

APRIL = Slice(window=Window.of_month(date(2026, 4, 1)))


@pytest.fixture
def bucket(store: Store, settings: Settings) -> Store:
    """The lake is in the bucket, below ``lake/``."""
    settings.LAKE_BUCKET_URL = f"s3://{BUCKET}/lake"
    settings.LAKE_ENDPOINT_URL = store.url
    return store


@pytest.fixture
def bill() -> Export:
    return Export([line(f"{n}.5", tenant="acme", day=n) for n in range(1, 7)], chunks=3)


def kept(bucket: Store) -> set[str]:
    return {key.removeprefix("lake/") for key in bucket.listed() if key.startswith("lake/")}


def another_machine(settings: Settings) -> None:
    """One that has the same database and bucket, and an empty disk."""
    shutil.rmtree(settings.LAKE_DIR)


def test_what_one_machine_loaded_another_one_reads(bucket, bill, tmp_path, settings):
    assert load(bill.write(tmp_path)).exit_code == 0
    assert kept(bucket) == set(LakeFile.objects.values_list("path", flat=True))
    before = charge_lines(APRIL)
    another_machine(settings)
    assert charge_lines(APRIL) == before
    assert before.total_billed == bill.total()
    (row,) = reconciliation()
    assert row.difference == 0


def test_a_copy_that_was_cut_short_is_fetched_again(bucket, bill, tmp_path, settings):
    load(bill.write(tmp_path))
    before = charge_lines(APRIL)
    for path in settings.LAKE_DIR.rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:10])
    assert charge_lines(APRIL) == before


def test_nothing_is_visible_where_the_bucket_does_not_take_it(
    bucket, proxy: Proxy, bill, tmp_path, settings
):
    settings.LAKE_ENDPOINT_URL = proxy.url
    denied = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"

    def refuse(method: str, _path: str, _count: int, _answer: Answer) -> Answer | None:
        return Answer(403, [], denied) if method in {"PUT", "POST"} else None

    proxy.fault = refuse
    report = load(bill.write(tmp_path))
    assert report.exit_code == 2
    assert "The credentials need s3:PutObject" in report.outcomes[0].sentence
    assert not Load.objects.exists()
    assert reconciliation() == []
    assert not list(settings.LAKE_DIR.rglob("*.parquet"))


def test_a_file_that_somebody_removed_from_the_bucket_is_named(bucket, bill, tmp_path, settings):
    load(bill.write(tmp_path))
    bucket.empty()
    another_machine(settings)
    with pytest.raises(SourceError, match=r"part-\S+\.parquet: the lake's bucket does not hold it"):
        charge_lines(APRIL)


def test_upkeep_sweeps_and_puts_together_in_the_bucket(bucket, bill, tmp_path, settings):
    load(bill.write(tmp_path))
    before = charge_lines(APRIL)
    bucket.put("lake/charges/source=gone/part-00000.parquet", b"PAR1")
    bucket.put("lake/README.txt", b"left alone")
    another_machine(settings)
    now = clock.now()
    assert maintenance.upkeep(now=now).compacted_files == 3
    assert maintenance.sweep_files(before=now + timedelta(days=1)) == 4
    assert kept(bucket) == set(LakeFile.objects.values_list("path", flat=True)) | {"README.txt"}
    assert charge_lines(APRIL) == before


def test_copies_make_room_and_come_back(bucket, bill, tmp_path, settings):
    load(bill.write(tmp_path))
    before = charge_lines(APRIL)
    mine = lake_store()
    assert isinstance(mine, BucketStore)
    hour = timedelta(hours=1)
    assert mine.trim_copies(0, unused_since=clock.now() - hour) == 0, "in use until just now"
    assert mine.trim_copies(0, unused_since=clock.now() + hour) > 0
    assert not list(settings.LAKE_DIR.rglob("*.parquet"))
    assert charge_lines(APRIL) == before
