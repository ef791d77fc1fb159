"""The page Month close, and closed months on the other pages: figures, sentences, exports."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import Sum
from django.test import Client

from allocation.close_models import ClosedMonth, GlAccount, PriorPeriodAdjustment, ReportedPnl
from allocation.models import LedgerMonth
from finops.audit_models import AuditEntry
from ingestion.services import ingest
from tests.cur_export import Export, line
from tests.dashboards.world import april_lines, in_march

URL = "/month-close/"
ACCEPT = {
    "accept-bills": "invoiced next week",
    "reason": "the board meets tomorrow",
    "confirm": "yes",
}


def page(client: Client, query: str = "?period=2026-03", status: int = 200) -> str:
    response = client.get(f"{URL}{query}")
    assert response.status_code == status, response.content
    return response.content.decode()


def seen(client: Client) -> str:
    found = re.search(r'name="seen" value="([0-9a-f]{64})"', page(client))
    assert found
    return found[1]


@pytest.fixture
def closed(erin: Client) -> Client:
    response = erin.post(f"{URL}2026-03/close/", {**ACCEPT, "seen": seen(erin)})
    assert response.status_code == 302, response.content.decode()
    return erin


def dearer_march(tmp_path: Path) -> None:
    """March is delivered again: acme costs 1.25 more."""
    rows = [in_march(row) for row in april_lines()[:6]]
    rows.append(in_march(line("1.25", tenant="acme", day=5)))
    export = Export(
        rows, period="2026-03", execution="2026-04-30T16:24:15.653Z-2026-03-0002"
    ).write(tmp_path)
    assert ingest(kind="aws_cur", location=export).exit_code == 0


def test_the_oldest_month_that_waits_is_shown_first(alice):
    shown = page(alice, "")
    assert "March 2026 can be closed once 1 open item" in shown
    assert "A member of the group finance-lead or admin closes the month." in shown
    assert 'name="reason"' not in shown


def test_the_checklist_says_what_was_found_and_leads_on(erin):
    shown = page(erin)
    assert "the bill is provisional, not every line bears an invoice id" in shown
    assert 'href="/reconciliation/?period=2026-03"' in shown
    assert 'name="accept-bills"' in shown
    assert 'name="accept-reconciled"' not in shown
    open_month = page(erin, "?period=2026-04")
    assert "April 2026 cannot be closed yet: The month ends on 2026-05-01" in open_month
    assert 'type="submit">Close' not in open_month


def test_a_month_is_closed_with_its_reasons_and_the_page_says_so(closed):
    shown = page(closed)
    assert "March 2026 was closed on 30 Apr 2026 by erin." in shown
    assert "Accepted as open, bills: invoiced next week" in shown
    assert "the board meets tomorrow" in shown
    assert "which what is stored agrees with" not in shown
    assert "which what is stored agrees with" in page(closed, "?period=2026-03&verify=chain")
    ReportedPnl.objects.update(effective_cost=1)
    assert "is not what was closed" in page(closed, "?period=2026-03&verify=chain")
    assert AuditEntry.objects.get().verb == "month.close"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"accept-bills": ""}, "items of its checklist are open: bills have come and are final"),
        ({"reason": " "}, "on what grounds"),
        ({"confirm": ""}, "Confirm that you have seen the figures"),
        ({"seen": "0" * 64}, "changed since the page was loaded"),
    ],
)
def test_a_refused_close_keeps_what_was_typed(erin, changes, words):
    form = {**ACCEPT, "seen": seen(erin), **changes}
    response = erin.post(f"{URL}2026-03/close/", form)
    shown = response.content.decode()
    assert response.status_code == 409
    assert words in shown
    assert 'role="alert"' in shown
    for name in ("accept-bills", "reason"):
        assert f'name="{name}" value="{form[name]}"' in shown
    assert not ClosedMonth.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_second_click_is_told_and_changes_nothing(closed):
    again = closed.post(f"{URL}2026-03/close/", ACCEPT)
    assert again.status_code == 409
    assert b"2026-03 is closed already: erin did it" in again.content
    assert ClosedMonth.objects.count() == 1


def test_a_month_opens_again_with_a_reason(closed):
    assert closed.post(f"{URL}2026-03/reopen/", {"reason": ""}).status_code == 409
    done = closed.post(f"{URL}2026-03/reopen/", {"reason": "a wrong rate"}, follow=True)
    assert b"March 2026 is open again" in done.content
    assert [row.verb for row in AuditEntry.objects.all()] == ["month.reopen", "month.close"]


def statement(client: Client, query: str, tenant: str = "acme") -> dict[str, list[str]]:
    text = client.get(f"/tenants/{tenant}/?{query}&format=csv").content.decode("utf-8-sig")
    head, *rows = list(csv.reader(io.StringIO(text)))
    return {row[0]: row[1:] for row in rows} | {"": head[1:]}


def test_a_statement_shows_closed_months_as_reported_beside_restated(closed, tmp_path):
    before = statement(closed, "period=2026-03")["Cost of revenue"]
    dearer_march(tmp_path)
    both = "from=2026-03-01&to=2026-04-30&granularity=month"
    restated, reported = (statement(closed, f"{both}{basis}") for basis in ("", "&basis=reported"))
    assert restated[""][0].startswith("Mar 2026 closed 30 Apr")
    assert reported["Cost of revenue"][0] == before[0]
    assert Decimal(restated["Cost of revenue"][0]) - Decimal(before[0]) == Decimal("1.25")
    assert reported["Prior-period adjustments"][:2] == ["0.00", "1.25"]
    assert restated["Cost of revenue"][-1] == reported["Cost of revenue"][-1]
    shown = closed.get(f"/tenants/acme/?{both}").content.decode()
    assert "March 2026 was closed on 30 Apr 2026 by erin; cost as reported" in shown
    assert "since changed by" in shown
    told = closed.get(f"/tenants/acme/?{both}&basis=reported").content.decode()
    assert "April 2026 bears prior-period adjustments of March 2026" in told
    beneath = closed.get(
        f"/tenants/acme/services/?{both}&basis=reported&category=Prior-period+adjustments"
    ).content.decode()
    assert "1 adjustment of closed months is booked in" in beneath
    assert "+1.25" in beneath


def test_pages_are_as_reported_to_the_cent_of_the_ledger_sql_and_the_command(
    closed, tmp_path, capsys
):
    from django.core.management import call_command

    dearer_march(tmp_path)
    text = closed.get("/tenants/?period=2026-03&basis=reported&format=csv").content.decode(
        "utf-8-sig"
    )
    rows = {row["Tenant"]: row for row in csv.DictReader(io.StringIO(text))}
    call_command("pnl", period="2026-03", basis="reported", format="csv")
    told = {row["tenant"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    ledger = LedgerMonth.objects.filter(month="2026-03-01", tenant__slug="acme")
    now = ledger.aggregate(total=Sum("effective_cost"))["total"]
    changed = PriorPeriodAdjustment.objects.aggregate(total=Sum("effective_cost"))["total"]
    assert Decimal(told["acme"]["cost"]) == now - changed
    shown = next(value for name, value in rows["Acme"].items() if name.startswith("Cost"))
    assert abs(Decimal(shown) - (now - changed)) <= Decimal("0.005")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/tenants/?from=2026-03-05&to=2026-04-02&basis=reported", "kept by whole months"),
        ("/tenants/acme/?period=2026-03&granularity=day&basis=reported", "kept by month"),
        ("/tenants/?period=2026-03&basis=reported&as_of=2026-04-29", "do not change with time"),
        ("/tenants/?basis=guessed", "is not a choice"),
        ("/month-close/?period=soon", "is not a"),
    ],
)
def test_what_was_not_stored_is_refused_in_one_sentence(closed, url, words):
    response = closed.get(url)
    assert response.status_code == 400
    assert words in response.content.decode()


def test_the_overview_tells_reported_months_too(closed):
    assert closed.get("/?period=2026-03&basis=reported").status_code == 200
    mixed = closed.get("/?from=2026-04-01&to=2026-04-20&basis=reported").content.decode()
    assert "figures as reported are kept by whole months" in mixed


def test_the_switch_stands_only_where_a_month_is_closed(erin):
    assert "As reported</a>" not in erin.get("/tenants/?period=2026-03").content.decode()
    erin.post(f"{URL}2026-03/close/", {**ACCEPT, "seen": seen(erin)})
    assert "As reported</a>" in erin.get("/tenants/?period=2026-03").content.decode()
    assert "As reported</a>" not in erin.get("/tenants/?period=2026-04").content.decode()


def test_the_journal_comes_as_a_file_or_the_page_says_which_account_is_missing(closed):
    told = closed.get(f"{URL}2026-03/journal.csv", follow=True)
    assert b"No expense account takes Amazon Web Services, Compute, Usage, billed" in told.content
    GlAccount.objects.create(role="suspense", account="9999")
    file = closed.get(f"{URL}2026-03/journal.csv")
    assert file["Content-Disposition"] == 'attachment; filename="journal_2026-03.csv"'
    rows = list(csv.DictReader(io.StringIO(file.content.decode())))
    debit = sum(Decimal(row["debit"] or 0) for row in rows)
    assert debit == sum(Decimal(row["credit"] or 0) for row in rows) > 0


def test_the_page_takes_as_many_queries_for_many_rows_as_for_few(
    closed, tmp_path, django_assert_max_num_queries
):
    for query in ("?period=2026-03", "?period=2026-04"):
        page(closed, query)
        with django_assert_max_num_queries(95):
            page(closed, query)
