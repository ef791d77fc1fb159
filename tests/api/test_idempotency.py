"""A write that is sent again has one effect and one answer."""

from __future__ import annotations

import threading
from datetime import timedelta
from hashlib import sha256

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client

from finops import clock
from finops.api.idempotency import forget_answers
from finops.api.models import ApiToken, KeptAnswer
from finops.job_kinds import job_kinds
from finops.models import User
from ingestion.models import Delivery, RejectedRow
from ingestion.usage_api_models import UsageRecord
from tests.api.conftest import V1, client_of, client_with, record, token_of
from tests.dashboards.world import NOW, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db, on_30_april) -> Client:
    return client_of(User.objects.create_superuser("root"))


def test_the_same_request_again_is_answered_as_before_and_has_no_second_effect(root, send):
    first = send(root, record("a"), record("b", quantity="no"), key="k")
    again = send(root, record("a"), record("b", quantity="no"), key="k")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert UsageRecord.objects.count() == RejectedRow.objects.count() == 1


def test_the_same_key_with_another_request_is_refused(root, send):
    assert send(root, record("a"), key="k").status_code == 200
    refused = send(root, record("b"), key="k")
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:finops:problem:idempotency-key-reused"
    assert UsageRecord.objects.count() == 1


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "é"])
def test_a_write_needs_a_key(root, key):
    response = root.post(
        f"{V1}/usage",
        {"records": [record()]},
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )
    assert response.status_code == 400
    assert response.json()["type"] == "urn:finops:problem:idempotency-key-missing"
    assert not UsageRecord.objects.exists()


def test_a_key_belongs_to_its_token(root, send):
    other = client_of(person("erin", "admin"))
    assert send(root, record("a"), key="k").status_code == 200
    answer = send(other, record("a"), key="k")
    assert answer.status_code == 200
    assert "Idempotent-Replayed" not in answer
    assert UsageRecord.objects.count() == 2


def test_a_refused_request_leaves_its_key_free(root, send):
    assert send(root, body={}, key="k").status_code == 400
    assert not KeptAnswer.objects.exists()
    assert send(root, record("a"), key="k").status_code == 200


def test_what_breaks_half_way_leaves_neither_effect_nor_answer(root, send, monkeypatch):
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("ingestion.usage_api._book", breaks)  # after the records are written
        assert send(root, record("a"), key="k").status_code == 500
    assert not UsageRecord.objects.exists()
    assert not KeptAnswer.objects.exists()
    answer = send(root, record("a"), key="k")
    assert answer.json()["accepted"] == 1
    assert "Idempotent-Replayed" not in answer


def test_an_answer_is_kept_for_a_day(root, send, monkeypatch):
    send(root, record("a"), key="k")
    nearly = NOW + timedelta(hours=24) - timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: nearly)
    assert "Idempotent-Replayed" in send(root, record("a"), key="k")
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(hours=24))
    fresh = send(root, record("a"), key="k")
    assert "Idempotent-Replayed" not in fresh
    assert fresh.json()["duplicates"] == 1


def test_the_daily_job_forgets_old_answers(root, send, monkeypatch):
    send(root, record("a"), key="old")
    later = NOW + timedelta(hours=30)
    monkeypatch.setattr(clock, "now", lambda: later)
    send(root, record("a"), key="new")
    kind = job_kinds().get("forget")
    assert [wanted.subject for wanted in kind.due(later)] == ["api answers"]
    assert kind.run("api answers", {}, lambda *_: None).startswith("1 old answer")
    assert [kept.key for kept in KeptAnswer.objects.all()] == ["new"]
    assert forget_answers(before=later) == 0


def test_while_a_request_is_worked_on_the_same_key_is_refused(root, send):
    """As another process sees it that shares the cache."""
    token = ApiToken.objects.get()
    mark = f"api.idempotency.{token.pk}.{sha256(b'k').hexdigest()}"
    cache.add(mark, 1, 60)
    refused = send(root, record("a"), key="k")
    assert refused.status_code == 409
    assert refused["Retry-After"] == "1"
    assert send(root, record("a"), key="other").status_code == 200
    cache.delete(mark)
    assert send(root, record("a"), key="k").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_same_request_from_many_at_once_has_one_effect(monkeypatch, settings, send):
    """Without a shared cache, as several processes without Redis: the database keeps them apart."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    monkeypatch.setattr(clock, "now", lambda: NOW)
    text = token_of(User.objects.create_superuser("root"))
    barrier, answers = threading.Barrier(4), []

    def ask() -> None:
        try:
            barrier.wait()
            answers.append(send(client_with(text), record("a"), record("b"), key="k"))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert sum("Idempotent-Replayed" not in answer for answer in answers) == 1
    assert {answer.json()["accepted"] for answer in answers} == {2}
    assert UsageRecord.objects.count() == 2
    assert Delivery.objects.get().rows == 2
