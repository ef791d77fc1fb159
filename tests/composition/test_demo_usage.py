"""The demo asks a stand-in of Cloudflare's API, another port at each start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from composition import demo
from finops import clock
from ingestion.cloudflare_models import UsageCheck
from ingestion.core.cloudflare_settings import read_settings, secret_setting
from ingestion.models import Connection, Source
from ingestion.services import collect
from simulator import cloudflare_usage
from simulator.cloudflare_api import BASE, TOKEN_VARIABLE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path: Path) -> demo.Place:
    return demo.Place(tmp_path)


@pytest.mark.django_db
def test_a_new_start_moves_the_connection_and_keeps_what_a_person_set(place):
    demo.ensure_usage_connection(place, "http://127.0.0.1:1111/client/v4")
    Connection.objects.update(check_every_minutes=30, is_active=False)
    demo.ensure_usage_connection(place, "http://127.0.0.1:2222/client/v4")
    connection = Connection.objects.get()
    assert connection.location == "http://127.0.0.1:2222/client/v4"
    assert (connection.check_every_minutes, connection.is_active) == (30, False)
    assert read_settings(connection.settings).token_env == TOKEN_VARIABLE
    assert secret_setting(connection.settings) == ""


def test_without_its_token_the_stand_in_says_what_to_set():
    environment = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    run = subprocess.run(
        [sys.executable, "-m", "simulator.cloudflare_api", "--port", "0"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr == (
        f"{TOKEN_VARIABLE} is not set: put the token there that calls are to bear.\n"
    )


@pytest.mark.django_db
def test_the_stand_in_as_the_demo_starts_it_is_collected_from(place, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "token-of-this-test")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([sys.executable, *demo.stand_in_args(place, port)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        demo.ensure_usage_connection(place, f"http://127.0.0.1:{port}{BASE}")
        monkeypatch.setattr("ingestion.cloudflare.collect.FIRST", cloudflare_usage.QUARTER)
        report = collect(connection=Connection.objects.get())
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert {outcome.status for outcome in report.outcomes} == {"loaded"}
    assert UsageCheck.objects.get().problem == ""


def test_what_the_demo_delivers_by_day_is_expected_by_day_and_longer_hours_stay(db):
    for kind, hours in (("cloudflare_logpush", 2), ("tsa_responses", 48), ("cloudflare_usage", 3)):
        Source.objects.create(
            slug=kind,
            kind=kind,
            identity=kind,
            name=kind,
            expected_every_hours=hours,
            created_at=clock.now(),
        )
    demo.expect_by_day()
    assert dict(Source.objects.values_list("kind", "expected_every_hours")) == {
        "cloudflare_logpush": 36,
        "tsa_responses": 48,
        "cloudflare_usage": 3,
    }
