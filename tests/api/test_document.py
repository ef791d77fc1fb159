"""The document says what the API does, and schemathesis finds nothing that it does not say."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
)

from allocation.close_models import GlAccount
from finops.api.routes import routes
from finops.api.tokens import SCOPES
from finops.core.periods import parse_month
from finops.models import Alert, User
from finops.wsgi import application
from ingestion.models import Delivery
from tests.allocation.closing import close
from tests.api.conftest import V1, client_of, record, token_of
from tests.dashboards.world import NOW

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def document(db) -> dict[str, Any]:
    found: dict[str, Any] = (
        client_of(User.objects.create_superuser("root")).get(f"{V1}/openapi.json").json()
    )
    return found


def test_the_document_is_valid_and_made_without_a_warning(tmp_path):
    file = tmp_path / "openapi.json"
    wanted = ("--validate", "--fail-on-warn", "--format", "openapi-json", "--file", str(file))
    call_command("spectacular", *wanted)
    assert json.loads(file.read_text())["openapi"] == "3.1.0"


def test_every_route_is_described_and_every_error_of_it_is_a_problem(document):
    assert len(document["paths"]) == len(routes())
    for path, route in document["paths"].items():
        for method, operation in route.items():
            errors = {code: one for code, one in operation["responses"].items() if code >= "400"}
            wanted = {"400", "401", "403", "404", "405", "406", "429", "500"}
            if method == "post":
                wanted |= {"409", "413", "415", "422"}
            assert set(errors) == wanted, path
            for answer in errors.values():
                assert list(answer["content"]) == ["application/problem+json"]
            assert operation["security"] == [{"token": []}]
            assert operation["summary"]


def test_no_money_is_a_number(document):
    names = {
        name
        for schema in document["components"]["schemas"].values()
        for name, described in schema.get("properties", {}).items()
        if described.get("type") == "number"
    }
    assert names == set()


def test_examples_of_requests_are_taken(db, document, send):
    body = document["paths"][f"{V1}/usage"]["post"]["requestBody"]["content"]["application/json"]
    (example,) = body["examples"].values()
    answer = send(client_of(User.objects.get(username="root"), name="other"), body=example["value"])
    assert answer.json()["accepted"] == 1


def test_the_examples_of_the_how_to_work(company):
    text = (ROOT / "docs" / "how-to" / "use-the-api.md").read_text()
    client = client_of(User.objects.create_superuser("root"))
    questions = re.findall(r'Bearer \$TOKEN" "\$API/([^"]+)"\n', text)
    assert len(questions) >= 5
    for question in questions:
        assert client.get(f"{V1}/{question}").status_code == 200, question
    (body,) = re.findall(r"-d '(\{.*?\})'", text, re.DOTALL)
    answer = client.post(
        f"{V1}/usage", body, content_type="application/json", headers={"Idempotency-Key": "k"}
    )
    assert answer.json()["accepted"] == 1, answer.content
    for scope in re.findall(r"^\| `(\w+)`", text, re.MULTILINE):
        assert scope in SCOPES


# --- schemathesis ------------------------------------------------------------------------------------

OPERATIONS = [
    ("GET", "alerts"),
    ("POST", "alerts/{alert_id}/acknowledge"),
    ("GET", "deliveries"),
    ("GET", "deliveries/{delivery_id}"),
    ("GET", "deliveries/{delivery_id}/rejects"),
    ("GET", "journal"),
    ("GET", "months"),
    ("GET", "focus"),
    ("GET", "pnl"),
    ("GET", "reconciliation"),
    ("GET", "reconciliation/providers"),
    ("GET", "sources"),
    ("GET", "tsa/usage"),
    ("POST", "tsa/assets"),
    ("POST", "tsa/tokens"),
    ("GET", "usage"),
    ("POST", "usage"),
]
NOT_ASKED: dict[tuple[str, str], list[Any]] = {
    # A batch is answered with 200 whatever its records are: bad ones are put aside, one by one.
    ("POST", "usage"): [negative_data_rejection],
    ("POST", "tsa/assets"): [negative_data_rejection],
    ("POST", "tsa/tokens"): [negative_data_rejection],
    # White space around a header's value is no part of it (RFC 9110), and this test changes keys: what is wrong in
    # the body is told in test_alerts.
    ("POST", "alerts/{alert_id}/acknowledge"): [negative_data_rejection],
    # Parameters that fit alone may not fit together (period beside from), which no schema can say; and
    # a cursor is only what was handed out.
    ("GET", "pnl"): [positive_data_acceptance],
    ("GET", "tsa/usage"): [positive_data_acceptance],  # a month to come
    ("GET", "usage"): [positive_data_acceptance],
    ("GET", "deliveries"): [positive_data_acceptance],
    ("GET", "deliveries/{delivery_id}/rejects"): [positive_data_acceptance],
}

MONTH = re.compile(r"20[0-9]{2}-[0-9]{2}")


@pytest.fixture
def described(company: None, settings, tmp_path: Path):
    """The company, with every endpoint having something to say, and a token that may everything."""
    settings.API_RATE = settings.API_FAILED_RATE = "100000/minute"
    root = User.objects.create_superuser("root")
    client = client_of(root, name="first")
    client.post(
        f"{V1}/usage",
        {"records": [record("a"), record("b", metric="?")]},
        content_type="application/json",
        headers={"Idempotency-Key": "first"},
    )
    close(parse_month("2026-03"), root)
    GlAccount.objects.create(role="suspense", account="9999")
    Alert.objects.create(
        kind="stale-source",
        subject="bills",
        severity="warning",
        sentence="It is late.",
        evidence={"late_by_minutes": 5, "newest": None},
        first_seen=NOW,
        last_seen=NOW,
    )
    text = token_of(root, name="schemathesis")
    # As Django's own test client does: a request must not close the connection of the test's transaction.
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    loaded = schemathesis.openapi.from_wsgi(
        f"{V1}/openapi.json", app=application, headers={"Authorization": f"Bearer {text}"}
    )
    token = {"Authorization": f"Bearer {text}"}
    loaded.config.update(headers=token)
    yield loaded, token
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_schemathesis_finds_nothing_outside_the_document(described, method, path):
    document, token = described
    operation = document[f"{V1}/{path}"][method]
    known = list(Delivery.objects.values_list("pk", flat=True))
    left_out = NOT_ASKED.get((method, path), [])
    answers: Counter[int] = Counter()

    def ask(case: schemathesis.Case[Any]) -> None:
        number = case.path_parameters.get("delivery_id")
        if isinstance(number, int):
            # Mostly rows that exist, so that answers are looked at, too.
            case.path_parameters["delivery_id"] = known[number % len(known)]
        if isinstance(case.path_parameters.get("alert_id"), int):
            case.path_parameters["alert_id"] = Alert.objects.get().pk
        if path == "journal" and MONTH.fullmatch(str(case.query.get("month"))) and not answers[200]:
            case.query["month"] = "2026-03"  # the one that is closed
        if case.headers.get("Idempotency-Key"):
            # A key that comes with another body is refused, which no schema can say.
            key = case.headers["Idempotency-Key"]
            case.headers["Idempotency-Key"] = f"{key[:200]}{answers.total()}"
        response = case.call()
        answers[response.status_code] += 1
        case.validate_response(response, excluded_checks=left_out, headers=token)

    bounded = settings(max_examples=25, database=None, suppress_health_check=list(HealthCheck))
    bounded(given(case=operation.as_strategy(GenerationMode.POSITIVE))(ask))()
    assert answers[200]
    if path not in {"alerts", "sources", "months"}:  # which take nothing that could be wrong
        bounded(given(case=operation.as_strategy(GenerationMode.NEGATIVE))(ask))()
        assert sum(answers.values()) > answers[200]


def test_schemathesis_is_asked_about_every_operation(document):
    described = {
        (method.upper(), path.removeprefix(f"{V1}/"))
        for path, route in document["paths"].items()
        for method in route
    }
    assert described == set(OPERATIONS)
