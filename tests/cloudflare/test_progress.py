"""Up to when each dataset of each account and zone was read: one that fails holds nothing else back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from finops import clock
from ingestion.cloudflare import collect as collecting
from ingestion.cloudflare.client import TRIES
from ingestion.cloudflare.store import store_day
from ingestion.cloudflare_models import UsageProgress
from ingestion.core.cloudflare_queries import DATASETS, ZONE_HTTP
from ingestion.models import Connection, Source
from simulator.cloudflare_api import Fault
from tests.cloudflare.conftest import ACCOUNT, NOW, OTHER_ZONE, VARIABLE, ZONE
from tests.cloudflare.looks import look, newest, problem, stored

pytestmark = pytest.mark.django_db


def days_of(zone: str) -> set[int]:
    return {row[0].day for row in stored(zone=zone)}


def test_two_connections_on_one_account_each_read_all_days(connection, monkeypatch):
    monkeypatch.setattr(collecting, "FIRST", timedelta(days=2))
    look(connection)
    settings = {"account": ACCOUNT, "zones": [OTHER_ZONE], "token_env": VARIABLE}
    other = Connection.objects.create(
        slug="other",
        kind="cloudflare_usage",
        location=connection.location,
        settings=settings,
        created_at=NOW,
    )
    look(other)
    assert Source.objects.count() == 1
    assert days_of(OTHER_ZONE) == days_of(ZONE) == {23, 24, 25}


def test_a_zone_that_is_added_later_has_its_first_days_too(connection, api, monkeypatch):
    monkeypatch.setattr(collecting, "FIRST", timedelta(days=2))
    look(connection)
    connection.settings["zones"] = [ZONE, OTHER_ZONE]
    connection.save()
    api.behaviour.asked.clear()
    look(connection)
    assert days_of(OTHER_ZONE) == {23, 24, 25}
    asked = [body for _, path, body in api.behaviour.asked if path == "/graphql"]
    accounts = [body for body in asked if "workersInvocationsAdaptive(" in body["query"]]
    assert len(accounts) == 1


def test_a_wrong_zone_holds_nothing_else_back(connection, api, monkeypatch):
    connection.settings["zones"] = [ZONE, "f" * 32]
    connection.save()
    for days in range(4):
        monkeypatch.setattr(clock, "now", lambda back=days: NOW + timedelta(days=back))
        loaded = [o.key for o in look(connection).outcomes if o.status == "loaded"]
        assert len(loaded) == min(days + 1, 2)
    assert days_of(ZONE) == {25, 26, 27, 28}
    assert newest().data_through is None


def test_what_was_not_read_is_read_by_the_next_look_and_the_rest_goes_on(
    connection, api, monkeypatch
):
    api.behaviour.faults += [Fault(500, {}, match="httpRequestsAdaptiveGroups(")] * TRIES
    look(connection)
    assert days_of(ZONE) == set()
    known = dict(UsageProgress.objects.values_list("dataset", "data_through"))
    assert set(known) == {each.id for each in DATASETS} - {ZONE_HTTP.id}
    assert set(known.values()) == {NOW}
    later = NOW + timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    monkeypatch.setattr(collecting, "FIRST", timedelta(days=2))
    look(connection)
    assert days_of(ZONE) == {24, 25, 26}
    assert newest().data_through == later


def test_what_was_read_before_the_limit_of_calls_is_kept(connection, api):
    busy = Fault(429, {}, match="httpRequestsAdaptiveGroups(")
    api.behaviour.faults += [busy] * TRIES
    failed = [o for o in look(connection).outcomes if o.status == "failed"]
    assert "limit of calls is used up" in failed[0].sentence
    assert stored(metric="worker_requests")
    assert UsageProgress.objects.count() == len(DATASETS) - 1


def test_an_api_that_goes_down_half_way_is_not_asked_for_everything(connection, api):
    api.behaviour.faults += [Fault(503, {}, match="datetime_geq")] * 99
    look(connection)
    asked = [body for _, _, body in api.behaviour.asked if "datetime_geq" in str(body)]
    assert len(asked) == 3 * TRIES


def test_a_day_that_could_not_be_stored_is_read_again(connection, monkeypatch):
    monkeypatch.setattr(collecting, "FIRST", timedelta(days=2))

    def broken(**what: Any) -> None:
        if what["day"].day == 24:
            raise ValueError("disk full")
        store_day(**what)

    monkeypatch.setattr(collecting, "store_day", broken)
    look(connection)
    assert days_of(ZONE) == {23, 25}
    monkeypatch.setattr(collecting, "store_day", store_day)
    look(connection)
    assert days_of(ZONE) == {23, 24, 25}


def test_usage_does_not_wait_for_deployments(connection, api):
    down = Fault(503, {}, match="/deployments")
    api.behaviour.faults += [down] * TRIES
    assert {o.status for o in look(connection).outcomes} == {"loaded"}
    assert stored(metric="worker_requests")
    told = newest()
    assert told.capabilities["deployments"].startswith("Cloudflare's API cannot be reached")
    assert told.data_through == NOW
    assert problem(connection) == ""
    look(connection)
    assert newest().capabilities["deployments"] == "yes"


@pytest.mark.parametrize("match", ["/deployments", "/billable"])
def test_a_token_that_is_refused_beside_the_usage_stops_nothing(connection, api, match):
    api.behaviour.faults.append(Fault(401, {}, match=match))
    assert {o.status for o in look(connection).outcomes} == {"loaded"}
    assert problem(connection) == ""
