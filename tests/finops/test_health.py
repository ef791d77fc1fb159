"""Whether the process answers, and whether it can work."""

import pytest
from django.core.cache import caches
from django.db import OperationalError, connection

from finops import health


@pytest.fixture
def no_cache_server(settings):
    settings.REDIS_URL = ""


def test_healthz_needs_nobody_and_no_database(client):
    response = client.get("/healthz")  # pytest-django refuses any query here
    assert (response.status_code, response.content) == (200, b"ok")
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
def test_readyz_tries_every_part_and_leaves_nothing_behind(client, settings, no_cache_server):
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"database": "ok", "lake": "ok"}
    assert "no-store" in response["Cache-Control"]
    assert list(settings.LAKE_DIR.iterdir()) == []


@pytest.mark.django_db
def test_readyz_tries_the_cache_where_there_is_a_server(client, settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert client.get("/readyz").json()["cache"] == "ok"
    monkeypatch.setattr(type(caches["default"]), "get", lambda *_, **__: None)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["cache"]) == (503, "failed")


@pytest.mark.django_db
def test_readyz_makes_the_lake_on_the_first_day(client, settings, tmp_path, no_cache_server):
    settings.LAKE_DIR = tmp_path / "not" / "yet"
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_readyz_says_which_part_failed_and_no_more(client, settings, tmp_path, no_cache_server):
    settings.LAKE_DIR = tmp_path / "file"
    settings.LAKE_DIR.write_text("not a folder")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"database": "ok", "lake": "failed"}
    assert str(tmp_path) not in response.content.decode()


def test_readyz_without_a_database(client, monkeypatch, no_cache_server):
    def gone() -> None:
        raise OperationalError("connection to postgres://finops:hunter22@db failed")

    monkeypatch.setattr(health, "_probe_database", gone)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["database"]) == (503, "failed")
    assert "hunter22" not in response.content.decode()
    assert not connection.in_atomic_block


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_read_only(client, path):
    assert client.post(path).status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_answer_head_and_are_not_sent_to_https(client, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    assert client.head(path).status_code == 200
