"""Closed months over the API: the figures of the page, of the file and of the command."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from django.test import Client

from allocation.close_models import GlAccount
from allocation.core.journal import to_csv
from allocation.journal import journal_of
from finops.core.periods import parse_month
from finops.models import User
from tests.allocation.closing import close
from tests.api.conftest import V1
from tests.dashboards.world import person

MARCH = parse_month("2026-03")


@pytest.fixture
def closed(company: None) -> User:
    carol = person("carol", "admin")
    close(MARCH, carol)
    return carol


def test_months_say_their_state_and_who_closed_them(closed, alice):
    body = alice.get(f"{V1}/months").json()
    april, march = body["results"]
    assert (april["state"], april["closed_by"], april["changed_since"]) == ("open", None, None)
    assert (march["state"], march["closed_by"], march["changed_since"]) == ("closed", "carol", "0")
    pnl = alice.get(f"{V1}/pnl?period=2026-03&basis=reported").json()
    assert pnl["company"][0]["cost"] == march["cost"]


def test_the_journal_is_that_of_the_file_line_by_line(closed, alice):
    GlAccount.objects.create(role="suspense", account="9999")
    body = alice.get(f"{V1}/journal?month=2026-03").json()
    rows = list(csv.DictReader(io.StringIO(to_csv(journal_of(MARCH)))))
    assert len(body["results"]) == len(rows) > 2
    for line, row in zip(body["results"], rows, strict=True):
        assert {name: line[name] for name in row if name not in {"line", "debit", "credit"}} == {
            name: row[name] for name in row if name not in {"line", "debit", "credit"}
        }
        for side in ("debit", "credit"):
            assert Decimal(line[side]) == Decimal(row[side] or 0)


@pytest.mark.parametrize(
    ("month", "words"), [("2026-04", "is not closed"), ("2026-03", "No expense account takes")]
)
def test_a_journal_that_cannot_be_made_is_not_found_and_says_why(closed, alice, month, words):
    response = alice.get(f"{V1}/journal?month={month}")
    assert response.status_code == 404
    assert words in response.json()["detail"]


def test_what_was_not_stored_names_the_parameter(closed, alice: Client):
    response = alice.get(f"{V1}/pnl?period=2026-03&granularity=day&tenant=acme&basis=reported")
    assert response.status_code == 400
    assert [error["parameter"] for error in response.json()["errors"]] == ["basis"]
