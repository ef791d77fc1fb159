"""The API, the page, the command and SQL tell the same figure."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum
from django.test import Client
from django.test.utils import CaptureQueriesContext

from allocation.models import LedgerDay, RecognisedRevenue
from dashboards.context import current_freshness
from finops import clock
from finops.core.amounts import to_cents
from finops.core.periods import Window, parse_month
from finops.models import SettingOverride, Tenant, User
from ingestion.models import Load
from tests.api.conftest import V1, client_of
from tests.dashboards.world import person

COST = ("Usage", "Purchase", "Adjustment")


def pnl(client: Client, query: str) -> dict[str, Any]:
    response = client.get(f"{V1}/pnl?{query}")
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


def by_tenant(body: dict[str, Any]) -> dict[str | None, dict[str, Any]]:
    return {row["tenant"]: row for row in body["results"]}


def page_csv(path: str) -> list[dict[str, str]]:
    browser = Client()
    browser.force_login(
        User.objects.get(username="alice"), backend="django.contrib.auth.backends.ModelBackend"
    )
    text = browser.get(f"{path}format=csv").content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("month", ["2026-03", "2026-04"])
def test_cost_and_revenue_are_what_sql_sums(alice, month):
    window = Window.of_month(parse_month(month))
    rows = by_tenant(pnl(alice, f"period={month}&whole=true"))
    ledger = LedgerDay.objects.filter(day__gte=window.start, day__lt=window.end)
    revenue = RecognisedRevenue.objects.filter(day__gte=window.start, day__lt=window.end)
    slugs = {*Tenant.objects.values_list("slug", flat=True), None}
    assert set(rows) <= slugs
    for slug in slugs:
        cost = ledger.filter(tenant__slug=slug, charge_category__in=COST)
        wanted = cost.aggregate(total=Sum("effective_cost"))["total"] or Decimal(0)
        earned = revenue.filter(tenant__slug=slug).aggregate(total=Sum("amount"))["total"]
        row = rows.get(slug, {"cost": "0", "revenue": "0"})
        assert Decimal(row["cost"]) == wanted
        assert Decimal(row["revenue"]) == (earned or Decimal(0))


@pytest.mark.parametrize("month", ["2026-03", "2026-04"])
def test_rows_are_those_of_the_command(alice, month):
    out = io.StringIO()
    call_command("pnl", "--period", month, "--format", "json", stdout=out)
    told = {row["tenant"]: row for row in json.loads(out.getvalue())}
    rows = by_tenant(pnl(alice, f"period={month}&whole=true"))
    assert {slug or "(unallocated)" for slug in rows} == set(told)
    same = (
        *("revenue", "direct_cost", "shared_cost", "cost", "gross_profit", "gross_margin"),
        *("credits", "gross_profit_after_credits", "firm", "inferred", "fallback"),
        *("gross_margin_low", "gross_margin_high", "margin_goal"),
    )
    for slug, row in rows.items():
        other = told[slug or "(unallocated)"]
        assert {name: row[name] for name in same} == {name: other[name] for name in same}
        assert row["below_the_line"] == other["tax"]
        assert row["verdict"] == (other["verdict"] if slug else None)


@pytest.mark.parametrize("query", ["period=2026-03", "period=2026-04", "period=7d", "period=3m"])
def test_figures_are_those_of_the_page_to_the_cent(alice, query):
    body = pnl(alice, query)
    shown = {row["Tenant"]: row for row in page_csv(f"/tenants/?{query}&")}
    rows = {
        **{
            str(Tenant.objects.get(slug=slug)): row for slug, row in by_tenant(body).items() if slug
        },
        "Company": body["company"][0],
    }
    assert set(rows) - set(shown) == set()
    for name, row in rows.items():
        line = {key.partition(" (")[0]: value for key, value in shown[name].items()}
        assert Decimal(line["Revenue"] or "0") == to_cents(Decimal(row["revenue"]))
        assert Decimal(line["Cost"] or "0") == to_cents(Decimal(row["cost"]))
        if row["gross_margin"] is None:
            assert line["Margin"] == ""
            assert row["reason"]
        else:
            assert abs(Decimal(line["Margin"]) / 100 - Decimal(row["gross_margin"])) < Decimal(
                "0.0006"
            )


def test_columns_add_up_to_the_period(alice):
    whole = by_tenant(pnl(alice, "from=2026-03-01&to=2026-04-29&tenant=acme"))["acme"]
    for granularity in ("month", "day"):
        body = pnl(alice, f"from=2026-03-01&to=2026-04-29&tenant=acme&granularity={granularity}")
        assert body["company"] is None
        for name in ("revenue", "cost", "credits", "below_the_line", "firm"):
            parts = sum(Decimal(row[name]) for row in body["results"])
            assert parts == Decimal(whole[name]), name
    assert [
        (row["start"], row["end"])
        for row in pnl(alice, "from=2026-03-30&to=2026-04-02&tenant=acme&granularity=month")[
            "results"
        ]
    ] == [("2026-03-30", "2026-04-01"), ("2026-04-01", "2026-04-03")]


def test_the_period_ends_where_the_bills_end_unless_the_whole_is_asked_for(alice):
    Load.objects.filter(billing_period="2026-04-01").update(data_through="2026-04-30T05:00:00Z")
    cut, whole = pnl(alice, "period=2026-04"), pnl(alice, "period=2026-04&whole=true")
    assert (cut["end"], whole["end"]) == ("2026-04-30", "2026-05-01")
    assert cut["cost_through"] == whole["cost_through"] == "2026-04-29"


def test_where_a_bill_is_missing_no_margin_is_told(alice):
    Load.objects.filter(billing_period="2026-03-01").update(state="superseded")
    rows = by_tenant(pnl(alice, "period=2026-03"))
    assert rows["acme"]["revenue"] != "0"
    assert rows["acme"]["gross_profit"] is None
    assert rows["acme"]["gross_margin"] is None
    assert rows["acme"]["verdict"] is None
    assert rows["acme"]["reason"] == "no bill is loaded for 2026-03"
    beyond = by_tenant(pnl(alice, "period=2026-05&whole=true"))
    assert beyond == {}


def test_a_margin_without_revenue_is_null_with_its_reason(alice):
    row = by_tenant(pnl(alice, "period=2026-04"))["initech"]
    assert row["gross_margin"] is None
    assert row["reason"] == "no revenue is recognised in these days"
    assert row["verdict"] == "no revenue"


def test_shares_of_confidence_add_up(alice):
    for row in pnl(alice, "period=2026-04")["results"]:
        parts = [row[f"{band}_share"] for band in ("firm", "inferred", "fallback")]
        if None not in parts:
            assert sum(Decimal(part) for part in parts) == 1
        amounts = sum(Decimal(row[band]) for band in ("firm", "inferred", "fallback"))
        assert amounts == Decimal(row["direct_cost"])


def test_the_goal_of_a_tenant_is_its_own(alice):
    SettingOverride.objects.create(
        name="MARGIN_GOAL", tenant=Tenant.objects.get(slug="acme"), value="0.955", reason="a test"
    )
    rows = by_tenant(pnl(alice, "period=2026-04"))
    assert (rows["acme"]["margin_goal"], rows["globex"]["margin_goal"]) == ("0.955", "0.7")


def test_as_known_then(alice):
    assert pnl(alice, f"period=2026-04&as_of={clock.today()}") == pnl(alice, "period=2026-04")
    before = pnl(alice, "period=2026-04&as_of=2026-01-01")
    assert {row["cost"] for row in before["results"]} == {"0"}
    assert all(row["gross_margin"] is None for row in before["results"])


def test_charlie_sees_acme_and_never_what_adds_up_to_the_company(charlie):
    for query in ("period=2026-04", "period=2026-04&granularity=month", "period=90d"):
        body = pnl(charlie, query)
        assert {row["tenant"] for row in body["results"]} == {"acme"}
        assert body["company"] is None
    for slug in ("globex", "nowhere"):
        response = charlie.get(f"{V1}/pnl?tenant={slug}")
        assert response.status_code == 404
        assert f"no tenant '{slug}' that you may see" in response.json()["detail"]


def test_acme_is_the_same_for_charlie_and_for_finance(alice, charlie):
    query = "period=2026-04&tenant=acme"
    assert pnl(alice, query) == pnl(charlie, query)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("period=next-week", "period"),
        ("period=2026-13", "period"),
        ("period=2026-04&from=2026-04-01&to=2026-04-02", "period"),
        ("from=2026-04-01", "from"),
        ("from=2026-02-30&to=2026-03-01", "from"),
        ("from=2026-04-02&to=2026-04-01", "from"),
        ("granularity=hour", "granularity"),
        ("from=2026-01-01&to=2026-04-29&granularity=day&tenant=acme", "granularity"),
        ("from=2026-03-01&to=2026-04-29&granularity=day", "granularity"),
        ("from=2020-01-01&to=2026-04-29&granularity=month", "granularity"),
        ("as_of=2026-02-30", "as_of"),
        ("as_of=2027-01-01", "as_of"),
        ("whole=perhaps", "whole"),
        ("teant=acme", "teant"),
    ],
)
def test_a_question_that_cannot_be_answered_names_its_parameter(alice, query, parameter):
    response = alice.get(f"{V1}/pnl?{query}")
    assert response.status_code == 400, response.content
    assert [error["parameter"] for error in response.json()["errors"]] == [parameter]


def test_reconciliation_is_that_of_the_page_and_of_the_command_to_the_last_digit(alice):
    body = alice.get(f"{V1}/reconciliation").json()
    out = io.StringIO()
    call_command("reconcile", "--json", stdout=out)
    told = json.loads(out.getvalue())
    names = (
        *("source", "billing_period", "currency", "source_total", "ingested", "rejected"),
        *("allocated", "unallocated", "difference", "lines"),
    )
    assert [{name: row[name] for name in names} for row in body["results"]] == [
        {name: row[name] for name in names} for row in told
    ]
    for row, line in zip(body["results"], told, strict=True):
        assert sum(map(Decimal, row["residuals"].values())) == Decimal(line["residuals"])
    shown = [row for row in page_csv("/reconciliation/?") if row["Source"] != "Total"]
    for row, line in zip(body["results"], shown, strict=True):
        assert Decimal(line["Source total"]) == Decimal(row["source_total"])
        assert line["Period"] == row["billing_period"]
        assert row["status"] in line["Status"]
    assert body["reconciled"] is True


def test_reconciliation_of_one_month(alice):
    rows = alice.get(f"{V1}/reconciliation?billing_period=2026-03").json()["results"]
    assert [row["billing_period"] for row in rows] == ["2026-03"]
    assert alice.get(f"{V1}/reconciliation?billing_period=2025-01").json()["results"] == []


def test_sources_are_as_fresh_as_the_header_of_every_page_says(alice):
    body = alice.get(f"{V1}/sources").json()
    header = current_freshness()
    assert (body["fresh_count"], body["total"]) == (header.fresh_count, header.total)
    assert [(row["slug"], row["fresh"], row["reason"]) for row in body["results"]] == [
        (source.slug, source.fresh, source.reason) for source in header.sources
    ]
    bill = next(row for row in body["results"] if row["kind"] == "aws_cur")
    assert bill["data_through"] == "2026-05-01T00:00:00Z"
    assert bill["last_delivery_at"]
    assert bill["expected_every_hours"] == 36


@pytest.mark.parametrize(
    "path",
    [
        "pnl?period=2026-04",
        "pnl?from=2026-03-01&to=2026-04-29&granularity=month",
        "reconciliation",
        "sources",
    ],
)
def test_figures_take_as_many_queries_for_many_tenants_as_for_few(alice, path):
    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert alice.get(f"{V1}/{path}").status_code == 200
        return len(asked)

    count()  # the first use of a token is written down
    few = count()
    for number in range(20):
        Tenant.objects.create(
            slug=f"t{number}", name=f"T {number}", first_seen="2026-01-01T00:00:00Z"
        )
    assert count() == few <= 20


def test_a_token_of_an_inactive_group_sees_nothing(company):
    user = person("hugo", "finance")
    client = client_of(user)
    user.groups.clear()
    assert client.get(f"{V1}/pnl").status_code == 403
