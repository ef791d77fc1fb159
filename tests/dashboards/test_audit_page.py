"""The page of the audit log: filters, pages, exports, verification."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test import Client

from finops import audit, audit_triggers
from finops.models import User


@pytest.fixture
def entries(company: None) -> None:
    carol = User.objects.create_user("carol")
    for number in range(3):
        audit.record(
            actor=carol if number else None,
            verb="goal.change" if number else "month.close",
            target=f"tenant {number}",
            before={"value": "0.7"},
            after={"value": "0.6"},
            reason="=cmd()" if number == 2 else "a contract",
        )


def page(client: Client, query: str = "") -> str:
    response = client.get(f"/audit-log/{query}")
    assert response.status_code == 200, response.content
    return response.content.decode()


def test_it_says_who_did_what_why_and_what_changed(entries, alice):
    shown = page(alice)
    assert "3 entries in" in shown
    assert "value: 0.7 → 0.6" in shown
    assert shown.index("tenant 2") < shown.index("tenant 0")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?actor=carol", 2),
        ("?verb=month.close", 1),
        ("?target=tenant+1", 1),
        ("?from=2026-04-29&to=2026-04-29", 0),
        ("?actor=nobody", 0),
    ],
)
def test_filters_narrow(entries, alice, query, count):
    shown = page(alice, query)
    assert f"{count} entr{'y' if count == 1 else 'ies'} in" in shown


def test_the_chain_is_verified_on_demand_and_a_change_is_told(entries, alice):
    assert "as they were written" not in page(alice)
    assert "all 3 entries of the log are as they were written" in page(alice, "?verify=chain")
    audit_triggers.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE finops_auditentry SET reason = 'x' WHERE number = 2")
    audit_triggers.install(connection)
    assert "Entry 2 was changed after it was written." in page(alice, "?verify=chain")


def test_the_export_holds_the_same_rows_and_no_formula(entries, alice):
    text = alice.get("/audit-log/?format=csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["Entry"] for row in rows] == ["3", "2", "1"]
    assert rows[0]["Why"] == "'=cmd()"


@pytest.mark.parametrize("query", ["?page=9", "?verify=x", "?page=0", "?target=%00"])
def test_a_bad_address_is_one_sentence(entries, alice, query):
    assert alice.get(f"/audit-log/{query}").status_code == 400


def test_the_page_takes_as_many_queries_for_many_entries_as_for_few(
    entries, alice, django_assert_max_num_queries
):
    page(alice)
    with django_assert_max_num_queries(10):
        page(alice)
