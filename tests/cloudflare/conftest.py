"""A stand-in of Cloudflare's API on this machine, a connection to it, and a clock that stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from finops import clock
from ingestion.cloudflare import collect as collecting
from ingestion.models import Connection
from simulator import cloudflare_usage
from simulator.cloudflare_api import Behaviour, StandIn, running

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
TOKEN = "cf-canary-4Hd8sWq2ZpL0xTr7VbN5mKe3"
VARIABLE = "CLOUDFLARE_TEST_TOKEN"
ACCOUNT = cloudflare_usage.account_id(7)
ZONE, OTHER_ZONE = cloudflare_usage.zone_ids(7)


@pytest.fixture(autouse=True)
def clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setenv(VARIABLE, TOKEN)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are written down in place of being waited for."""
    waits: list[float] = []

    def wait(seconds: float, _progress: object) -> None:
        waits.append(seconds)

    monkeypatch.setattr("ingestion.cloudflare.collect.wait", wait)
    return waits


@pytest.fixture(autouse=True)
def one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look goes back to midnight only, so that tests are quick."""
    monkeypatch.setattr(collecting, "FIRST", timedelta(hours=1))


@pytest.fixture
def api() -> Iterator[StandIn]:
    def now() -> datetime:
        return clock.now()  # looked up at each call: a test may set the clock anew

    with running(Behaviour(TOKEN, clock=now)) as server:
        yield server


@pytest.fixture
def connection(db: None, api: StandIn) -> Connection:
    return Connection.objects.create(
        slug="edge",
        kind="cloudflare_usage",
        location=api.url,
        settings={"account": ACCOUNT, "zones": [ZONE], "token_env": VARIABLE},
        created_at=NOW,
    )
