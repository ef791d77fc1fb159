"""Log lines: JSON, in UTC, and without the canary wherever it was put."""

import io
import json
import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.decorators import login_not_required
from django.test import RequestFactory
from django.urls import path

from finops.logs import RedactingExceptionReporter, RedactingJsonFormatter, mask_row, redact

CANARY = "canary-4711-of-this-test"
ROOT = Path(__file__).resolve().parents[2]


@login_not_required
def explode(_request):
    password = CANARY
    raise RuntimeError(f"it happened with {password}")


urlpatterns = [path("explode/", explode)]


@pytest.fixture
def canary(monkeypatch) -> str:
    monkeypatch.setenv("SOME_API_TOKEN", CANARY)
    return CANARY


@pytest.fixture
def lines():
    """What the root logger writes through our formatter."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingJsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


def last(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_a_line_is_json_with_time_level_logger_message_and_extras(lines):
    before = datetime.now(tz=UTC)
    logging.getLogger("ingestion.test").warning(
        "%s rows of %s",
        313,
        Path("a/b.csv"),
        extra={"tenant": "acme", "cost": Decimal("-1.5436190783")},
    )
    line = last(lines)
    assert list(line)[:4] == ["timestamp", "level", "logger", "message"]
    stamp = datetime.fromisoformat(line.pop("timestamp"))
    assert stamp.utcoffset() == timedelta(0)
    assert abs((stamp - before).total_seconds()) < 60
    assert line == {
        "level": "WARNING",
        "logger": "ingestion.test",
        "message": "313 rows of a/b.csv",
        "tenant": "acme",
        "cost": "-1.5436190783",
    }


def test_the_canary_is_in_no_part_of_a_line(lines, canary):
    class Holder:
        def __repr__(self) -> str:
            return f"Holder({CANARY})"

    log = logging.getLogger("canary")
    request = RequestFactory().get(f"/explode/{CANARY}/", {"password": "hunter22"})
    request.META["HTTP_AUTHORIZATION"] = f"Bearer {CANARY}"
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as first:
            raise ValueError(f"postgres://bob:hunter22@db/{CANARY}") from first
    except ValueError:
        log.exception(
            "failed with %s and %r and %s",
            CANARY,
            {"token": "hunter22"},
            "https://u:hunter22@h/",
            stack_info=True,
            extra={
                CANARY: "as a key",
                "request": request,
                "nested": {"deep": [{"x": (CANARY, {CANARY}, Holder())}], "password": "hunter22"},
                "raw": CANARY.encode(),
                "cause": ValueError(CANARY),
                "holder": Holder(),
                "pin_code_secret": 471147114711,
            },
        )
    text = lines.getvalue()
    assert "failed with ***" in text
    assert "ValueError" in text
    assert "as a key" in text
    for gone in (canary, "hunter22", "471147114711"):
        assert gone not in text
    line = last(lines)
    assert line["request"] == "GET /explode/***/"
    assert line["holder"] == "<Holder>"


def test_arguments_that_do_not_fit_are_left_out_instead_of_printed_elsewhere(canary):
    record = logging.makeLogRecord(
        {"msg": "%d rows", "args": (canary,), "name": "x", "levelname": "INFO"}
    )
    line = RedactingJsonFormatter().format(record)
    assert json.loads(line)["message"] == "%d rows (its arguments do not fit)"
    assert canary not in line


def test_a_dictionary_as_message_is_redacted_too(lines, canary):
    logging.getLogger("canary").error({"event": canary, "cookie": "a=b", 7: None})
    assert {"event": "***", "cookie": "***", "7": None}.items() <= last(lines).items()


def test_what_contains_itself_ends(lines):
    loop: dict[str, Any] = {}
    loop["again"] = loop
    logging.getLogger("loop").error("round", extra={"loop": loop})
    assert last(lines)["message"] == "round"


@pytest.mark.urls("tests.finops.test_logs")
@pytest.mark.django_db
def test_a_failing_page_is_logged_with_its_traceback_and_without_the_canary(client, lines, canary):
    client.raise_request_exception = False
    response = client.get(f"/explode/?token={canary}", headers={"cookie": f"x={canary}"})
    assert response.status_code == 500
    assert canary not in response.content.decode()
    line = last(lines)
    assert line["logger"] == "django.request"
    assert line["status_code"] == 500
    assert line["request"] == "GET /explode/"
    assert "RuntimeError: it happened with ***" in line["exc_info"]
    assert canary not in lines.getvalue()


@pytest.mark.urls("tests.finops.test_logs")
@pytest.mark.django_db
def test_the_developers_error_page_does_not_show_the_canary(client, settings, canary):
    settings.DEBUG = True
    client.raise_request_exception = False
    page = client.get(f"/explode/?a={canary}").content.decode()
    assert "RuntimeError" in page
    assert canary not in page


def test_the_text_report_does_not_show_the_canary(canary):
    try:
        explode(None)
    except RuntimeError:
        text = RedactingExceptionReporter(None, *sys.exc_info()).get_traceback_text()
    assert "it happened with ***" in text
    assert canary not in text


def test_redact_knows_the_environment_of_now_and_the_secret_key(settings, monkeypatch, canary):
    assert redact(f"a {canary} b") == "a *** b"
    monkeypatch.setenv("ANOTHER_PASSWORD", "set-a-moment-ago")
    assert redact("set-a-moment-ago") == "***"
    settings.SECRET_KEY = "swapped in this test"
    assert redact("swapped in this test") == "***"
    assert mask_row({"cost": f"1{canary}", "x": canary}, {"cost"}) == "cost=1***; x=‹24 chars›"


def test_every_logger_of_django_goes_through_the_redacting_handler():
    script = (
        "import django, logging; django.setup()\n"
        "for name in ('django', 'django.request', 'django.server', 'django.security', 'axes', 'x'):\n"
        "    logging.getLogger(name).error('password=hunter22')\n"
        "raise SystemExit(0)"
    )
    done = run(script)
    names = [json.loads(line)["logger"] for line in done.stderr.splitlines()]
    assert names == ["django", "django.request", "django.server", "django.security", "axes", "x"]
    assert "hunter22" not in done.stderr


def test_a_command_that_dies_shows_a_traceback_without_the_canary():
    done = run(
        f"import django; django.setup(); raise ValueError('{CANARY}')", SOME_API_TOKEN=CANARY
    )
    assert done.returncode == 1
    assert "ValueError: ***" in done.stderr
    assert CANARY not in done.stderr


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "DJANGO_SETTINGS_MODULE": "finops.settings",
            "FINOPS_READ_DOTENV": "0",
            "DEBUG": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
