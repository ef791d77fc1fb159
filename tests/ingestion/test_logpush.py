"""Logpush objects: whatever form they come in, each request counts once."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops import clock
from ingestion import usage
from ingestion.core.path_prefix import NAMES_FOLLOW, path_prefix
from ingestion.log_selectors import complete_through, log_health, watermark
from ingestion.models import Connection, Source
from ingestion.selectors import freshness
from ingestion.services import collect
from ingestion.usage_models import (
    LogDay,
    LogObject,
    LogpushSettings,
    RejectedLine,
    UsageDay,
    UsageFile,
    UsageLoad,
)
from tests.log_objects import START, facts, request, take, total, write

pytestmark = pytest.mark.django_db

SECOND = int(START.timestamp())
SAMPLE = Path(__file__).parents[1] / "data" / "cloudflare_logpush" / "http_requests.ndjson"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Where the job writes; the lake of a test lies elsewhere."""
    return tmp_path / "logs"


def test_a_real_line_is_read(logs):
    write(logs, "a.log.gz", SAMPLE.read_text().strip())
    assert take(logs).exit_code == 0
    assert facts("host", "path_prefix", "cache_status") == {
        (metric, "www.theburritobot2.com", "/product/{id}", "dynamic"): Decimal(number)
        for metric, number in (
            ("requests", 1),
            ("cache_requests", 1),
            ("edge_bytes", 2301),
            ("cache_bytes", 9247),
            ("origin_bytes", 9247),  # its OriginResponseBytes says 0 although the origin answered
        )
    }


@pytest.mark.parametrize(
    "moment",
    [
        "2026-04-20T10:00:00Z",
        "2026-04-20T10:00:00.123456789Z",
        "2026-04-20T12:00:00+02:00",
        "2026-04-20 10:00:00",
        SECOND,
        str(SECOND),
        SECOND * 10**9 + 123,
        str(SECOND * 10**9 + 123),
    ],
    ids=str,
)
def test_every_form_of_a_time_is_the_same_moment(logs, moment):
    write(logs, "a.log.gz", request(1))
    write(logs, "b.log.gz", request(1, EdgeStartTimestamp=moment))
    write(logs, "c.log.gz", request(2, EdgeStartTimestamp=moment), "broken {")
    take(logs)
    assert total("requests") == 2, "the second is the first again, in another form"
    assert {hour for _, hour in facts("hour")} == {START.replace(tzinfo=None)}


def test_lines_count_once_however_often_they_come(logs):
    lines = [request(n, seconds=n) for n in range(50)]
    write(logs, "a.log.gz", *lines, lines[3])
    write(logs, "b.log.gz", *lines[:20])
    take(logs)
    write(logs, "late.log.gz", *lines, request(99, seconds=-3600))
    take(logs)
    assert total("requests") == 51
    health = log_health()[0]
    assert (health.lines, health.duplicates) == (51 + 20 + 51, 1 + 20 + 50)


def test_both_spellings_of_no_parent_are_one_and_a_parent_makes_a_subrequest(logs):
    write(logs, "a.log", request(1), request(1, ParentRayID=""), request(2, ParentRayID=...))
    take(logs)
    assert total("requests") == 2
    write(logs, "b.log", request(3, ParentRayID="00ff", ClientRequestSource=...))
    take(logs)
    assert (total("requests"), total("cache_requests")) == (2, 3)


SUB: dict[str, Any] = {
    "RayID": "sub1",
    "ClientRequestSource": "edgeWorkerFetch",
    "CacheCacheStatus": "miss",
    "CacheResponseBytes": 70,
    "OriginResponseStatus": 200,
    "EdgeResponseBytes": 5,
    "WorkerSubrequest": True,
    "ParentRayID": f"{1:016x}",
}
PARENT: dict[str, Any] = {
    "CacheCacheStatus": "unknown",
    "CacheResponseBytes": 0,
    "WorkerScriptName": "resize",
    "WorkerCPUTime": 1200,
    "WorkerWallTimeUs": 5000,
    "WorkerSubrequestCount": 1,
}


@pytest.mark.parametrize("extra", [[], ["no json"]], ids=["whole", "beside a broken line"])
def test_subrequests_count_the_same_as_own_lines_and_merged(logs, extra):
    write(logs / "own", "a.log", request(1, **PARENT), request(1, **SUB), *extra)
    take(logs / "own")
    own = facts("cache_status", "script", "host", "path_prefix")
    assert own == {
        (metric, status, script, "acme.assets.example.com", "/img/logo.png"): Decimal(number)
        for metric, status, script, number in (
            ("requests", "unknown", "", 1),
            ("cache_requests", "unknown", "", 1),
            ("edge_bytes", "unknown", "", 1000),
            ("cache_requests", "miss", "", 1),
            ("cache_bytes", "miss", "", 70),
            ("origin_bytes", "miss", "", 70),
            ("worker_cpu_us", "", "resize", 1200),
            ("worker_wall_us", "", "resize", 5000),
            ("subrequests", "", "resize", 1),
        )
    }
    UsageLoad.objects.all().delete()
    write(
        logs / "merged",
        "a.log",
        request(1, **PARENT, Subrequests=[request(1, **SUB)]),
        request(1, **PARENT, Subrequests=[]),
        *extra,
    )
    take(logs / "merged")
    assert facts("cache_status", "script", "host", "path_prefix") == own


