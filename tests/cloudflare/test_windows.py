"""What is asked: windows without gap or overlap, limits honoured, queries that the schema takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from graphql import parse, validate
from hypothesis import given
from hypothesis import strategies as st

from ingestion.core.cloudflare_queries import (
    ACCOUNTS,
    DATASETS,
    SHORTEST_WINDOW,
    WORKERS,
    ZONES,
    Limits,
    Span,
    days_to_read,
    fitted,
    is_kept,
    pieces,
    query_text,
    read_limits,
    settings_text,
    whole_days,
)
from simulator.cloudflare_schema import schema

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
moments = st.integers(1_577_836_800, 1_893_456_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
lengths = st.integers(1, 20 * 86_400).map(lambda seconds: timedelta(seconds=seconds))


def covers(spans: list[Span], whole: Span) -> None:
    """The spans lie end to end over the whole."""
    assert (spans[0].start, spans[-1].end) == (whole.start, whole.end)
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert all(span.start < span.end for span in spans)


@given(moments, lengths, lengths)
def test_pieces_cover_the_window_and_none_is_longer_than_allowed(start, length, longest):
    span = Span(start, start + length)
    found = list(pieces(span, Limits(longest=max(longest, timedelta(hours=6)))))
    covers(found, span)
    assert all(each.end - each.start <= max(longest, timedelta(hours=6)) for each in found)


@given(moments, lengths)
def test_halves_cover_the_window_down_to_the_shortest_one(start, length):
    span = Span(start, start + length)
    halves = span.halves()
    if length <= SHORTEST_WINDOW:
        assert halves is None
        return
    assert halves is not None
    covers(list(halves), span)


@given(moments, lengths)
def test_days_cover_from_midnight_on_and_none_holds_two_dates(start, length):
    found = whole_days(Span(start, start + length))
    covers(found, Span(start.replace(hour=0, minute=0, second=0), start + length))
    assert all(span.end - span.start <= timedelta(days=1) for span in found)


def test_each_look_reads_the_days_again_whose_figures_may_still_change():
    def days(now: datetime, through: datetime | None) -> list[str]:
        found = days_to_read(
            now, through=through, reread=timedelta(hours=6), first=timedelta(days=2)
        )
        assert found[-1].end == now
        return [f"{span.start:%d}" for span in found]

    assert days(NOW, NOW - timedelta(hours=1)) == ["25"]
    assert days(NOW.replace(hour=3), NOW.replace(hour=2)) == ["24", "25"]
    assert days(NOW, NOW - timedelta(days=3)) == ["22", "23", "24", "25"]
    assert days(NOW, None) == ["23", "24", "25"]


def test_limits_of_the_settings_node_are_read_and_nonsense_stays_at_the_defaults():
    node = {
        WORKERS.id: {
            "enabled": False,
            "maxDuration": 259200,
            "notOlderThan": 7776000,
            "maxPageSize": 500,
            "maxNumberOfFields": "many",
        },
        "r2StorageAdaptiveGroups": None,
    }
    found = read_limits(node)
    assert list(found) == [WORKERS.id]
    limits = found[WORKERS.id]
    assert (limits.enabled, limits.longest, limits.page) == (False, timedelta(days=3), 500)
    assert limits.oldest == timedelta(days=90)
    assert limits.fields == Limits().fields
    huge = read_limits({WORKERS.id: {"maxDuration": 10**30, "maxPageSize": -1}})[WORKERS.id]
    assert huge.longest > timedelta(days=365)
    assert huge.page == Limits().page


def test_a_day_that_the_api_half_forgot_is_not_kept_whole():
    limits = Limits(oldest=timedelta(days=31))
    day = NOW.replace(hour=0, minute=0) - timedelta(days=30)
    assert is_kept(Span(day, day + timedelta(days=1)), limits, NOW)
    before = day - timedelta(days=1)
    assert not is_kept(Span(before, day), limits, NOW)


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.id)
def test_the_schema_takes_every_query_and_every_smaller_form_of_it(dataset):
    forms = [dataset]
    for path in dataset.optional:
        smaller = dataset.without([path.rpartition(".")[2]])
        assert smaller is not None
        assert path not in smaller.fields
        forms.append(smaller)
    for form in forms:
        assert validate(schema(), parse(query_text(form, 100))) == []


@pytest.mark.parametrize("scope", [ACCOUNTS, ZONES])
def test_the_schema_takes_the_query_for_limits(scope):
    assert validate(schema(), parse(settings_text(scope))) == []


def test_what_a_dataset_needs_cannot_be_left_out():
    assert WORKERS.without(["requests"]) is None
    assert WORKERS.without(["cpuTimeUs", "scriptName"]) is None
    assert WORKERS.without(["somethingElse"]) is None
    moment = WORKERS.without(["datetimeHour"])
    assert moment is not None
    assert "dimensions.datetime" in moment.fields


def test_a_plan_with_few_fields_loses_optional_ones_only():
    small = fitted(WORKERS, Limits(fields=6))
    assert small is not None
    assert len(small.fields) == 6
    assert {"sum.requests", "sum.errors", "dimensions.scriptName"} <= set(small.fields)
    assert fitted(WORKERS, Limits(fields=2)) is None
    assert fitted(WORKERS, Limits()) == WORKERS
