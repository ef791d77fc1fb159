"""What the cache did: ratios, causes, changes of meaning, and RFC 9211's words for it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.core.periods import Window
from ingestion.core.cache_status import (
    CAUSES,
    SERVED,
    CacheHop,
    CacheStatusError,
    cache_ratios,
    cause,
    crosses_change,
    parse_cache_status,
)
from ingestion.core.logpush import LogSettings
from ingestion.core.watermark import complete_through, keys_may_go, watermark
from ingestion.log_selectors import cache_analysis
from tests.log_objects import request, take, write

STATUSES = [*CAUSES, "none", "", "HIT"]
amounts = st.dictionaries(st.sampled_from(STATUSES), st.integers(0, 10**15).map(Decimal))


def test_unknown_is_no_part_of_the_hit_ratio():
    found = cache_ratios(
        {
            "hit": Decimal(5),
            "stale": Decimal(1),
            "updating": Decimal(1),
            "revalidated": Decimal(1),
            "stream_hit": Decimal(1),
            "miss": Decimal(6),
            "bypass": Decimal(3),
            "unknown": Decimal(1000),
            "none": Decimal(1),
        }
    )
    assert (found.hit, found.bypass) == (Decimal("0.5"), Decimal("0.1666666667"))
    assert (found.looked_up, found.unknown) == (18, 1001)


def test_without_a_lookup_there_is_no_ratio():
    assert cache_ratios({"unknown": Decimal(3)}).hit is None


@given(amounts)
def test_ratios_are_shares_and_nothing_is_lost(by_status):
    found = cache_ratios(by_status)
    assert found.looked_up + found.unknown == sum(by_status.values())
    for share in (found.hit, found.bypass):
        assert share is None or 0 <= share <= 1


def test_every_status_has_a_cause():
    assert all(cause(status) for status in STATUSES)
    assert set(CAUSES) >= SERVED
    assert cause("brand_new") == "Cloudflare says brand_new"


@pytest.mark.parametrize(
    ("start", "end", "crossed"),
    [
        ("2026-02-01", "2026-03-01", [2]),
        ("2026-02-26", "2026-05-26", []),
        ("2026-05-25", "2026-05-27", [5]),
        ("2026-01-01", "2026-12-01", [2, 5]),
        ("2026-06-01", "2026-07-01", []),
    ],
)
def test_a_change_of_meaning_is_named_where_a_window_reaches_across_it(start, end, crossed):
    first, last = (datetime.fromisoformat(f"{day}T00:00:00Z") for day in (start, end))
    changes = crosses_change(first, last)
    assert [change.on.month for change in changes] == crossed
    assert all(change.source.startswith("https://developers.cloudflare.com/") for change in changes)


@pytest.mark.django_db
def test_the_analysis_of_a_window_counts_subrequests_and_names_the_changes(tmp_path):
    write(
        tmp_path / "logs",
        "a.log",
        request(1, CacheCacheStatus="unknown", WorkerSubrequestCount=1, WorkerScriptName="w"),
        request(2, CacheCacheStatus="hit", ClientRequestSource="edgeWorkerFetch"),
        request(3, CacheCacheStatus="bypass", ClientRequestHost="other.example.com"),
    )
    take(tmp_path / "logs")
    window = Window(date(2026, 4, 1), date(2026, 6, 1))
    found = cache_analysis(window)
    assert (found.requests.hit, found.requests.bypass) == (Decimal("0.5"), Decimal("0.5"))
    assert [change.on.month for change in found.changes] == [5]
    assert cache_analysis(window, host="acme.assets.example.com").requests.hit == 1


# --- RFC 9211 ----------------------------------------------------------------------------------------


def test_a_cache_status_of_several_caches_is_read():
    assert parse_cache_status(
        'OriginCache; hit; ttl=1100, "CDN Company Here"; fwd=uri-miss; fwd-status=304; stored; '
        'collapsed=?0; detail=expired; key="/a"; x-own=1'
    ) == (
        CacheHop("OriginCache", hit=True, ttl=1100),
        CacheHop(
            "CDN Company Here",
            forwarded="uri-miss",
            forward_status=304,
            stored=True,
            detail="expired",
            key="/a",
        ),
    )
    assert parse_cache_status("") == ()
    assert parse_cache_status("Stale; hit; ttl=-412")[0].ttl == -412


@pytest.mark.parametrize("value", ["a;;", "é", "HIT, ,", "(a b)", "1", "?1", ":aGk=:"])
def test_what_is_no_cache_status_is_refused_with_a_sentence(value):
    with pytest.raises(CacheStatusError, match=r"^This is no Cache-Status value"):
        parse_cache_status(value)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        hops = parse_cache_status(text)
    except CacheStatusError:
        return
    assert all(isinstance(hop.cache, str) for hop in hops)


# --- the watermark -----------------------------------------------------------------------------------

moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001  # made aware
    lambda moment: moment.replace(tzinfo=UTC)
)


@given(moments, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_an_hour_is_complete_exactly_when_the_watermark_has_passed_its_end(newest, lateness):
    mark = watermark(newest, lateness)
    through = complete_through(mark)
    assert mark is not None
    assert through is not None
    # That hour's end has been passed, the next one's has not.
    assert through <= mark < through + timedelta(hours=1)
    assert newest - through >= lateness


def test_before_the_first_event_nothing_is_complete():
    assert watermark(None) is None
    assert complete_through(None) is None


def test_keys_go_when_the_log_went_on_and_they_have_lain():
    end, kept = datetime(2026, 4, 21, tzinfo=UTC), timedelta(hours=48)
    after = end + kept
    assert keys_may_go(end, after, end, after, kept)
    assert not keys_may_go(end, after - timedelta(seconds=1), end, after, kept)
    assert not keys_may_go(end, after, end + timedelta(seconds=1), after, kept)


@given(
    st.lists(st.integers(0, 10**12), max_size=20),
    st.integers(1, 10**6).map(lambda millionths: Decimal(millionths).scaleb(-6)),
    st.integers(0, 20),
)
def test_scaling_is_the_same_however_sums_are_split(sums, rate, cut):
    factor = LogSettings(sample_rate=rate).factor
    assert sum(sums[:cut]) * factor + sum(sums[cut:]) * factor == sum(sums) * factor
    assert abs(factor * rate - 1) < Decimal("1e-11")
