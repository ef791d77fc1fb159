"""Every way an API can fail: one sentence, right counters, nothing else disturbed."""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from finops import clock
from finops.logs import RedactingJsonFormatter
from ingestion.cloudflare.client import LONGEST_WAIT, TRIES
from ingestion.cloudflare_models import UsageCheck
from ingestion.models import Connection, Source
from simulator.cloudflare_api import Fault
from tests.cloudflare.conftest import ACCOUNT, NOW, OTHER_ZONE, TOKEN, VARIABLE, ZONE
from tests.cloudflare.looks import look, newest, problem, stored

pytestmark = pytest.mark.django_db


def graphql(message: str, data: object = None) -> dict[str, object]:
    return {"data": data, "errors": [{"message": message, "path": None}]}


def test_429_waits_as_long_as_was_asked_and_goes_on(connection, api, no_waiting):
    api.behaviour.faults += [
        Fault(429, {}, {"Retry-After": "7"}),
        Fault(200, graphql("rate limiter budget depleted, try again after 5 minutes")),
    ]
    assert {o.status for o in look(connection).outcomes} == {"loaded"}
    assert 7 <= no_waiting[0] < 9.1
    assert 300 <= no_waiting[1] < 302.1
    assert max(no_waiting) <= LONGEST_WAIT.total_seconds() + 2


def test_5xx_is_tried_again_with_longer_waits(connection, api, no_waiting):
    api.behaviour.faults += [Fault(503, b"down"), Fault(502, {}), Fault(500, {})]
    assert {o.status for o in look(connection).outcomes} == {"loaded"}
    assert len(no_waiting) == 3
    assert 1 <= no_waiting[0] <= 3
    assert no_waiting[2] >= 4


def test_an_api_that_stays_down_is_one_sentence_and_the_next_look_goes_on(connection, api):
    look(connection)
    before = stored()
    api.behaviour.faults += [Fault(503, {}) for _ in range(TRIES)]
    report = look(connection)
    assert [(o.status, o.final) for o in report.outcomes] == [("failed", False)]
    assert problem(connection) == (
        "Cloudflare's API cannot be reached; the next look tries again (it says: HTTP 503)."
    )
    assert stored() == before
    look(connection)
    assert problem(connection) == ""


def test_nobody_listening_is_one_sentence(connection, api):
    Connection.objects.filter(pk=connection.pk).update(location="http://127.0.0.1:9/client/v4")
    look(connection)
    assert problem(connection).startswith("Cloudflare's API cannot be reached")


def test_an_error_inside_http_200_beside_data_takes_nothing(connection, api):
    look(connection)
    before = stored()
    data: dict[str, Any] = {"viewer": {"accounts": [{"workersInvocationsAdaptive": []}]}}
    api.behaviour.faults.append(
        Fault(200, graphql("number of fields cannot be more than 3", data), match="scriptName")
    )
    failed = [o for o in look(connection).outcomes if o.status == "failed"]
    assert "number of fields cannot be more than 3" in failed[0].sentence
    assert stored() == before


def test_an_expired_token_is_one_sentence_and_ends_the_look(connection, api):
    api.behaviour.token = "another"
    report = look(connection)
    assert [(o.status, o.final) for o in report.outcomes] == [("failed", True)]
    assert problem(connection) == (
        "Cloudflare does not accept the token; make a new one and set it in the environment "
        "(it says: Authentication error)."
    )
    assert len(api.behaviour.asked) == 1


def test_a_missing_variable_is_named(connection, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    look(connection)
    assert problem(connection) == (
        f"The environment variable {VARIABLE} is not set: put the Cloudflare API token there."
    )


def test_a_clock_that_stands_wrong_reads_nothing(connection, api, monkeypatch):
    look(connection)
    before = stored()
    api.behaviour.clock = lambda: NOW
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=20_000))
    look(connection)
    assert "minutes ahead of Cloudflare's: set it; nothing was read." in problem(connection)
    assert stored() == before


