"""Time stamps: the sentence, the tables, the chart, and one figure in page, download, API, command and SQL."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models import Sum

from allocation.models import LedgerDay
from finops import clock
from finops.core.amounts import exact_sum, to_cents
from ingestion.core.tsa import Status
from ingestion.estimating import estimate
from ingestion.tsa_models import TsaDay, TsaToken
from ingestion.tsa_selectors import stamp_month
from tests.api.conftest import client_of
from tests.dashboards.stamps import SAVED, load_stamps
from tests.dashboards.test_pages import download, html, sheet, words
from tests.dashboards.world import person
from tests.ingestion.stamps import record, take

PAGE = "/time-stamps/"
APRIL, MARCH = f"{PAGE}?period=2026-04", f"{PAGE}?period=2026-03"
ACME = 21 * 20 + 8 * 5
"""April's tokens up to the 29th: 21 weekdays and 8 days of a weekend."""
ALL = ACME + 29 * 5
END = ALL + 26
"""And the 30th, a weekday, with half of the newest hour, of whose two halves only one is in."""


@pytest.fixture
def stamps(company) -> None:
    load_stamps()


def test_the_sentence_says_use_projection_and_verdict(stamps, alice):
    page = words(alice, APRIL)
    # 1 Jan to 30 Apr 12:00 are 119.5 of 365 days of 7,300 tokens.
    so_far = TsaDay.objects.aggregate(total=Sum("tokens"))["total"]
    share = Decimal(100 * so_far * 365) / (Decimal("119.5") * 7300)
    assert (
        f"{so_far:,} tokens since 1 Jan 2026 are {share:.1f} % of the commitment prorated" in page
    )
    assert f"April 2026 has {ALL} tokens so far and will end with about {END}" in page
    assert "above the 600 that are the month's part of the commitment" in page
    assert SAVED in page
    assert "(MAPE)" in page


def test_a_month_gone_by_is_told_as_it_was(stamps, alice):
    page = words(alice, MARCH)
    assert "March 2026 had 640 tokens, above the 620 that are" in page
    assert "MAPE" not in page


def test_page_download_api_command_and_sql_have_one_figure(stamps, alice):
    rows, book = download(alice, APRIL), sheet(alice, APRIL)
    assert len(rows) == len(book) == 1 + 3 + 1
    head, *every = rows
    table = {row[0]: dict(zip(head, row, strict=False)) for row in every}
    assert [row[0] for row in every] == ["Acme", "Globex", "Nobody's", "All tenants"]
    acme = table["Acme"]
    in_sql = TsaToken.objects.filter(tenant="acme", status__lte=1, at__month=4).count()
    assert int(acme["Tokens"]) == in_sql == ACME
    assert f">{ACME}<" in html(alice, APRIL).replace("\n", "")
    api = client_of(person("arthur", "finance")).get("/api/v1/tsa/usage?month=2026-04").json()
    told = {one["tenant"]: one for one in api["tenants"]}
    assert told["acme"]["tokens"] == ACME
    assert told["acme"]["duplicates"] == int(acme["Duplicates"]) == 29
    assert told["acme"]["rejections"] == int(acme["Rejections"]) == 1
    assert told["acme"]["tokens_per_1000_assets"] == "306.666667"
    assert acme["Per 1,000 assets"] == "306.67"
    cost = exact_sum(Decimal(one["costs"][0]["amount"]) for one in api["tenants"])
    assert cost == Decimal(api["contracts"][0]["cost"])
    assert to_cents(cost) == Decimal(table["All tenants"]["Cost (USD)"])
    assert acme["Cost (USD)"] == f"{to_cents(Decimal(told['acme']['costs'][0]['amount'])):f}"
    out = StringIO()
    call_command("tsa", period="2026-04", format="json", stdout=out)
    assert json.loads(out.getvalue())["tenants"] == api["tenants"]


