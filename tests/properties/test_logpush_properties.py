"""Logs in any order, split, doubled and delivered again under other keys give the same totals."""

from __future__ import annotations

import json
import random
import shutil
import string
import tempfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.conf import settings
from hypothesis import example, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from ingestion import usage_taking
from ingestion.core.logpush_lines import Bounds, LineError, sound_line
from ingestion.core.path_prefix import MASK, path_prefix
from ingestion.models import Source
from ingestion.usage_models import LogDay, LogObject, PastObjects, UsageDay, UsageLoad
from tests.log_objects import START, facts, request, take, write

lines = st.builds(
    lambda number, seconds, path, status, host, size, sub: request(
        number,
        seconds=seconds,
        ClientRequestPath=path,
        ClientRequestHost=host,
        CacheCacheStatus=status,
        EdgeResponseBytes=size,
        CacheResponseBytes=size // 2,
        OriginResponseStatus=200 if status == "miss" else 0,
        WorkerSubrequest=sub,
        ClientRequestSource="edgeWorkerFetch" if sub else "eyeball",
    ),
    number=st.integers(0, 30),
    seconds=st.sampled_from([0, 1, 3599, 3600, 90_000]),
    path=st.sampled_from(["/a/b", "/a/c/d", "/user/17", "/"]),
    status=st.sampled_from(["hit", "miss", "unknown"]),
    host=st.sampled_from(["acme.example.com", "globex.example.com"]),
    size=st.integers(0, 10**9),
    sub=st.booleans(),
)


def identity(line: dict[str, Any]) -> tuple[Any, ...]:
    names = ("RayID", "EdgeStartTimestamp", "ClientRequestURI", "WorkerSubrequest")
    return tuple(line[name] for name in names)