def test_waiting_for_the_limit_of_calls_is_no_wrong_clock(connection, api, monkeypatch):
    moments = [NOW]
    monkeypatch.setattr(clock, "now", lambda: moments[-1])

    def wait(seconds: float, _progress: object) -> None:
        moments.append(moments[-1] + timedelta(seconds=seconds))

    monkeypatch.setattr("ingestion.cloudflare.collect.wait", wait)
    busy = Fault(200, graphql("rate limiter budget depleted, try again after 5 minutes"))
    api.behaviour.faults += [busy] * 3
    assert {o.status for o in look(connection).outcomes} == {"loaded"}
    assert moments[-1] >= NOW + timedelta(minutes=15)
    assert problem(connection) == ""


def test_far_future_rows_are_put_aside_and_counted(connection, api):
    row: dict[str, Any] = {
        "dimensions": {"scriptName": "edge-router", "datetimeHour": "2086-11-25T00:00:00Z"},
        "sum": {"requests": 1, "errors": 0},
        "quantiles": {},
    }
    good = {**row, "dimensions": {**row["dimensions"], "datetimeHour": "2026-11-25T03:00:00Z"}}
    data = {"viewer": {"accounts": [{"workersInvocationsAdaptive": [row, good]}]}}
    api.behaviour.faults.append(Fault(200, {"data": data, "errors": None}, match="scriptName"))
    report = look(connection)
    assert report.outcomes[0].rejected_rows == 1
    check = newest()
    assert check.rejected_rows == 1
    assert check.rejects == [
        {
            "place": "workersInvocationsAdaptive row 1",
            "reason": "its time 2086-11-25 00:00 lies outside the window asked for",
        }
    ]
    assert stored(metric="worker_requests") == {
        (
            NOW.replace(hour=3, minute=0),
            "worker_requests",
            "",
            "",
            "",
            "edge-router",
            "",
            Decimal(1),
        )
    }


def test_a_zone_that_is_not_there_does_not_disturb_the_others(connection):
    settings = {"account": ACCOUNT, "zones": ["f" * 32, OTHER_ZONE, ZONE], "token_env": VARIABLE}
    Connection.objects.filter(pk=connection.pk).update(settings=settings)
    failed = [o for o in look(connection).outcomes if o.status == "failed"]
    assert [o.key for o in failed] == [f"zone {'f' * 32}"]
    assert {row[2] for row in stored(metric="zone_requests")} == {ZONE, OTHER_ZONE}


def test_an_account_that_is_not_there_erases_nothing(connection):
    look(connection)
    before = stored()
    settings = {"account": "e" * 32, "token_env": VARIABLE}
    Connection.objects.filter(pk=connection.pk).update(settings=settings)
    look(connection)
    assert "check account and zones (it says: 0 accounts bear that id)" in problem(connection)
    assert stored() == before


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(302, {}, {"Location": "https://elsewhere.example/"}), "is not followed"),
        (Fault(200, b"<html>"), "its answer is not JSON"),
        (Fault(200, {"data": {}}), "the answer holds no viewer.accounts"),
        (Fault(400, {"errors": [{"message": "bad"}]}), "it says: bad"),
        (Fault(403, {}), "The token may not read this"),
    ],
)
def test_each_odd_answer_is_one_sentence(connection, api, fault, said):
    api.behaviour.faults += [fault] * TRIES
    report = look(connection)
    assert [o.status for o in report.outcomes] == ["failed"]
    assert said in problem(connection)
    assert problem(connection).count(".") <= 3
    assert "Traceback" not in problem(connection)


def test_settings_that_cannot_be_right_are_one_sentence(connection):
    Connection.objects.filter(pk=connection.pk).update(settings={})
    assert look(connection).outcomes[0].final
    assert "must be Cloudflare's account id" in problem(connection)


def test_the_token_comes_out_nowhere(connection, api, client):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingJsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        echo = {"errors": [{"message": f"token {TOKEN} is not welcome, Bearer {TOKEN}"}]}
        api.behaviour.faults += [Fault(200, {"data": None, **echo})] * 9
        look(connection)
        api.behaviour.faults.clear()
        look(connection)
    finally:
        root.removeHandler(handler)
        root.setLevel(logging.WARNING)
    rows = [*Connection.objects.values(), *UsageCheck.objects.values(), *Source.objects.values()]
    assert TOKEN not in json.dumps(rows, default=str) + stream.getvalue()
    assert "is not welcome" in json.dumps(rows, default=str)
