"""A secret that gets into environment, address, file row and exception comes out nowhere."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from finops.logs import RedactingJsonFormatter
from finops.models import User
from ingestion.core.delivery import SourceError
from ingestion.models import Delivery, RejectedRow
from tests.cur_export import Export, line

pytestmark = pytest.mark.django_db

CANARY = "canary-7Hq2-do-not-show-Zx9"


@pytest.fixture
def log(monkeypatch):
    monkeypatch.setenv("TSA_API_TOKEN", CANARY)
    monkeypatch.setenv("REPORTING_URL", f"https://robot:{CANARY}@example.com/x")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingJsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


def run(folder) -> str:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("ingest", "--source", "aws_cur", "--from", str(folder), stdout=out, stderr=err)
    except (CommandError, SystemExit) as stop:
        err.write(str(stop))
    return out.getvalue() + err.getvalue()


def everything(client, printed: str, log: io.StringIO) -> str:
    """All that anyone could read: terminal, log, database and pages."""
    rows = json.dumps(list(RejectedRow.objects.values("text", "reason", "file", "amount")))
    errors = json.dumps(list(Delivery.objects.values("error")))
    client.force_login(User.objects.create_superuser("root", password="x"))
    pages = [client.get(reverse("reconciliation")).text]
    pages += [
        client.get(reverse("delivery-rejects", args=[delivery.pk]), query).text
        for delivery in Delivery.objects.all()
        for query in ({}, {"format": "csv"})
    ]
    return "\n".join([printed, log.getvalue(), rows, errors, *pages])


def test_a_secret_in_a_row_is_not_kept_with_the_reject(client, tmp_path, log):
    broken = [
        {**line("1"), column: CANARY}
        for column in (
            "line_item_unblended_cost",
            "identity_time_interval",
            "tags",
            "line_item_usage_amount",
            "line_item_currency_code",
        )
    ]
    broken += [
        line("x", line_item_resource_id=CANARY, line_item_line_item_description=f"token={CANARY}"),
        line(
            "x",
            line_item_usage_type=f"https://user:{CANARY}@host/",
            line_item_operation=f"Bearer {CANARY}",
        ),
    ]
    export = Export([line("1"), *broken])
    folder = export.write(tmp_path)
    path = folder / export.key(0)
    with __import__("gzip").open(path, "at") as stream:
        stream.write(f"{CANARY},{CANARY}\n")
    printed = run(folder)
    assert RejectedRow.objects.count() == len(broken) + 1
    assert CANARY not in everything(client, printed, log)


def test_a_secret_in_an_address_is_not_repeated(client, tmp_path, log):
    export = Export(
        [line("1")], extra_uris=[f"https://user:{CANARY}@bucket.example.com/key.csv.gz"]
    )
    printed = run(export.write(tmp_path))
    assert "not an s3:// address" in printed
    assert CANARY not in everything(client, printed, log)


def test_a_secret_in_an_exception_is_not_logged(client, tmp_path, log, monkeypatch):
    def fail(**_: object) -> None:
        msg = f"cannot connect with password={CANARY} and {CANARY}"
        raise SourceError(msg)

    monkeypatch.setattr("allocation.services.allocate_load", fail)
    printed = run(Export([line("1")]).write(tmp_path))
    assert "cannot connect" in printed
    try:
        fail()
    except SourceError:
        logging.getLogger("any").exception("failed for %s", CANARY, extra={"token": CANARY})
    assert "cannot connect" in log.getvalue()
    assert CANARY not in everything(client, printed, log)


def test_the_canary_would_be_seen_if_nothing_hid_it(client, tmp_path, log):
    """The same walk with a word that is no secret: it does come out."""
    row = replace(Export([line("1"), line("plain-word-that-may-show")])).write(tmp_path)
    assert "plain-word-that-may-show" in everything(client, run(row), log)
