"""R2's classes and averages, and CPU per request with its deployments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.core.r2 import operation_metric, stored_byte_months
from ingestion.core.usage import METRICS, UsageFact
from ingestion.core.worker_cpu import (
    Marker,
    change_at,
    cpu_series,
    largest_change,
    per_request,
)

START = datetime(2026, 11, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("action", "status", "metric"),
    [
        ("ListObjects", 200, "r2_class_a"),
        ("CreateMultipartUpload", 200, "r2_class_a"),
        ("ListParts", 200, "r2_class_a"),
        ("HeadObject", 404, "r2_class_b"),
        ("UsageSummary", 200, "r2_class_b"),
        ("GetBucketCors", 200, "r2_class_b"),
        ("PutBucketCors", 200, "r2_class_a"),
        ("AbortMultipartUpload", 204, "r2_free"),
        ("PutObject", 401, "r2_free"),
        ("PutObject", 400, "r2_class_a"),
        ("PutObject", 412, "r2_class_a"),
        ("GetSomethingNew", 200, "r2_class_b"),
        ("DeleteSomethingNew", 200, "r2_free"),
        ("SomethingNew", 200, "r2_class_a"),
    ],
)
def test_an_operation_has_one_class(action, status, metric):
    assert operation_metric(action, status) == metric
    assert metric in METRICS


def stored(day: datetime, size: int, bucket: str = "media") -> UsageFact:
    return UsageFact(day, "r2_stored_bytes", Decimal(size), bucket=bucket, storage_class="Standard")


def test_storage_counts_as_the_mean_of_the_peaks_of_all_days_of_the_month():
    facts = [stored(START, 300), stored(START + 5 * HOUR, 600), stored(START + 24 * HOUR, 900)]
    assert stored_byte_months(facts) == {(date(2026, 11, 1), "media", "Standard"): Decimal(50)}


@given(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 10**14)), max_size=40))
def test_a_month_never_counts_more_than_its_highest_peak(days):
    facts = [stored(START.replace(day=1) + timedelta(days=day), size) for day, size in days]
    for mean in stored_byte_months(facts).values():
        assert 0 <= mean <= max(size for _, size in days)


def hours(script: str, figures: Sequence[tuple[int, int | None]]) -> list[UsageFact]:
    """Facts of an hour each: requests and CPU."""
    found = []
    for number, (requests, cpu) in enumerate(figures):
        moment = START + number * HOUR
        found.append(UsageFact(moment, "worker_requests", Decimal(requests), script=script))
        if cpu is not None:
            found.append(UsageFact(moment, "worker_cpu_us", Decimal(cpu), script=script))
    return found


def test_cpu_per_request_is_the_sum_by_the_requests_of_each_hour():
    series = cpu_series(hours("a", [(4, 10), (0, 0), (5, None)]))
    assert [(point.per_request, point.reason) for point in series["a"]] == [
        (Decimal("2.5"), ""),
        (None, "no request in this time"),
        (None, "Cloudflare gave no sum of CPU time"),
    ]


def test_over_more_time_sums_are_divided_not_means_averaged():
    points = cpu_series(hours("a", [(1, 100), (99, 99)]))["a"]
    assert per_request(points) == Decimal("1.99")
    assert [p.per_request for p in cpu_series(hours("a", [(1, 100), (99, 99)]), "day")["a"]] == [
        Decimal("1.99")
    ]


def test_quantiles_never_change_the_cpu_that_is_counted():
    plain = hours("a", [(4, 10)])
    quantile = UsageFact(START, "worker_cpu_us_p99", Decimal(10**6), script="a")
    with_it = cpu_series([*plain, quantile])["a"][0]
    assert with_it.per_request == cpu_series(plain)["a"][0].per_request
    assert with_it.p99 == 10**6


def test_scripts_stand_by_their_cpu_time_the_most_first():
    assert list(cpu_series(hours("a", [(1, 5)]) + hours("b", [(1, 9)]))) == ["b", "a"]


def test_a_deployment_is_compared_without_the_hour_that_holds_it():
    series = cpu_series(hours("a", [(10, 100), (10, 100), (10, 999), (10, 300), (10, 300)]))
    marker = Marker("a", START + 2 * HOUR + timedelta(minutes=20))
    change = change_at(series["a"], marker, timedelta(days=1))
    assert change is not None
    assert (change.before, change.after, change.times) == (10, 30, 3)


def test_a_later_deployment_ends_the_time_after_an_earlier_one():
    figures = [(10, 100)] * 3 + [(10, 200)] * 3 + [(10, 900)] * 3
    series = cpu_series(hours("a", figures))
    markers = [Marker("a", START + 3 * HOUR), Marker("a", START + 6 * HOUR)]
    first = change_at(series["a"], markers[0], timedelta(days=1), markers[1].moment)
    assert first is not None
    assert first.times == 2
    worst = largest_change(series, markers, timedelta(days=1))
    assert worst is not None
    assert worst.marker == markers[1]


@pytest.mark.parametrize(
    ("figures", "deployed", "times"),
    [
        ([400] * 4 + [100] * 2 + [150] * 4, [(4, 0), (6, 0)], "1.5"),
        # The hours that hold a deployment hold two versions.
        ([400] * 4 + [900] + [100] * 2 + [900] + [150] * 4, [(4, 20), (7, 20)], "1.5"),
        # A version that served for no whole hour is no time before.
        ([100] * 4 + [900] * 2 + [150] * 4, [(4, 40), (5, 20)], "1.5"),
    ],
)
def test_the_time_before_is_that_of_the_version_before(figures, deployed, times):
    series = cpu_series(hours("a", [(1, cpu) for cpu in figures]))
    markers = [Marker("a", START + hour * HOUR + timedelta(minutes=m)) for hour, m in deployed]
    rise = largest_change(series, markers, timedelta(days=2))
    assert rise is not None
    assert (rise.marker, rise.times) == (markers[1], Decimal(times))


def test_without_requests_on_one_side_nothing_is_said():
    series = cpu_series(hours("a", [(0, 0), (0, 0), (10, 300)]))
    assert change_at(series["a"], Marker("a", START + 2 * HOUR), timedelta(days=1)) is None
    assert largest_change(series, [], timedelta(days=1)) is None
    assert change_at([], Marker("a", START), timedelta(days=1)) is None


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**14)), min_size=1, max_size=30))
def test_no_cpu_time_is_lost_or_doubled_in_a_series(figures):
    for step in ("hour", "day"):
        points = cpu_series(hours("a", figures), step)["a"]
        assert sum(point.cpu_us or 0 for point in points) == sum(cpu for _, cpu in figures)
        assert sum(point.requests for point in points) == sum(count for count, _ in figures)
