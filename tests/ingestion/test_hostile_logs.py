"""Broken and hostile log objects: named with file, line and field, and nothing else is disturbed."""

from __future__ import annotations

import gzip
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from finops import clock
from ingestion import unpacking, usage_taking
from ingestion.cache import FileCache
from ingestion.locations.base import (
    ChangedUnderneathError,
    SourceUnavailableError,
    UnreadableNowError,
)
from ingestion.locations.folder import FolderLocation
from ingestion.log_selectors import log_health
from ingestion.models import Connection
from ingestion.services import collect
from ingestion.usage_models import LogObject, RejectedLine
from tests.log_objects import request, take, total, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Where the job writes, with one sound object."""
    write(tmp_path / "logs", "sound.log.gz", request(1), request(2))
    return tmp_path / "logs"


def moment(**ago: float) -> str:
    return f"{datetime.now(tz=UTC) + timedelta(**ago):%Y-%m-%dT%H:%M:%SZ}"


LINES: list[tuple[str | bytes | dict[str, Any], str]] = [
    ('{"RayID": "5", "EdgeSt', "no JSON, or only a part of one"),
    ("not json", "no JSON, or only a part of one"),
    ('{"RayID": "5", "EdgeResponseBytes": NaN}', "no JSON, or only a part of one"),
    ("[1, 2]", "no JSON object"),
    ('"text"', "no JSON object"),
    (b'{"RayID": "\xff\xfe"}', "not UTF-8"),
    (json.dumps(request(5)).replace("logo", "\\ud800"), "no JSON, or only a part of one"),
    (request(5, RayID=...), "RayID is missing"),
    (request(5, RayID=None), "RayID is missing"),
    (request(5, RayID=["x"]), "RayID is no text"),
    (request(5, ClientRequestHost={"a": 1}), "ClientRequestHost is no text"),
    (request(5, EdgeStartTimestamp=...), "EdgeStartTimestamp is missing"),
    (request(5, EdgeStartTimestamp="yesterday"), "EdgeStartTimestamp is no time"),
    (request(5, EdgeStartTimestamp=12345), "EdgeStartTimestamp is no time"),
    (request(5, EdgeStartTimestamp=1.7e9), "EdgeStartTimestamp is no time"),
    (request(5, EdgeStartTimestamp=True), "EdgeStartTimestamp is no time"),
    (request(5, EdgeStartTimestamp="2026-13-45T00:00:00Z"), "EdgeStartTimestamp is no time"),
    (request(5, EdgeStartTimestamp="1999-01-01T00:00:00Z"), "lies before 2010"),
    (request(5, EdgeStartTimestamp="2999-01-01T00:00:00Z"), "lies in the future"),
    (request(5, EdgeResponseBytes=-5), "EdgeResponseBytes is negative"),
    (request(5, EdgeResponseBytes="-5"), "EdgeResponseBytes is negative"),
    (request(5, CacheResponseBytes=1.5), "CacheResponseBytes is no whole number"),
    (request(5, CacheResponseBytes="many"), "CacheResponseBytes is no whole number"),
    (request(5, CacheResponseBytes="1_000"), "CacheResponseBytes is no whole number"),
    (request(5, CacheResponseBytes=" 7"), "CacheResponseBytes is no whole number"),
    (request(5, WorkerCPUTime=True), "WorkerCPUTime is no whole number"),
    (request(5, WorkerWallTimeUs=[1]), "WorkerWallTimeUs is no whole number"),
    (request(5, OriginResponseStatus={"a": 1}), "OriginResponseStatus is no whole number"),
    (request(5, EdgeResponseBytes=10**12), "EdgeResponseBytes is too large"),
    (request(5, EdgeResponseBytes=10**40), "EdgeResponseBytes is too large"),
    (request(5, Subrequests=["x"]), "Subrequests[0] is no JSON object"),
    (
        request(5, Subrequests=[request(6, CacheResponseBytes=-1)]),
        "Subrequests[0]: CacheResponseBytes is negative",
    ),
    (request(5, ClientRequestUserAgent="x" * 10_000_000), "longer than 2 MB"),
    ("[" * 200_000, "no JSON, or only a part of one"),
]


@pytest.mark.parametrize(
    ("broken", "reason"), LINES, ids=[f"{n} {r[1]}" for n, r in enumerate(LINES)]
)
def test_a_broken_line_is_put_aside_with_file_line_and_field(logs, broken, reason):
    write(logs, "broken.log.gz", request(3), "", broken, request(4))
    report = take(logs)
    assert report.exit_code == 1
    assert total("requests") == 4
    reject = RejectedLine.objects.get()
    assert reject.line == 3
    assert reject.reason.startswith("broken.log.gz, line 3: ")
    assert reason in reject.reason
    assert len(reject.text) <= 500
    found = LogObject.objects.get(key="broken.log.gz")
    assert (found.state, found.lines, found.rejected) == ("loaded", 3, 1)
    assert LogObject.objects.get(key="sound.log.gz").rejected == 0


@pytest.mark.parametrize("again", [False, True], ids=["alone", "beside another"])
def test_the_quick_reader_and_the_strict_one_agree_on_what_is_sound(logs, again):
    odd: list[dict[str, Any] | str] = [
        request(5, EdgeResponseBytes=""),
        request(6, EdgeResponseBytes=None),
        request(7, ClientRequestPath=None, ClientRequestURI="/a/b?c"),
        request(8, ClientRequestUserAgent="x" * 1_500_000),
        request(9, ClientRequestHost="EXÄMPLE.com:8443", CacheCacheStatus="HIT"),
        request(10, OriginResponseStatus="0"),
        json.dumps(request(11)).replace('{"RayID"', '{"RayID": "first", "RayID"'),
    ]
    write(logs, "odd.log", *odd, *["no json"] * again)
    take(logs)
    found = LogObject.objects.get(key="odd.log")
    assert (found.lines - found.rejected, found.rejected) == (7, int(again))
    assert total("requests") == 9
    assert total("edge_bytes") == 7000


def test_one_field_of_ten_megabytes_leaves_the_rest_readable(logs):
    write(
        logs, "huge.log", request(3, Cookies="y" * 10_000_000), *(request(n) for n in range(4, 9))
    )
    take(logs)
    assert total("requests") == 7


OBJECTS: list[tuple[bytes, str]] = [
    (gzip.compress(json.dumps(request(9)).encode() * 50)[:-30], "cut off"),
    (gzip.compress(b"x" * 100_000)[:40] + b"garbage" * 9, "cannot be unpacked"),
    (gzip.compress(b"{}") + b"trailing", "cut off, or something follows"),
    (b"EdgeStartTimestamp,RayID\n2026-04-20T10:00:00Z,abc\n", "none of its 2 lines can be read"),
    (b"\x00\x01\x02", "none of its 1 lines can be read"),
]


@pytest.mark.parametrize(("data", "reason"), OBJECTS, ids=[reason for _, reason in OBJECTS])
def test_a_broken_object_is_refused_with_a_sentence_and_the_others_are_read(logs, data, reason):
    (logs / "broken.log.gz").write_bytes(data)
    report = take(logs)
    assert report.exit_code == 1
    (failed,) = [one for one in report.outcomes if one.status == "failed"]
    assert failed.sentence.startswith("broken.log.gz: ")
    assert reason in failed.sentence
    assert LogObject.objects.get(key="broken.log.gz").state == "rejected"
    assert total("requests") == 2
    assert [one.status for one in take(logs).outcomes] == ["unchanged"]
    write(logs, "broken.log.gz", request(3))
    take(logs)
    assert total("requests") == 3


def test_a_rejected_object_is_read_again_when_that_is_asked(logs, monkeypatch):
    write(logs, "a.log", request(3))
    monkeypatch.setattr(unpacking, "MOST_BYTES", 10)
    assert take(logs).exit_code == 2
    assert "unpacks to more than" in LogObject.objects.get(key="a.log").reason
    monkeypatch.undo()
    assert [one.status for one in take(logs).outcomes] == ["unchanged"]
    take(logs, again=True)
    assert total("requests") == 3
    assert set(LogObject.objects.values_list("state", flat=True)) == {"loaded"}


def test_a_clock_that_runs_ahead_does_not_call_an_hour_complete(logs):
    write(logs, "ahead.log", request(3, EdgeStartTimestamp=moment(minutes=5)))
    write(logs, "far.log", request(4, EdgeStartTimestamp=moment(hours=2)))
    take(logs)
    health = log_health()[0]
    assert total("requests") == 3, "five minutes are a clock that runs ahead"
    assert health.newest_event is not None
    assert health.newest_event <= clock.now()
    assert "lies in the future" in LogObject.objects.get(key="far.log").reason


def test_of_very_many_broken_lines_all_are_counted_and_some_are_kept(logs):
    write(logs, "broken.log", *(["no json"] * 5000), request(3))
    take(logs)
    found = LogObject.objects.get(key="broken.log")
    assert (found.lines, found.rejected, found.rejects.count()) == (5001, 5000, 100)
    assert total("requests") == 3


def test_a_key_with_control_characters_is_refused(logs):
    write(logs, "2026\n\x1b[31m.log", request(3))
    report = take(logs)
    (failed,) = [one for one in report.outcomes if one.status == "failed"]
    assert "holds control characters" in failed.sentence
    assert "\x1b" not in failed.sentence
    assert total("requests") == 2


def test_a_link_that_leads_out_of_the_folder_is_refused(logs, tmp_path):
    outside = write(tmp_path, "outside.log", request(3))
    (logs / "link.log").symlink_to(outside)
    report = take(logs)
    (failed,) = [one for one in report.outcomes if one.status == "failed"]
    assert "leads out of the folder" in failed.sentence
    assert total("requests") == 2


def test_a_place_that_is_gone_is_said_on_its_connection(tmp_path):
    connection = Connection.objects.create(
        slug="logs",
        kind="cloudflare_logpush",
        location=str(tmp_path / "no"),
        created_at=clock.now(),
    )
    assert collect(connection=connection).exit_code == 2
    connection.refresh_from_db()
    assert "there is no such folder" in connection.problem


# --- what passes -------------------------------------------------------------------------------------


@pytest.fixture
def trouble(logs, monkeypatch):
    """A second object, and a function that makes whoever holds it meet an error."""
    write(logs, "b.log", request(3))
    held = FolderLocation.held

    def meet(error: Exception) -> None:
        @contextmanager
        def failing(self, entry, advance):
            if entry.key == "b.log":
                raise error
            with held(self, entry, advance) as path:
                yield path

        monkeypatch.setattr(FolderLocation, "held", failing)

    return meet


@pytest.mark.parametrize("kind", [UnreadableNowError, ChangedUnderneathError])
def test_an_object_that_cannot_be_read_now_is_taken_at_the_next_look(
    logs, trouble, monkeypatch, kind
):
    trouble(kind("b.log: 3 of 5 bytes came. Load again."))
    report = take(logs)
    assert [(one.status, one.key) for one in report.outcomes] == [
        ("failed", "b.log"),
        ("loaded", "sound.log.gz"),
    ]
    assert list(LogObject.objects.values_list("key", flat=True)) == ["sound.log.gz"]
    monkeypatch.undo()
    assert [one.status for one in take(logs).outcomes] == ["loaded"]
    assert total("requests") == 3


def test_a_full_disk_refuses_no_object_and_keeps_what_was_taken(logs, trouble, monkeypatch):
    write(logs, "a.log", request(4))
    monkeypatch.setattr(usage_taking, "MOST_OBJECTS", 1)
    trouble(SourceUnavailableError("b.log: its 5 bytes cannot be kept. Make room."))
    report = take(logs)
    assert [one.status for one in report.outcomes] == ["loaded", "failed"]
    assert "Make room" in report.outcomes[1].sentence
    assert list(LogObject.objects.values_list("key", flat=True)) == ["a.log"]
    monkeypatch.undo()
    take(logs)
    assert total("requests") == 4


def test_a_file_that_may_not_be_opened_is_no_broken_one(logs, monkeypatch):
    write(logs, "b.log", request(3))
    opened = Path.open

    def refusing(path, *arguments, **options):
        if path.name == "b.log":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refusing)
    (failed,) = [one for one in take(logs).outcomes if one.status == "failed"]
    assert failed.sentence == (
        "b.log: it cannot be read now (Permission denied). It is tried at the next look."
    )
    monkeypatch.undo()
    take(logs)
    assert total("requests") == 3


def test_no_room_to_unpack_is_said_and_refuses_nothing(logs, monkeypatch):
    def full(_handle, _chunk):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpacking, "_write", full)
    (failed,) = take(logs).outcomes
    assert "no room to unpack it (No space left on device)" in failed.sentence
    assert not LogObject.objects.exists()
    monkeypatch.undo()
    take(logs)
    assert total("requests") == 2


def test_bytes_that_do_not_fit_a_full_cache_are_the_places_trouble(tmp_path):
    cache = FileCache(tmp_path, 100)

    def full(_at):
        yield b""
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(SourceUnavailableError, match="Make room"),
        cache.held("n", 3, "a.log", full, lambda _: None) as path,
    ):
        path.read_bytes()
    with (
        pytest.raises(UnreadableNowError, match="1 of 3 bytes came"),
        cache.held("n", 3, "a.log", lambda _: iter([b"x"]), lambda _: None) as path,
    ):
        path.read_bytes()


def test_an_object_whose_sums_no_field_holds_is_refused_alone(logs):
    most = 999_999_999_999
    write(logs, "a.log", *(request(n, EdgeResponseBytes=most) for n in range(100, 1100)))
    write(logs, "z.log", request(3))
    report = take(logs)
    (failed,) = [one for one in report.outcomes if one.status == "failed"]
    assert failed.sentence.startswith("a.log: what it holds cannot be counted (")
    assert "is too large" in failed.sentence
    assert set(LogObject.objects.values_list("key", "state")) == {
        ("a.log", "rejected"),
        ("sound.log.gz", "loaded"),
        ("z.log", "loaded"),
    }
    assert total("requests") == 3
    assert [one.status for one in take(logs).outcomes] == ["unchanged"]


def test_an_engine_or_database_that_is_away_refuses_no_object(logs, monkeypatch):
    def away(**_what):
        raise OperationalError("the database went away")

    monkeypatch.setattr(usage_taking, "commit_usage", away)
    with pytest.raises(OperationalError):
        take(logs)
    monkeypatch.undo()
    assert not LogObject.objects.exists()
    take(logs)
    assert total("requests") == 2