@pytest.mark.parametrize("scalar", ["", "none", 0, None, False, {}])
def test_a_scalar_where_an_array_is_documented_is_no_subrequest(logs, scalar):
    write(logs, "a.log", request(1, Subrequests=scalar, FirewallMatchesActions="block"))
    report = take(logs)
    if scalar == {}:
        assert "RayID" in LogObject.objects.get().reason
        return
    assert report.exit_code == 0
    assert total("cache_requests") == 1


def test_bytes_are_those_of_cloudflares_own_formulas(logs):
    write(
        logs,
        "a.log",
        request(1, CacheCacheStatus="miss", OriginResponseStatus=200, CacheResponseBytes=10),
        request(2, CacheCacheStatus="revalidated", OriginResponseStatus=304, CacheResponseBytes=20),
        request(3, CacheCacheStatus="hit", OriginResponseStatus=0, CacheResponseBytes=40),
        request(
            4, ClientRequestSource="edgeWorkerFetch", EdgeResponseBytes=7, OriginResponseStatus=500
        ),
    )
    take(logs)
    assert total("edge_bytes") == 3000, "of eyeballs only"
    assert total("cache_bytes") == 10 + 20 + 40 + 900
    assert total("origin_bytes") == 10 + 900


def test_digits_in_strings_and_missing_fields_are_read(logs):
    write(
        logs,
        "a.log",
        request(
            1, EdgeResponseBytes="12", OriginResponseStatus="", WorkerCPUTime=..., ZoneName=...
        ),
    )
    assert take(logs).exit_code == 0
    assert total("edge_bytes") == 12


def test_what_a_job_does_not_write_is_said(logs):
    write(logs, "a.log", request(1, WorkerCPUTime=..., WorkerWallTimeUs=...))
    take(logs)
    assert log_health()[0].notes == (
        "The job does not write WorkerCPUTime, WorkerWallTimeUs: what is counted of them is 0.",
    )


def test_challenges_tests_and_empty_objects_are_skipped(logs):
    write(logs, "ownership-challenge-1a2b.txt", "token")
    write(logs, "test.txt.gz", {"content": "tests"})
    write(logs, "b.txt", "test")
    write(logs, "empty.log.gz")
    assert take(logs).exit_code == 0
    assert set(LogObject.objects.values_list("key", "state")) == {
        ("test.txt.gz", "skipped"),
        ("b.txt", "skipped"),
        ("empty.log.gz", "skipped"),
    }
    assert facts() == {}


def test_an_object_is_read_once_and_again_when_its_bytes_change(logs):
    write(logs, "a.log", request(1))
    assert [one.status for one in take(logs).outcomes] == ["loaded"]
    assert [one.status for one in take(logs).outcomes] == ["unchanged"]
    write(logs, "a.log", request(1), request(2))
    assert [one.status for one in take(logs).outcomes] == ["loaded"]
    assert total("requests") == 2
    assert LogObject.objects.count() == 2


def test_names_say_nothing_and_gzip_is_known_by_its_bytes(logs):
    packed = write(logs / "elsewhere", "x.gz", request(1))
    (logs / "in" / "20260420").mkdir(parents=True)
    packed.rename(logs / "in" / "20260420" / "whatever")
    write(logs / "in", "plain.gz.json", request(2))
    take(logs / "in")
    assert total("requests") == 2


# --- what may be kept --------------------------------------------------------------------------------


def test_nothing_personal_and_no_secret_reaches_lake_or_database(logs, lake_of_this_test):
    secret, address, mail = "s3cr3tS3cr3tS3cr3t99", "198.51.100.77", "alice@example.org"
    write(
        logs,
        "a.log",
        request(
            1,
            ClientIP=address,
            ClientRequestPath=f"/reset/{secret}/{mail}",
            ClientRequestURI=f"/reset/{secret}/{mail}?token={secret}",
            Cookies={"session": secret},
        ),
        request(2, EdgeResponseBytes=-1, ClientIP=address, ClientRequestURI=f"/?token={secret}"),
        f'{{"RayID": "3", "ClientIP": "{address}", "Cookies": "{secret}',
    )
    take(logs)
    assert [row[0] for row in LogObject.objects.values_list("rejected")] == [2]
    kept = b"".join(path.read_bytes() for path in lake_of_this_test.rglob("*") if path.is_file())
    tables: tuple[Any, ...] = (LogObject, UsageDay, UsageLoad, RejectedLine)
    rows = json.dumps([list(table.objects.values()) for table in tables], default=str)
    for text in (secret, address, mail):
        assert text.encode() not in kept
        assert text not in rows
    assert set(facts("path_prefix")) >= {("requests", "/reset/{id}")}