def test_the_cost_is_the_fee_of_the_month_at_the_expected_rate(stamps, alice):
    api = client_of(person("arthur", "finance")).get("/api/v1/tsa/usage").json()
    (contract,) = api["contracts"]
    # 30 of 365 days of 730 USD are 60 USD, for the tokens that the month is expected to end with.
    assert Decimal(contract["cost"]) == round(Decimal(60) * ALL / (END), 8)
    march = client_of(person("anna", "finance")).get("/api/v1/tsa/usage?month=2026-03").json()
    assert march["contracts"][0]["cost"] == "62"


def test_page_and_ledger_have_one_figure_of_an_open_month(stamps, alice, monkeypatch):
    # In the middle of an hour that has tokens already, which no estimate holds yet.
    now = datetime(2026, 4, 29, 19, 40, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    estimate()
    (contract,) = stamp_month(date(2026, 4, 1), now=now).contracts
    ledger = LedgerDay.objects.filter(service_provider_name="TSA", day__gte=date(2026, 4, 1))
    assert contract.priced < contract.tokens
    assert contract.cost == pytest.approx(
        exact_sum(row.effective_cost for row in ledger), abs=Decimal("0.0000005")
    )
    assert contract.cost > 50
    by_tenant = dict(
        ledger.exclude(tenant=None)
        .values_list("tenant__slug")
        .annotate(total=Sum("effective_cost"))
    )
    shown = {one.slug: one.costs["USD"] for one in stamp_month(date(2026, 4, 1), now=now).tenants}
    for slug, amount in by_tenant.items():
        assert shown[slug] == pytest.approx(amount, abs=Decimal("0.0000005"))


def test_rejections_are_told_by_reason(stamps, alice):
    at = datetime(2026, 4, 20, 8, tzinfo=UTC)
    take(
        *(
            record(9000 + number, at=at, status=Status.REJECTION, failure=failure)
            for number, failure in enumerate((0, 0, 15, 26))
        )
    )
    assert (
        "5 requests rejected: 2 badAlg (the algorithm is not supported), 1 unacceptedPolicy (the policy is not "
        "supported), 1 bit 26 (RFC 3161 does not name it), 1 without a reason that is known."
    ) in words(alice, APRIL)


def test_the_chart_holds_what_the_table_holds(stamps, alice):
    (text,) = re.findall(
        r'<script id="figure-stamps" type="application/json">(.*?)</script>', html(alice, APRIL)
    )
    traces = {trace["name"]: trace for trace in json.loads(text)["data"]}
    assert set(traces) == {"Low", "High", "Projected", "Tokens", "Commitment"}
    assert traces["Tokens"]["y"][-1] == traces["Projected"]["y"][0] <= ALL
    assert traces["Projected"]["y"][-1] == END
    assert traces["Low"]["y"][-1] <= END <= traces["High"]["y"][-1]
    assert traces["Commitment"]["y"][-1] == 600


def test_a_month_far_beyond_the_newest_token_is_not_projected(stamps, alice):
    page = words(alice, f"{PAGE}?period=2099-12")
    assert "will end with" not in page
    assert "No time-stamp token is known for December 2099." in page


def test_without_a_token_the_page_says_how_they_come(alice):
    page = words(alice, PAGE)
    assert "No time-stamp token is known for April 2026." in page
    assert "POST /api/v1/tsa/tokens" in page


def test_the_page_asks_the_database_the_same_whatever_there_is(stamps, alice):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    alice.get(APRIL)  # what the first request alone asks
    with CaptureQueriesContext(connection) as few:
        alice.get(APRIL)
    from tests.ingestion.stamps import record, take

    take(*(record(n, tenant=f"tenant-{n}") for n in range(60)))
    with CaptureQueriesContext(connection) as many:
        alice.get(APRIL)
    assert len(many) == len(few) <= 30


def test_the_command_prints_the_month_and_refuses_what_is_none(stamps):
    from django.core.management.base import CommandError

    out = StringIO()
    call_command("tsa", stdout=out)
    assert "Projection:" in out.getvalue()
    assert "(MAPE)" in out.getvalue()
    with pytest.raises(CommandError, match="is not a month"):
        call_command("tsa", period="April")