def one_of_each(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({identity(line): line for line in found}.values())


def clear() -> None:
    for model in (LogObject, PastObjects, LogDay, UsageDay, UsageLoad, Source):
        model.objects.all().delete()
    shutil.rmtree(settings.LAKE_DIR, ignore_errors=True)
    settings.LAKE_DIR.mkdir()


def taken(objects: list[list[dict[str, Any]]], looks: int) -> tuple[Any, ...]:
    """What readers see after these objects came in so many looks."""
    clear()
    with tempfile.TemporaryDirectory() as folder:
        for number, lines in enumerate(objects):
            write(Path(folder), f"{number}.log.gz", *lines)
            if number % looks == 0:
                take(Path(folder))
        take(Path(folder))
    dimensions = ("hour", "zone", "host", "path_prefix", "cache_status", "script")
    days = UsageDay.objects.values_list("day", "host", "cache_status", "metric", "quantity")
    return facts(*dimensions), set(days), set(LogDay.objects.values_list("day", "lines"))


@pytest.mark.django_db
@with_settings(max_examples=15)
@given(
    found=st.lists(lines, min_size=1, max_size=12).map(one_of_each),
    cuts=st.lists(st.integers(0, 12), max_size=3),
    again=st.lists(st.integers(0, 11), max_size=6),
    pace=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    order=st.randoms(use_true_random=False),
)
def test_order_splits_doubles_and_other_keys_change_nothing(found, cuts, again, pace, order):
    expected = taken([found], 1)
    mixed = [*found, *(found[place % len(found)] for place in again)]
    order.shuffle(mixed)
    places = sorted({min(cut, len(mixed)) for cut in cuts} | {0, len(mixed)})
    objects = [mixed[a:b] for a, b in pairwise(places)]
    objects.append(found[: len(found) // 2])
    looks, at_once = pace
    most = usage_taking.MOST_OBJECTS
    usage_taking.MOST_OBJECTS = at_once
    try:
        assert taken(objects, looks) == expected
    finally:
        usage_taking.MOST_OBJECTS = most


@given(st.text(max_size=120), st.integers(1, 4))
@example("/a/../b/%2e%2e/c", 4)
@example("//x//9f86d081884c7d65?y=1", 2)
@example("/u/alice%40example.org", 2)
def test_a_prefix_is_short_plain_and_its_own_prefix(path, depth):
    prefix = path_prefix(path, depth)
    assert prefix.startswith("/")
    assert prefix.count("/") <= depth
    assert not set(prefix) & set("@?#;=\n\0")
    assert path_prefix(prefix, depth) == prefix
    assert len(prefix) <= depth * 60


ALPHABETS = {
    "base62": string.ascii_letters + string.digits,
    "base64url": string.ascii_letters + string.digits + "-_",
    "base32": string.ascii_uppercase + "234567",
    "base32 in lower case": string.ascii_lowercase + "234567",
    "hex": "0123456789abcdef",
    "digits": string.digits,
}


@pytest.mark.parametrize("name", ALPHABETS)
@with_settings(max_examples=2, deadline=None)
@given(length=st.integers(10, 48), seed=st.integers(0, 2**32))
@example(length=10, seed=1)
@example(length=11, seed=2)
@example(length=16, seed=3)
def test_of_random_tokens_hardly_one_is_kept(name, length, seed):
    chance, number = random.Random(seed), 2000
    tokens = ("".join(chance.choices(ALPHABETS[name], k=length)) for _ in range(number))
    kept = [token for token in tokens if token in path_prefix(f"/d/{token}", 2)]
    assert len(kept) <= (0.01 if length < 12 else 0.005) * number, kept[:5]


@pytest.mark.parametrize(
    "path",
    [
        "/lookup/203.0.113.77",
        "/ip/2001:db8::1",
        "/ip/2001%3Adb8%3A%3A1",
        "/u/alice%40example.com",
        "/tel/555-123-456",
        "/ssn/123-45-6789",
        "/d/abc12-def34",
        "/d/aBcDeFgHiJkLmN4p",
        "/s/qWeRtYuIoPaSdFgH",
        "/s3/Xk9-pQ2_Lm4",
        "/files/report_a1b2c3d_x.pdf",
        "/dl/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqb2UifQ.sig",
        "/AKIAIOSFODNN7EXAMPLE/x",
        "/x/a{id}7Kq9S3cret",
        "/x/abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_what_names_a_person_or_opens_a_door_is_masked(path):
    secret = max(unquote(path).split("/"), key=len).partition(".pdf")[0]
    assert secret not in path_prefix(path, 3)
    assert MASK in path_prefix(path, 3)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v2",
        "/images/logo.png",
        "/img/checkout-page.webp",
        "/assets/main.css",
        "/en-US/products",
        "/Products/Overview.aspx",
        "/static/fonts.woff2",
        "/video/playlist.m3u8",
        "/checkout/thank-you",
        "/blog/how-to-cache",
        "/.well-known/security.txt",
        "/wp-content/uploads",
        "/API/STATUS",
        "/account/settings",
        "/search/results",
        "/background/subscription",
        "/documentation/configuration",
        "/administration/international",
        "/page/12",
        "/übersicht/warenkorb",
    ],
)
def test_ordinary_words_stay_readable(path):
    assert path_prefix(path, 3) == path


@given(
    st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode(errors="replace"))
)
def test_any_text_is_a_sound_line_a_blank_one_or_put_aside(text):
    with suppress(LineError):
        found = sound_line(text, Bounds(latest=START))
        assert found is None or json.loads(found)["RayID"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.django_db
@with_settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from([name for name in request() if name != "ClientIP"] + ["Subrequests"]),
        JSON,
        max_size=3,
    )
)
def test_the_quick_reader_takes_what_the_strict_one_takes(changes):
    """A line with any value in any field: alone (read quickly) and beside a broken one (read strictly)."""
    seen = []
    for more in ([], ["no json"]):
        clear()
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), "a.log", request(1, **changes), request(2), *more)
            take(Path(folder))
        row = LogObject.objects.get()
        assert row.state == "loaded", row.reason
        seen.append(
            (
                facts("host", "path_prefix", "cache_status"),
                row.lines - len(more),
                row.rejected - len(more),
            )
        )
    assert seen[0] == seen[1]
