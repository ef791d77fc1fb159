"""A look lists what may be new, everything once a day; what is forgotten never counts again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from finops import clock
from ingestion import log_objects, maintenance, usage_upkeep
from ingestion.locations.folder import FolderLocation
from ingestion.log_selectors import log_health
from ingestion.models import Connection, Source
from ingestion.services import collect
from ingestion.usage_models import LogLook, LogObject, PastObjects
from tests.log_objects import START, facts, request, total, write

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def dated(day: int) -> str:
    return f"{START + day * DAY:%Y%m%d}"


def put(folder: Path, day: int, name: str, number: int, *, where: str | None = None) -> Path:
    at = dated(day) if where is None else where
    return write(folder / at, name, request(number, seconds=day * 86_400))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for day in range(8):
        put(tmp_path / "logs", day, "a.log", day)
    return tmp_path / "logs"


@pytest.fixture
def connection(logs: Path) -> Connection:
    return Connection.objects.create(
        slug="logs", kind="cloudflare_logpush", location=str(logs), created_at=clock.now()
    )


def look(connection: Connection) -> list[str]:
    return [one.status for one in collect(connection=connection, whole=False).outcomes]


def source() -> Source:
    return Source.objects.get(kind="cloudflare_logpush")


@pytest.fixture
def listed(monkeypatch) -> list[str]:
    """The keys of each file that a look took notice of."""
    seen: list[str] = []
    real = FolderLocation._entry

    def noted(self, path):
        entry = real(self, path)
        seen.append(entry.key)
        return entry

    monkeypatch.setattr(FolderLocation, "_entry", noted)
    return seen


def test_after_a_whole_look_only_the_newest_days_are_listed(logs, connection, listed):
    look(connection)
    listed.clear()
    assert look(connection) == ["unchanged"]
    assert {key.split("/")[0] for key in listed} == {dated(day) for day in (4, 5, 6, 7)}
    put(logs, 7, "b.log", 100)
    assert look(connection) == ["loaded"]
    assert total("requests") == 9


def test_keys_that_name_no_day_are_found_at_each_look(logs, connection):
    look(connection)
    put(logs, 7, "odd.log", 100, where="by-hand/zone")
    put(logs, 7, "more.log", 101, where=".")
    assert look(connection) == ["loaded"]
    assert total("requests") == 10


def test_an_old_folder_is_listed_once_a_day_and_when_a_person_asks(logs, connection, monkeypatch):
    look(connection)
    put(logs, 1, "late.log", 100)
    assert look(connection) == ["unchanged"]
    LogLook.objects.update(whole_at=clock.now() - DAY)
    assert look(connection) == ["loaded"]
    put(logs, 1, "later.log", 101)
    assert look(connection) == ["unchanged"]
    assert [one.status for one in collect(connection=connection).outcomes] == ["loaded"]


def test_what_could_not_be_read_is_listed_again_however_old_it_is(logs, connection, monkeypatch):
    shy = f"{dated(1)}/a.log"
    real = FolderLocation.held

    def closed(self, entry, advance):
        if entry.key == shy:
            entry = type(entry)(entry.key, entry.size, "another mark")
        return real(self, entry, advance)

    monkeypatch.setattr(FolderLocation, "held", closed)
    assert "failed" in look(connection)
    monkeypatch.undo()
    assert LogLook.objects.get().left_from == (START + DAY).date()
    assert look(connection) == ["loaded"]
    assert total("requests") == 8
    assert LogLook.objects.get().left_from is None


def test_a_look_that_was_cut_off_moves_nothing(logs, connection, monkeypatch):
    def cut(*_arguments, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(log_objects, "note_look", cut)
        with pytest.raises(KeyboardInterrupt):
            look(connection)
    put(logs, 0, "b.log", 100)
    assert look(connection) == ["loaded"], "no whole look ended yet"


def test_the_scheduled_job_lists_what_may_be_new_and_load_now_everything(logs, connection):
    from ingestion.jobs.collect import Collect
    from ingestion.requests import request_load

    def report(*_told):
        return None

    Collect.run("logs", {}, report)
    put(logs, 0, "late.log", 100)
    assert "unchanged" in Collect.run("logs", {}, report)
    job = request_load(slug="logs")
    assert "loaded" in Collect.run("logs", job.arguments, report)


# --- forgetting --------------------------------------------------------------------------------------


def forget(days: int = 400) -> int:
    return usage_upkeep.forget_old_objects(now=clock.now() + days * DAY)


def test_rows_of_old_objects_become_digests_and_no_figure_changes(logs, connection):
    put(logs, 0, "broken.log", 3, where=dated(0)).write_text("no json\n")
    write(logs / dated(0), "twice.log", request(0))
    write(logs, "plain.log", request(50))
    look(connection)
    before, health = facts("hour", "host"), log_health()
    assert forget(days=1) == 0, "they are listed for LOG_OBJECT_DAYS"
    assert forget() == 4 + 2 + 1
    assert set(LogObject.objects.values_list("key", flat=True)) == {
        f"{dated(day)}/a.log" for day in (4, 5, 6, 7)
    }, "what a look between meets keeps its row"
    assert log_health() == health
    assert forget() == 0
    report = collect(connection=connection)
    assert [one.status for one in report.outcomes] == ["unchanged"]
    assert facts("hour", "host") == before
    assert log_health() == health


def test_an_object_with_other_bytes_under_an_old_key_is_a_new_one(logs, connection):
    look(connection)
    assert forget() == 4
    put(logs, 0, "a.log", 200)
    collect(connection=connection)
    assert total("requests") == 9


def test_a_day_of_the_past_that_comes_for_the_first_time_is_read(logs, connection):
    look(connection)
    assert forget() == 4
    put(logs, -300, "a.log", 300)
    collect(connection=connection)
    assert total("requests") == 9


def test_a_commit_knows_forgotten_objects_too(logs, connection):
    look(connection)
    assert forget() == 4
    key = f"{dated(0)}/a.log"
    mark = FolderLocation(logs).entry(key)
    assert mark
    assert log_objects.TakenObjects(source()).taken([(key, mark.mark), (key, "other")]) == {
        (key, mark.mark)
    }


def test_more_days_than_are_held_at_once_are_told_apart(logs, connection, monkeypatch):
    monkeypatch.setattr(log_objects, "_DAYS_HELD", 2)
    look(connection)
    assert forget() == 4
    assert [one.status for one in collect(connection=connection).outcomes] == ["unchanged"]


def test_upkeep_forgets_and_says_so(logs, connection):
    look(connection)
    told = maintenance.upkeep(now=clock.now() + 400 * DAY)
    assert told.objects_forgotten == 4
    assert "4 old objects of logs kept as digests" in str(told)
    assert PastObjects.objects.count() == 4


def test_hours_and_paths_of_old_days_are_put_together_and_sums_hold(logs, connection):
    for number in range(4):
        path = f"/p{number}/x"
        line = request(
            500 + number, seconds=3600 * number, ClientRequestPath=path, CacheCacheStatus="miss"
        )
        write(logs / dated(0), f"more{number}.log", line)
    look(connection)
    sums = facts("CAST(hour AS DATE)", "zone", "host", "cache_status", "script")
    now = datetime.combine(START.date(), datetime.min.time(), UTC) + timedelta(days=402)
    assert usage_upkeep.put_hours_together(now=now) == 2, "of two days, the third is detailed"
    assert facts("CAST(hour AS DATE)", "zone", "host", "cache_status", "script") == sums
    kept = {key[1:] for key in facts("hour", "path_prefix") if key[1].date() < date(2026, 4, 22)}
    assert kept == {
        (datetime(2026, 4, day), "other")  # noqa: DTZ001  # as the engine tells it
        for day in (20, 21)
    }
    assert usage_upkeep.put_hours_together(now=now) == 0
    put(logs, 0, "late.log", 900)
    collect(connection=connection)
    assert usage_upkeep.put_hours_together(now=now) == 2
    assert total("requests") == 13
