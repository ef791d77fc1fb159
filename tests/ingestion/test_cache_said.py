"""What the caches before Cloudflare said (RFC 9211), where a job logs the header."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.core.cache_said import (
    ASKED,
    COLLAPSED,
    MOST_CACHES,
    SAID_METRICS,
    STORED,
    UNREADABLE,
    said_by_caches,
)
from ingestion.core.logpush import LogSettings
from ingestion.models import Connection
from ingestion.usage_models import LogObject, LogpushSettings, UsageDay, UsageLoad
from tests.log_objects import facts, request, take, total, write

SECRET = "s3cr3t-of-alice"


def said(status: object, *, name: str = "cache-status", number: int = 0, **changed):
    return request(number, ResponseHeaders={name: status, "server": "x"}, **changed)


def told(metric: str = ASKED) -> dict[str, Decimal]:
    found = facts("cache_status")
    return {words: number for (of, words), number in found.items() if of == metric}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Varnish; hit", ((ASKED, "Varnish", "hit"),)),
        ('"origin cache"; fwd=uri-miss', ((ASKED, "origin cache", "fwd=uri-miss"),)),
        ("a; fwd=sunspots", ((ASKED, "a", "fwd=other"),)),
        ("a; hit; ttl=-412; x-own=?1", ((ASKED, "a", "hit"),)),
        ("a", ((ASKED, "a", ""),)),
        (
            "a; fwd=stale; stored; collapsed, b; hit",
            (
                (ASKED, "a", "fwd=stale"),
                (STORED, "a", ""),
                (COLLAPSED, "a", ""),
                (ASKED, "b", "hit"),
            ),
        ),
        ("HIT from cache 7; broken=", ((UNREADABLE, "", ""),)),
        (f"a; hit; {'x' * 5000}", ((UNREADABLE, "", ""),)),
        (f"{'n' * 200}; hit", ((ASKED, "other", "hit"),)),
    ],
)
def test_a_value_says_what_each_cache_did(text, expected):
    assert said_by_caches(text) == expected


@given(st.text(max_size=60))
def test_any_text_says_something_or_that_it_cannot_be_read(text):
    for metric, cache, words in said_by_caches(text):
        assert metric in SAID_METRICS
        assert len(cache) <= 40
        assert words in {"", "hit"} or words.startswith("fwd=")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "headers",
    [
        {"cache-status": "Varnish; hit"},
        {"Cache-Status": "Varnish; hit"},
        json.dumps({"cache-status": "Varnish; hit"}),
        {"cache-status": ["Varnish; hit"]},
    ],
)
def test_the_header_is_read_in_each_form_that_a_job_writes(tmp_path, headers):
    write(tmp_path, "a.log.gz", request(1, ResponseHeaders=headers), request(2))
    take(tmp_path)
    assert told() == {"Varnish; hit": 1}
    assert total("cache_requests") == 2


@pytest.mark.django_db
def test_several_caches_and_several_headers_are_told_apart(tmp_path):
    write(
        tmp_path,
        "a.log.gz",
        said("inner; fwd=uri-miss; stored, outer; hit", number=1),
        said(["inner; fwd=uri-miss", "outer; fwd=miss; collapsed"], number=2),
        said("inner; hit; ttl=5", number=3),
        said("inner; hit; ttl=-70", number=4),
    )
    take(tmp_path)
    assert told() == {
        "inner; fwd=uri-miss": 2,
        "inner; hit": 2,
        "outer; hit": 1,
        "outer; fwd=miss": 1,
    }
    assert told(STORED) == {"inner": 1}
    assert told(COLLAPSED) == {"outer": 1}
    days = UsageDay.objects.filter(metric=ASKED).order_by("cache_status")
    assert next((row.cache_status, row.quantity) for row in days) == ("inner; fwd=uri-miss", 2)


@pytest.mark.django_db
def test_what_cannot_be_read_is_counted_and_rejects_no_line(tmp_path):
    odd = ["no, cache=(", 'a; key="never ends', 7, {"a": "b"}, "a; hit; " + "x" * 100_000]
    lines = [said(value, number=number) for number, value in enumerate(odd)]
    texts = [request(90, ResponseHeaders="{no json"), request(91, ResponseHeaders=["a"])]
    write(tmp_path, "a.log.gz", *lines, *texts, said(None, number=92))
    report = take(tmp_path)
    assert report.outcomes[0].rejected_rows == 0
    assert told(UNREADABLE) == {"": len(odd)}
    assert told() == {}
    assert total("cache_requests") == len(odd) + 3
    assert f"Of {len(odd)} responses Cache-Status cannot be read" in " ".join(
        UsageLoad.objects.get().notes
    )


@pytest.mark.django_db
def test_a_header_of_10_mb_costs_only_its_line(tmp_path):
    huge = said("a; " + "x" * (10 << 20), number=1)
    write(tmp_path, "a.log.gz", huge, said("a; hit", number=2))
    take(tmp_path)
    assert told() == {"a; hit": 1}
    assert LogObject.objects.get().rejected == 1


@pytest.mark.django_db
def test_keys_and_details_stay_nowhere(tmp_path):
    value = (
        f'a; hit; key="https://x/{SECRET}\\";,"; detail="{SECRET}", b; fwd=miss; detail="{SECRET}"'
    )
    # The second is read line by line, because another line of its object is broken.
    write(tmp_path, "a.log.gz", said(value, number=1))
    write(tmp_path, "b.log.gz", said(value, number=2), "{broken " + SECRET)
    take(tmp_path)
    assert told() == {"a; hit": 2, "b; fwd=miss": 2}
    assert SECRET not in str(list(UsageDay.objects.values()))


@pytest.mark.django_db
def test_a_line_that_comes_twice_says_it_once(tmp_path):
    write(tmp_path, "a.log.gz", said("a; hit", number=1), said("a; hit", number=2))
    take(tmp_path)
    write(tmp_path, "b.log.gz", said("a; hit", number=2), said("a; hit", number=3))
    take(tmp_path)
    assert told() == {"a; hit": 3}


@pytest.mark.django_db
def test_names_of_caches_are_bounded_and_sums_hold(tmp_path):
    first = [said(f"node-{number}; hit", number=number) for number in range(MOST_CACHES - 1)]
    write(tmp_path, "a.log.gz", *first)
    take(tmp_path)
    more = [said(f"new-{number}; hit", number=100 + number) for number in range(10)]
    write(tmp_path, "b.log.gz", *more, said("node-3; hit", number=200))
    take(tmp_path)
    found = told()
    assert len(found) == MOST_CACHES + 1
    assert found["node-3; hit"] == 2
    assert found["other; hit"] == 9
    assert sum(found.values()) == MOST_CACHES - 1 + 11


@pytest.mark.django_db
def test_merged_subrequests_carry_it_too(tmp_path):
    inner = {"RayID": "abc", "ResponseHeaders": {"cache-status": "a; fwd=miss"}}
    write(tmp_path, "a.log.gz", request(1, Subrequests=[inner]))
    take(tmp_path)
    assert told() == {"a; fwd=miss": 1}


@pytest.mark.django_db
def test_a_sample_is_scaled(tmp_path):
    write(tmp_path, "a.log.gz", said("a; hit", number=1))
    take(tmp_path)
    source = LogObject.objects.get().source
    connection = Connection.objects.create(
        slug="edge", kind="cloudflare_logpush", location=str(tmp_path), created_at=source.created_at
    )
    LogpushSettings.objects.create(connection=connection, sample_rate=Decimal("0.1"))
    source.connection = connection
    source.save()
    write(tmp_path, "b.log.gz", said("a; hit", number=2))
    take(tmp_path)
    assert told() == {"a; hit": 11}
    assert LogSettings(sample_rate=Decimal("0.1")).factor == 10


@pytest.mark.django_db
def test_other_facts_are_the_same_with_and_without_the_header(tmp_path):
    plain = [request(number, CacheCacheStatus=("hit", "miss")[number % 2]) for number in range(9)]
    headed = [{**line, "ResponseHeaders": {"cache-status": "a; hit"}} for line in plain]
    columns = ("hour", "zone", "host", "path_prefix", "cache_status", "script")
    write(tmp_path / "plain", "a.log.gz", *plain)
    take(tmp_path / "plain")
    before = facts(*columns)
    write(tmp_path / "headed", "a.log.gz", *headed)
    take(tmp_path / "headed")
    both = {key: value for key, value in facts(*columns).items() if key[0] not in SAID_METRICS}
    assert both == {key: value * 2 for key, value in before.items()}
