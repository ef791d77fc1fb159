"""A token's secret stands in no table, no log and no answer, wherever a client puts it."""

from __future__ import annotations

import io
import json
import logging

import pytest
from django.apps import apps
from django.core import serializers
from django.test import Client

from finops.api.models import ApiToken
from finops.core.redaction import Redactor
from finops.logs import RedactingJsonFormatter
from finops.models import User
from ingestion.models import RejectedRow
from tests.api.conftest import V1, client_with, record, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def log():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingJsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


def database() -> str:
    return "".join(
        serializers.serialize("json", model._default_manager.all()) for model in apps.get_models()
    )


def ask(text: str, word: str, monkeypatch) -> list[str]:
    """Every way in which a client may misplace its token, or the product fail with it."""
    client = client_with(text)

    def send(*records: object, key: str = "k") -> str:
        return client.post(
            f"{V1}/usage",
            {"records": list(records)},
            content_type="application/json",
            headers={"Idempotency-Key": key},
        ).text

    answers = [
        client.get(f"{V1}/sources").text,
        client_with(text[:-1]).get(f"{V1}/sources").text,
        client_with(f"{text}x").get(f"{V1}/sources").text,
        Client(headers={"Authorization": f"Token {text}"}).get(f"{V1}/sources").text,
        client.get(f"{V1}/nowhere").text,
        send(record(word), record("r2", host=word), record("r3", metric=word)),
        send({**record("r4"), "note": word}, word, [word], key="k2"),
        send(record("r5"), key=word),
    ]

    def breaks(*_: object) -> None:
        msg = f"cannot read {word}"
        raise RuntimeError(msg)

    with monkeypatch.context() as broken:
        broken.setattr("ingestion.api.sources.freshness", breaks)
        answers.append(client.get(f"{V1}/sources").text)
    return answers


def test_a_token_comes_out_nowhere(log, monkeypatch):
    text = token_of(User.objects.create_superuser("root"))
    secret = text.rpartition(f"{ApiToken.objects.get().token_id}_")[2]
    everything = "".join([*ask(text, text, monkeypatch), log.getvalue(), database()])
    assert secret not in everything
    assert "cannot read" in log.getvalue()
    assert RejectedRow.objects.count() == 6


def test_a_plain_word_would_have_been_seen(log, monkeypatch):
    """The same walk with a word that is no secret: it does come out, so the walk looks where it should."""
    text = token_of(User.objects.create_superuser("root"))
    answers = "".join(ask(text, "plain-word", monkeypatch))
    assert ["plain-word" in place for place in (answers, log.getvalue(), database())] == [
        True,
        True,
        True,
    ]


@pytest.mark.parametrize("around", ["{}", "Bearer {}", "a={}&b", json.dumps({"x": "{}"})])
def test_a_token_is_masked_by_its_shape(around):
    text = f"fce_0123456789ab_{'aB3-_' * 8}xyz"
    redacted = Redactor().text(around.replace("{}", text))
    assert "aB3" not in redacted
