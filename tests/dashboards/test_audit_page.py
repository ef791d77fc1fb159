"""The page of the audit log: filters, pages, exports, verification."""

from __future__ import annotations

import csv
import io
import re

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
    assert "Value: 0.7 → 0.6" in shown
    assert "Closed a month" in shown
    assert '<span class="cell-note">month.close</span>' in shown, "the raw name is the detail"
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
    began = audit.began()
    assert began
    since = f"since {began.day} {began:%b %Y %H:%M} UTC"
    shown = re.sub(r"<[^>]+>", "", page(alice, "?verify=chain"))
    assert f"all 3 entries of the log are as they were written, {since}." in shown
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
    assert (rows[2]["Did"], rows[2]["Verb as noted"]) == ("Closed a month", "month.close")
    assert rows[0]["After, as noted"] == '{"value":"0.6"}'
    assert len(rows[0]["SHA-256"]) == 64


@pytest.mark.parametrize("query", ["?page=9", "?verify=x", "?page=0", "?target=%00"])
def test_a_bad_address_is_one_sentence(entries, alice, query):
    assert alice.get(f"/audit-log/{query}").status_code == 400


def test_the_page_takes_as_many_queries_for_many_entries_as_for_few(
    entries, alice, django_assert_max_num_queries
):
    page(alice)
    with django_assert_max_num_queries(10):
        page(alice)


def test_the_filter_of_verbs_reads_in_words_and_asks_by_name(entries, alice):
    assert '<option value="month.close">Closed a month</option>' in page(alice)
