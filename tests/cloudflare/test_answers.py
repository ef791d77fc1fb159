"""What answers say: facts, rows put aside, errors inside HTTP 200."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.core.cloudflare_errors import (
    Trouble,
    refusal_of_errors,
    refusal_of_status,
    skew_problem,
)
from ingestion.core.cloudflare_graphql import (
    AnswerError,
    daily_peaks,
    joined,
    parse_json,
    read_rows,
    rows_of,
)
from ingestion.core.cloudflare_queries import (
    R2_OPERATIONS,
    R2_STORAGE,
    WORKERS,
    ZONE_HTTP,
    Dataset,
    Span,
)
from ingestion.core.cloudflare_rest import read_deployments

DAY = Span(datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC))
ACCOUNT = "a" * 32


def worker_row(**changes: object) -> dict[str, Any]:
    """One group as the documents show it: by second and status."""
    dimensions = {"scriptName": "resizer", "status": "success", "datetime": "2026-11-24T18:10:35Z"}
    sums = {"requests": 4, "errors": 1, "subrequests": 0, "cpuTimeUs": 850}
    row: dict[str, Any] = {
        "dimensions": dimensions,
        "sum": sums,
        "quantiles": {"cpuTimeP50": Decimal("212.5"), "cpuTimeP99": Decimal("261.19")},
    }
    for path, value in changes.items():
        group, name = path.split("__")
        row[group] = {**row[group], name: value}
    return row


def body(rows: list[object], dataset: Dataset = WORKERS) -> dict[str, object]:
    return {"data": {"viewer": {dataset.scope: [{dataset.id: rows}]}}, "errors": None}


def values(rows: list[object], dataset: Dataset = WORKERS) -> dict[str, Decimal]:
    return {fact.metric: fact.quantity for fact in read_rows(rows, dataset, DAY, ACCOUNT).facts}


# --- facts -------------------------------------------------------------------------------------------


def test_groups_of_one_hour_add_up_and_quantiles_are_the_highest():
    late = worker_row(
        dimensions__datetime="2026-11-24T18:59:59Z",
        quantiles__cpuTimeP50=Decimal(900),
        quantiles__cpuTimeP99=Decimal(2),
    )
    found = values([worker_row(), late])
    assert found["worker_requests"] == 8
    assert found["worker_errors"] == 2
    assert found["worker_cpu_us"] == 1700
    assert found["worker_cpu_us_p50"] == 900
    assert found["worker_cpu_us_p99"] == Decimal("261.19")


def test_every_fact_is_marked_as_sampled_and_bears_its_hour_and_account():
    facts = read_rows([worker_row()], WORKERS, DAY, ACCOUNT).facts
    assert {(fact.hour, fact.account, fact.script) for fact in facts} == {
        (datetime(2026, 11, 24, 18, tzinfo=UTC), ACCOUNT, "resizer")
    }
    assert all(fact.is_sampled for fact in facts)


def test_without_a_sum_of_cpu_time_none_is_made_of_the_quantiles():
    row = worker_row()
    del row["sum"]["cpuTimeUs"]
    found = values([row])
    assert "worker_cpu_us" not in found
    assert found["worker_cpu_us_p50"] == Decimal("212.5")


@given(st.integers(0, 10**14), st.decimals(0, 10**9, places=7))
def test_quantities_stay_exact_and_levels_are_rounded_to_four_decimals(cpu, p99):
    text = json.dumps(worker_row(sum__cpuTimeUs=cpu, quantiles__cpuTimeP99=0), default=str)
    row = parse_json(text.replace('"cpuTimeP99": 0', f'"cpuTimeP99": {p99:f}').encode())
    row["quantiles"]["cpuTimeP50"] = 1
    found = values([row])
    assert found["worker_cpu_us"] == cpu
    assert abs(found["worker_cpu_us_p99"] - p99) <= Decimal("0.00005")


def test_r2_operations_count_by_class():
    def row(action: str, status: int, count: int) -> dict[str, object]:
        dimensions = {
            "bucketName": "eu_records",
            "actionType": action,
            "responseStatusCode": status,
            "datetimeHour": "2026-11-24T03:00:00Z",
            "storageClass": "Standard",
        }
        return {"dimensions": dimensions, "sum": {"requests": count}}

    rows = [
        row("PutObject", 200, 10),
        row("PutObject", 412, 3),
        row("PutObject", 403, 100),
        row("GetObject", 200, 7),
        row("GetObject", 401, 100),
        row("DeleteObject", 204, 5),
        row("PutObjectAnew", 200, 1),
    ]
    reading = read_rows(rows, R2_OPERATIONS, DAY, ACCOUNT)
    found = {fact.metric: fact.quantity for fact in reading.facts}
    assert found == {"r2_class_a": 14, "r2_class_b": 7, "r2_free": 205}
    assert {fact.bucket for fact in reading.facts} == {"eu_records"}
    assert reading.notes == (
        "R2 action PutObjectAnew is not in the price list's table; it goes by its name.",
    )


def test_r2_storage_is_the_peak_of_the_day():
    def row(hour: int, size: int) -> dict[str, object]:
        dimensions = {"bucketName": "media", "datetimeHour": f"2026-11-24T{hour:02}:00:00Z"}
        return {"dimensions": dimensions, "max": {"payloadSize": size, "metadataSize": 5}}

    reading = read_rows([row(1, 100), row(9, 700), row(20, 300)], R2_STORAGE, DAY, ACCOUNT)
    (peak,) = daily_peaks(reading.facts)
    assert (peak.hour, peak.quantity) == (DAY.start, Decimal(705))


def test_a_zone_tells_requests_bytes_and_how_coarse_its_sample_is():
    row = {
        "count": 120,
        "sum": {"edgeResponseBytes": 900},
        "avg": {"sampleInterval": Decimal("9.8")},
        "dimensions": {
            "clientRequestHTTPHost": "app.example.com",
            "cacheStatus": "hit",
            "datetimeHour": "2026-11-24T00:00:00Z",
        },
    }
    reading = read_rows([row], ZONE_HTTP, DAY, "b" * 32)
    assert {fact.metric: fact.quantity for fact in reading.facts} == {
        "zone_requests": 120,
        "zone_edge_bytes": 900,
    }
    assert {(f.zone, f.host, f.cache_status) for f in reading.facts} == {
        ("b" * 32, "app.example.com", "hit")
    }
    assert "1 event in 10" in reading.notes[0]


def test_a_sample_interval_without_end_is_not_repeated():
    row = {"avg": {"sampleInterval": Decimal("1E+999999")}}
    assert read_rows([row], ZONE_HTTP, DAY, "b" * 32).notes == ()


# --- rows put aside ----------------------------------------------------------------------------------

BAD: dict[str, object] = {
    "it is no object": "text",
    "it has no scriptName": worker_row(dimensions__scriptName=None),
    "its requests is no number": worker_row(sum__requests="12"),
    "its errors is no number": worker_row(sum__errors=None),
    "its requests is negative": worker_row(sum__requests=-1),
    "its requests is too large": worker_row(sum__requests=10**16),
    "its cpuTimeP99 is too large": worker_row(quantiles__cpuTimeP99=10**60),
    "its time 'yesterday' is no time": worker_row(dimensions__datetime="yesterday"),
    "its time 2086-11-24 18:10 lies outside the window asked for": worker_row(
        dimensions__datetime="2086-11-24T18:10:35Z"
    ),
    "its time 2026-11-25 00:00 lies outside the window asked for": worker_row(
        dimensions__datetime="2026-11-25T00:00:00Z"
    ),
    "its scriptName is no name": worker_row(dimensions__scriptName="a\0b"),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_row_is_put_aside_with_its_place_and_reason(reason):
    reading = read_rows([worker_row(), BAD[reason], worker_row()], WORKERS, DAY, ACCOUNT)
    assert [(aside.place, aside.reason) for aside in reading.asides] == [
        ("workersInvocationsAdaptive row 2", reason)
    ]
    assert reading.rows == 3
    assert {f.metric: f.quantity for f in reading.facts}["worker_requests"] == 8


@given(st.lists(st.sampled_from([worker_row(), *BAD.values()])))
def test_every_row_is_either_read_or_put_aside(rows):
    reading = read_rows(rows, WORKERS, DAY, ACCOUNT)
    good = sum(row == worker_row() for row in rows)
    assert reading.rows == len(rows)
    assert len(reading.asides) == len(rows) - good
    counted = [fact.quantity for fact in reading.facts if fact.metric == "worker_requests"]
    assert sum(counted) == 4 * good


@given(st.lists(st.integers(0, 23), max_size=12), st.integers(0, 12))
def test_a_window_read_in_parts_gives_what_it_gives_at_once(hours, cut):
    rows = [worker_row(dimensions__datetime=f"2026-11-24T{hour:02}:30:00Z") for hour in hours]
    parts = [read_rows(rows[:cut], WORKERS, DAY, ACCOUNT)]
    parts.append(read_rows(rows[cut:], WORKERS, DAY, ACCOUNT))
    assert set(joined(parts).facts) == set(read_rows(rows, WORKERS, DAY, ACCOUNT).facts)


# --- errors ------------------------------------------------------------------------------------------


def trouble_of(answer: object, dataset: Dataset = WORKERS) -> Trouble:
    with pytest.raises(AnswerError) as caught:
        rows_of(answer, dataset)
    return caught.value.refusal.trouble


def test_data_beside_errors_are_not_taken_as_whole():
    partial = {**body([worker_row()]), "errors": [{"message": "internal server error"}]}
    assert trouble_of(partial) is Trouble.DOWN
    assert rows_of(body([worker_row()]), WORKERS) == [worker_row()]


@pytest.mark.parametrize(
    ("message", "trouble"),
    [
        ("cannot request data older than 2678400s", Trouble.RANGE),
        ("query time range is too large: wider than 86400s", Trouble.RANGE),
        ("rate limiter budget depleted, try again after 5 minutes", Trouble.BUSY),
        ("Authentication error", Trouble.TOKEN),
        ("account does not have access to the path", Trouble.FORBIDDEN),
        ("not authorized for that account", Trouble.FORBIDDEN),
        ('unknown field "cpuTimeUs"', Trouble.SCHEMA),
        ("Cannot query field 'cpuTimeUs' on type 'Sum'.", Trouble.SCHEMA),
        ("Internal server error", Trouble.DOWN),
        ("something nobody has seen", Trouble.OTHER),
    ],
)
def test_errors_inside_http_200_are_understood(message, trouble):
    assert refusal_of_errors([{"message": message}]).trouble is trouble


def test_an_error_names_the_unknown_fields_and_how_long_to_wait():
    refusal = refusal_of_errors(
        [{"message": 'unknown field "a"'}, {"message": "Cannot query field 'b' on type 'C'"}]
    )
    assert refusal.unknown == ("a", "b")
    busy = refusal_of_errors([{"message": "budget depleted, try again after 5 minutes"}])
    assert busy.wait == timedelta(minutes=5)
    assert busy.passes


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"data": None},
        {"data": {"viewer": None}},
        {"data": {"viewer": {"accounts": "none"}}},
        {"data": {"viewer": {"accounts": [7]}}},
        {"data": {"viewer": {"accounts": [{"workersInvocationsAdaptive": None}]}}},
        {"data": {"viewer": {"accounts": [{}]}}},
    ],
)
def test_an_answer_of_another_form_is_no_empty_reading(answer):
    assert trouble_of(answer) in {Trouble.SCHEMA, Trouble.OTHER}


def test_an_account_that_is_not_there_is_no_empty_reading():
    assert trouble_of({"data": {"viewer": {"accounts": []}}}) is Trouble.MISSING


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (400, Trouble.OTHER),
        (401, Trouble.TOKEN),
        (403, Trouble.FORBIDDEN),
        (404, Trouble.MISSING),
        (429, Trouble.BUSY),
        (500, Trouble.DOWN),
        (503, Trouble.DOWN),
    ],
)
def test_a_status_says_what_kind_of_trouble_it_is(status, trouble):
    assert refusal_of_status(status, None).trouble is trouble


def test_retry_after_is_read_as_seconds_and_as_a_date():
    now = datetime(2026, 11, 25, 10, tzinfo=UTC)
    assert refusal_of_status(429, None, "90", now).wait == timedelta(seconds=90)
    date = "Wed, 25 Nov 2026 10:02:00 GMT"
    assert refusal_of_status(503, None, date, now).wait == timedelta(minutes=2)
    assert refusal_of_status(429, None, "soon", now).wait is None


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"a": NaN}', b"\xff", b'{"a": Infinity}'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)


def test_a_clock_that_stands_wrong_is_one_sentence():
    assert skew_problem(timedelta(minutes=9)) == ""
    assert skew_problem(None) == ""
    assert skew_problem(timedelta(hours=-26)) == (
        "This machine's clock is 1,560 minutes ahead of Cloudflare's: set it; nothing was read."
    )
    assert "behind Cloudflare's" in skew_problem(timedelta(hours=1))


# --- deployments -------------------------------------------------------------------------------------


def test_deployments_are_read_and_those_of_the_far_future_put_aside():
    now = datetime(2026, 11, 25, 10, tzinfo=UTC)
    good = {
        "id": "dc78f0bc-05c5-46b7-bb4e-137f55930378",
        "created_on": "2026-11-20T17:19:29.176266Z",
        "source": "api",
        "author_email": "someone@example.com",
        "strategy": "percentage",
        "versions": [{"version_id": "v", "percentage": 100}],
        "annotations": {"workers/message": "Deploy bug fix."},
    }
    listed = [good, {**good, "created_on": "2086-01-01T00:00:00Z"}, {**good, "id": None}, 7]
    answer = {"success": True, "result": {"deployments": listed}}
    found, asides = read_deployments(answer, account=ACCOUNT, script="resizer", now=now)
    assert [(one.message, one.source, one.versions) for one in found] == [
        ("Deploy bug fix.", "api", (("v", "100"),))
    ]
    assert [aside.reason for aside in asides] == [
        "its time 2086-01-01 00:00 lies in the future",
        "it has no id",
        "it is no object",
    ]


@pytest.mark.parametrize("answer", [None, {"success": False}, {"success": True, "result": {}}])
def test_an_envelope_without_success_or_list_is_an_error(answer):
    now = datetime(2026, 11, 25, 10, tzinfo=UTC)
    with pytest.raises(AnswerError):
        read_deployments(answer, account=ACCOUNT, script="resizer", now=now)