# --- sampling, watermark, keys -----------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "requests"), [("0.1", "10"), ("0.3", "3.333333333333")])
def test_a_sample_is_scaled_and_marked(logs, rate, requests):
    connection = Connection.objects.create(
        slug="logs", kind="cloudflare_logpush", location=str(logs), created_at=clock.now()
    )
    LogpushSettings.objects.create(
        connection=connection, sample_rate=Decimal(rate), filtered="health checks"
    )
    write(logs, "a.log", request(1))
    collect(connection=connection)
    assert facts("is_sampled")["requests", True] == Decimal(requests)
    row = UsageDay.objects.get(metric="requests")
    assert (row.is_sampled, row.quantity) == (True, Decimal(requests).quantize(Decimal("0.0001")))
    assert log_health()[0].notes == (
        f"The job logs {Decimal(rate):.6f} of the requests: quantities are scaled.",
        "The job leaves out: health checks",
    )


def test_an_hour_is_complete_once_the_newest_event_is_ten_minutes_past_it(logs):
    write(logs, "a.log", request(1), request(2, seconds=3600 + 9 * 60))
    take(logs)
    source = Source.objects.get()
    assert watermark(source) == START + timedelta(minutes=59)
    assert complete_through(source) == START
    write(logs, "b.log", request(3, seconds=3600 + 10 * 60))
    take(logs)
    assert complete_through(source) == START + timedelta(hours=1)


def test_a_log_is_late_two_hours_beyond_its_watermark(logs):
    write(logs, "a.log", request(1, seconds=300))
    take(logs)
    source = Source.objects.get()
    assert source.expected_every_hours == 2
    assert watermark(source) == START + timedelta(minutes=5) - timedelta(minutes=10)
    in_time = START + timedelta(hours=1, minutes=55)
    assert [one.is_late for one in freshness(in_time).sources] == [False]
    assert [one.is_late for one in freshness(in_time + timedelta(seconds=1)).sources] == [True]
    Source.objects.update(expected_every_hours=3)
    assert [one.is_late for one in freshness(in_time + timedelta(hours=1)).sources] == [False]


def test_a_line_that_comes_after_its_keys_were_let_go_is_put_aside(logs):
    now, kept = clock.now(), timedelta(hours=48)
    write(logs, "a.log", request(1))
    take(logs)
    source = Source.objects.get()
    assert usage.let_keys_go(source=source, kept=kept, now=now + 4 * kept) == 0, (
        "the log is there still"
    )
    write(logs, "b.log", request(2, seconds=5 * 86400))
    take(logs)
    assert usage.let_keys_go(source=source, kept=kept, now=now) == 0, "it was read a moment ago"
    assert usage.let_keys_go(source=source, kept=kept, now=now + kept + timedelta(hours=1)) == 1
    assert UsageFile.objects.filter(kind="keys", left_at=None).count() == 1
    write(logs, "late.log", request(1), request(3, seconds=5 * 86400 + 1))
    take(logs)
    late = LogObject.objects.get(key="late.log")
    assert (late.state, late.lines, late.rejected) == ("loaded", 2, 1)
    assert late.rejects.get().line == 1
    assert "later back than 48 h" in late.rejects.get().reason
    assert total("requests") == 3
    assert LogDay.objects.get(day=START.date()).lines == 1


def test_days_of_pages_are_the_lakes_sums(logs):
    write(logs, "a.log", *(request(n, seconds=n * 7200) for n in range(20)))
    take(logs)
    write(logs, "b.log", *(request(100 + n, seconds=n * 7200) for n in range(20)))
    take(logs)
    lake = facts("CAST(hour AS DATE)", "host", "cache_status", "script")
    rows = UsageDay.objects.values_list(
        "metric", "day", "host", "cache_status", "script", "quantity"
    )
    assert {row[:-1]: row[-1] for row in rows} == lake


def test_two_places_are_two_sources(logs):
    write(logs / "one", "a.log", request(1))
    write(logs / "two", "a.log", request(1))
    take(logs / "one")
    take(logs / "two")
    assert set(Source.objects.values_list("slug", flat=True)) == {
        "cloudflare-logpush",
        "cloudflare-logpush-2",
    }


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/users/john.smith", "/users/{id}"),
        ("/Members/john.smith/settings", "/Members/{id}/settings"),
        ("/u/ann/photo", "/u/{id}/photo"),
        ("/%75sers/ann", "/users/{id}"),
        ("/profiles/ann.jpg", "/profiles/{id}"),
        ("/products/red-shoes", "/products/red-shoes"),
        ("/users", "/users"),
    ],
)
def test_what_stands_behind_users_is_masked_whatever_it_is(path, kept):
    assert path_prefix(path, 3, NAMES_FOLLOW) == kept
    assert path_prefix(kept, 3, NAMES_FOLLOW) == kept
