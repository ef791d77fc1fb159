"""Errors are RFC 9457 problems: one sentence, where, what to do; never a page, never a traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client, RequestFactory

from finops.models import User
from finops.wsgi import application
from tests.api.conftest import V1, client_of, record

MEMBERS = {"type", "title", "status", "detail", "instance"}


@pytest.fixture
def root(db) -> Client:
    return client_of(User.objects.create_superuser("root"))


def problem(response, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:finops:problem:{kind}"
    assert body["status"] == status
    assert set(body) - {"errors"} == MEMBERS
    assert body["detail"].strip()
    assert "Traceback" not in response.text
    return body


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v2/pnl", f"{V1}/nowhere", f"{V1}/pnl/"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_address_that_is_none_says_where_they_are_listed(path, method):
    body = problem(Client(enforce_csrf_checks=True).generic(method, path), 404, "not-found")
    assert "/api/v1/openapi.json" in body["detail"]
    assert body["instance"] == path


def test_a_line_feed_in_an_address_is_a_problem_too():
    problem(Client().get(f"{V1}/a%0Ab"), 404, "not-found")


def test_pages_keep_their_own_404(db):
    assert "json" not in Client().get("/nowhere/")["Content-Type"]


def test_a_row_that_is_not_there(root):
    for path in ("deliveries/1", "deliveries/1/rejects", f"deliveries/{10**30}"):
        problem(root.get(f"{V1}/{path}"), 404, "not-found")


def test_other_formats_are_not_to_be_had(root):
    body = problem(root.get(f"{V1}/pnl", headers={"Accept": "text/html"}), 406, "not-acceptable")
    assert "application/json" in body["detail"]


def test_bodies_are_json(root):
    sent = root.post(
        f"{V1}/usage", "a=1", content_type="text/plain", headers={"Idempotency-Key": "k"}
    )
    problem(sent, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"records": [NaN]}',
        b"[" * 100_000,
        b'{"records": ' + b"1" * 5000 + b"}",
    ],
    ids=["empty", "open", "no UTF-8", "NaN", "deep", "endless number"],
)
def test_a_body_that_cannot_be_read_is_a_sentence(root, body):
    sent = root.post(
        f"{V1}/usage", body, content_type="application/json", headers={"Idempotency-Key": "k"}
    )
    assert problem(sent, 400, "invalid")["detail"].endswith(".")


@pytest.mark.parametrize(
    "body",
    [[], "1", "null", '"x"', {}, {"records": []}, {"records": {}}, {"records": [1], "more": 1}],
)
def test_what_is_no_batch_is_told_with_a_pointer(root, send, body):
    sent = root.post(
        f"{V1}/usage",
        body,
        content_type="application/json",
        headers={"Idempotency-Key": "k"},
    )
    errors = problem(sent, 400, "invalid")["errors"]
    assert [error["pointer"] for error in errors] == ["#/records"]


def test_a_batch_has_a_limit(root, send, settings):
    settings.API_USAGE_MAX_RECORDS = 2
    body = problem(send(root, *[record(str(n)) for n in range(3)]), 400, "invalid")
    assert "1 to 2 records at a time, these are 3" in body["detail"]


def test_a_body_beyond_the_limit_of_bytes_is_not_read(root, send, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    problem(send(root, record(path_prefix="/" + "x" * 2000)), 413, "too-large")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=YWZ0ZXI6LTE", "cursor"),
        ("cursor=YWZ0ZXI6MDE", "cursor"),
        ("cursor=é", "cursor"),
        ("sate=loaded", "sate"),
        ("state=lost", "state"),
        ("limit=1&limit=2", "limit"),
        ("billing_period=2026-13", "billing_period"),
        ("billing_period=1969-12", "billing_period"),
        ("since=yesterday", "since"),
        ("since=9999-12-31T23:59:59-12:00", "since"),
        ("since=0001-01-01T00:00:00%2B12:00", "since"),
        ("source=%00", "source"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(root, query, parameter):
    errors = problem(root.get(f"{V1}/deliveries?{query}"), 400, "invalid")["errors"]
    assert [error["parameter"] for error in errors] == [parameter]
    assert errors[0]["detail"].startswith(f"{parameter}: ")


@pytest.mark.parametrize("path", ["sources", "deliveries/1"])
def test_no_address_passes_over_a_parameter_that_it_does_not_know(root, path):
    assert "there is no such parameter" in (
        problem(root.get(f"{V1}/{path}?tenant=acme"), 400, "invalid")["detail"].lower()
    )


def test_whatever_breaks_is_a_500_without_details(root, monkeypatch):
    def breaks(*_: object) -> None:
        msg = "the password is hunter2"
        raise RuntimeError(msg)

    monkeypatch.setattr("ingestion.api.sources.freshness", breaks)
    response = root.get(f"{V1}/sources")
    body = problem(response, 500, "internal")
    assert "hunter2" not in response.text
    assert "RuntimeError" not in response.text
    assert "nothing was changed" in body["detail"]


def test_errors_before_any_view_are_problems_too(db):
    client = Client(headers={"Host": "elsewhere.example"})
    problem(client.get(f"{V1}/pnl"), 400, "invalid")
    assert "json" not in client.get("/")["Content-Type"]


def test_errors_outside_any_view_are_problems_too(rf):
    from finops.api.problems import server_error

    answer = server_error(rf.get(f"{V1}/pnl"))
    assert answer["Content-Type"] == "application/problem+json"
    assert "json" not in server_error(rf.get("/"))["Content-Type"]


def test_answers_are_kept_by_no_cache_and_set_no_cookie(root):
    response = root.get(f"{V1}/sources")
    assert response["Cache-Control"] == "private, no-store"
    assert not response.cookies


@pytest.mark.parametrize(
    "parameter", ["charset=zlib", 'charset="hex"; x=1', "CHARSET=rot13", "charset*=zlib''x"]
)
def test_a_charset_that_is_none_of_text_is_left_out(db, parameter):
    """By the WSGI entry point: Django fails on it before its handlers, with a traceback."""
    environ = RequestFactory().get(f"{V1}/pnl?x=1").environ
    environ["CONTENT_TYPE"] = f"application/json; {parameter}"
    said: list[str] = []
    body = b"".join(application(environ, lambda status, _headers: said.append(status)))
    assert said == ["401 Unauthorized"]
    assert json.loads(body)["type"] == "urn:finops:problem:unauthenticated"


def test_other_parameters_of_a_content_type_stay(db):
    seen: list[str] = []
    environ = RequestFactory().get("/").environ
    for sent in (
        "multipart/form-data; boundary=a",
        "application/json; charset=UTF-8",
        "multipart/form-data; charset=zlib; boundary=a",
    ):
        environ["CONTENT_TYPE"] = sent
        b"".join(application(environ, lambda *_: None))
        seen.append(environ["CONTENT_TYPE"])
    assert seen == [
        "multipart/form-data; boundary=a",
        "application/json; charset=UTF-8",
        'multipart/form-data; boundary="a"',
    ]
