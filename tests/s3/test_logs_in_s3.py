"""Logs in a bucket: found by listing, read once, and whatever is wrong with one object leaves the others."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from finops import clock
from ingestion.models import Connection
from ingestion.services import collect, ingest
from ingestion.unpacking import Slots
from ingestion.usage_models import LogObject, UsageLoad
from tests.log_objects import facts, request, total, write
from tests.s3.server import BUCKET

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(store) -> Connection:
    return Connection.objects.create(
        slug="logs",
        kind="cloudflare_logpush",
        location=f"s3://{BUCKET}/http",
        endpoint_url=store.url,
        check_every_minutes=1,
        created_at=clock.now(),
    )


def test_objects_of_a_bucket_give_the_facts_of_the_same_folder(store, connection, tmp_path):
    write(tmp_path / "logs", "20260420/a.log.gz", request(1), request(2))
    write(tmp_path / "logs", "20260420/b.log.gz", request(2), request(3))
    write(tmp_path / "logs", "ownership-challenge-9f.txt", "token")
    store.fill(tmp_path / "logs", "http/")
    collect(connection=connection)
    assert total("requests") == 3
    expected = facts("hour", "host", "path_prefix", "cache_status")
    UsageLoad.objects.all().delete()
    LogObject.objects.all().delete()
    ingest(kind="cloudflare_logpush", location=tmp_path / "logs")
    assert facts("hour", "host", "path_prefix", "cache_status") == expected


def test_a_look_reads_only_what_is_new(store, proxy, connection, tmp_path):
    store.fill(write(tmp_path / "one", "a.log.gz", request(1)).parent, "http/")
    Connection.objects.update(endpoint_url=proxy.url)
    connection.refresh_from_db()
    collect(connection=connection)
    asked = len(proxy.asked)
    assert [one.status for one in collect(connection=connection).outcomes] == ["unchanged"]
    assert [method for method, path, _ in proxy.asked[asked:] if "list-type" not in path] == []
    store.fill(write(tmp_path / "two", "late.log.gz", request(1), request(2)).parent, "http/")
    collect(connection=connection)
    assert total("requests") == 2


def test_keys_that_lead_elsewhere_or_hold_control_characters_are_refused(store, connection):
    body = gzip.compress(json.dumps(request(1)).encode())
    store.put("http/good.log.gz", body)
    store.put("http/../outside.log.gz", body)
    store.put("http/a\x07b.log.gz", body)
    report = collect(connection=connection)
    sentences = [one.sentence for one in report.outcomes if one.status == "failed"]
    assert sorted(sentence.split(": the key ")[1] for sentence in sentences) == [
        "holds control characters: the object is not read.",
        "leads out of its folder or has an empty part: the object is not read.",
    ]
    assert total("requests") == 1
    connection.refresh_from_db()
    assert "the object is not read" in connection.problem


def test_a_bucket_that_is_not_there_is_said_and_no_object_is_rejected(store, connection):
    Connection.objects.update(location="s3://no-such-bucket/http")
    connection.refresh_from_db()
    report = collect(connection=connection)
    assert report.exit_code == 2
    assert "there is no such bucket" in report.outcomes[0].sentence
    assert not LogObject.objects.exists()


def test_no_copy_of_an_object_has_a_name_or_stays(store, connection, settings, monkeypatch):
    body = gzip.compress(json.dumps(request(1)).encode())
    store.put("http/a.log.gz", body)
    named: list[list[Path]] = []
    unpack = Slots.unpack

    def looking(slots, path, key):
        assert path.read_bytes() == body
        named.append([file for file in settings.CACHE_DIR.rglob("*") if file.is_file()])
        return unpack(slots, path, key)

    monkeypatch.setattr(Slots, "unpack", looking)
    collect(connection=connection)
    assert total("requests") == 1
    assert named == [[]]
    assert not [file for file in settings.CACHE_DIR.rglob("*") if file.is_file()]


def test_a_look_between_asks_for_no_folder_of_an_old_day(store, proxy, connection, tmp_path):
    for day in range(20, 30):
        seconds = (day - 20) * 86_400
        for zone in ("", "zone/"):
            write(tmp_path / "logs", f"{zone}202604{day}/a.log.gz", request(day, seconds=seconds))
    write(tmp_path / "logs", "odd/place/of/a/person/b.log.gz", request(99))
    store.fill(tmp_path / "logs", "http/")
    Connection.objects.update(endpoint_url=proxy.url)
    connection.refresh_from_db()
    collect(connection=connection)
    assert total("requests") == 11
    asked = len(proxy.asked)
    write(tmp_path / "late", "20260429/c.log.gz", request(100))
    write(tmp_path / "late", "20260420/old.log.gz", request(101))
    write(tmp_path / "late", "odd/place/of/a/person/d.log.gz", request(102))
    store.fill(tmp_path / "late", "http/")
    collect(connection=connection, whole=False)
    assert total("requests") == 13
    lists = [path for _, path, _ in proxy.asked[asked:] if "list-type" in path]
    assert not [path for path in lists if "20260420" in path]
    assert len(lists) == 2 + 2 * 4 + 3, "place, zone, four days of each, three levels of odd"
    collect(connection=connection)
    assert total("requests") == 14
