"""Figures of Month close: rows that foot, the days that they are of, and the rates behind them; the account map."""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from decimal import Decimal

import openpyxl
import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from allocation.books import book_revenue_changes
from allocation.close_models import GlAccount
from allocation.close_selectors import month_figures
from allocation.core.closing import EXCHANGE, PRIOR_PERIOD
from allocation.core.pnl import Pnl
from allocation.models import RecognisedRevenue
from dashboards.numbers import money
from dashboards.presenters.close import figures_table, reach_note
from dashboards.views import close as views_close
from finops.core.amounts import exact_sum
from finops.core.focus import ChargeCategory, ServiceCategory
from finops.core.fx import Quote
from finops.core.periods import Window
from finops.fx import write_quotes
from ingestion.core.invoices import Bill, Line
from ingestion.invoices import take_bills
from tests.allocation.closing import close, earned
from tests.dashboards.world import person

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
exact = st.decimals("-1000", "1000", places=8, allow_nan=False, allow_infinity=False)


@given(
    exact,
    exact,
    st.dictionaries(st.sampled_from(["Compute", "Storage", PRIOR_PERIOD, EXCHANGE]), exact),
    st.dictionaries(st.sampled_from(["Compute", "Storage", "Networking"]), exact),
)
def test_the_shown_rows_add_up_to_the_shown_sums_in_every_column(own, borne, then, now):
    reported = Pnl(revenue=own + borne, direct=then)
    table = figures_table(reported, Pnl(revenue=own, direct=now), "USD", borne_revenue=borne)
    parts: list[tuple[Decimal, ...]] = []
    for row in table.rows:
        values = tuple(
            cell.value if isinstance(cell.value, Decimal) else Decimal(0) for cell in row.cells[1:]
        )
        if row.kind == "part":
            parts.append(values)
        elif row.cells[0].value in {"Revenue", "Cost of revenue"}:
            for place in range(3) if parts else ():
                assert exact_sum(part[place] for part in parts) == values[place]
            parts = []
    labels = [row.cells[0].value for row in table.rows]
    assert ("Prior-period adjustments of revenue" in labels) == bool(borne)
    for name in (PRIOR_PERIOD, EXCHANGE):
        assert (name in labels) == (name in then)


@pytest.mark.parametrize(
    ("last", "is_over", "words"),
    [
        (date(2026, 4, 29), False, "through 29 Apr, the last day whose cost has come: April 2026"),
        (date(2026, 4, 20), True, "come through 20 Apr, and the revenue is the whole month's"),
        (date(2026, 4, 30), True, ""),
        (date(2026, 3, 31), False, "No whole day of cost of April 2026 has come yet"),
        (None, False, "No whole day"),
    ],
)
def test_a_month_says_until_when_its_figures_are(last, is_over, words):
    said = reach_note(APRIL, last, is_over=is_over)
    assert words in said
    assert bool(said) == bool(words)


def cells(client: Client, period: str) -> dict[str, list[str]]:
    shown = client.get(f"/month-close/?period={period}").content.decode()
    table = shown[shown.index('id="figures-title"') :]
    found = {}
    for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL):
        texts = [
            " ".join(re.sub(r"<[^>]+>", " ", cell).split())
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        found[texts[0]] = texts[1:]
    return found


def test_an_open_month_sets_revenue_against_cost_of_the_same_days(
    alice: Client, monkeypatch: pytest.MonkeyPatch
):
    reach = date(2026, 4, 20)
    monkeypatch.setattr(views_close, "last_whole_day", lambda: reach)
    so_far = month_figures(Window(APRIL, date(2026, 4, reach.day + 1)))
    whole = month_figures(Window.of_month(APRIL))
    assert so_far.revenue < whole.revenue
    rows = cells(alice, "2026-04")
    assert rows["Revenue"][0] == money(so_far.revenue)
    assert rows["Cost of revenue"][0] == money(so_far.cost)
    shown = alice.get("/month-close/?period=2026-04").content.decode()
    assert "Cost and revenue through 20 Apr" in re.sub(r"<[^>]+>", "", shown)
    months = shown[shown.index('id="months-title"') : shown.index('id="checklist-title"')]
    assert money(so_far.revenue) in months
    assert money(whole.revenue) not in months


def test_what_a_month_bears_of_earlier_revenue_is_a_row_of_its_own(erin: Client):
    close(MARCH, person("carol", "admin"))
    before = cells(erin, "2026-04")
    row = RecognisedRevenue.objects.filter(day__gte=MARCH, day__lt=APRIL).first()
    assert row is not None
    amount = row.amount
    row.delete()
    book_revenue_changes(why="A credit note came.")
    after = cells(erin, "2026-04")
    assert "Prior-period adjustments of revenue" not in before
    assert after["Revenue of the month"] == before["Revenue"]
    assert Decimal(
        after["Prior-period adjustments of revenue"][0].replace("−", "-").replace(",", "")
    ) == -amount.quantize(Decimal("0.01"))


def test_adjustments_that_are_not_shown_are_in_the_total_all_the_same(
    euros: Client, monkeypatch: pytest.MonkeyPatch
):
    close(MARCH, person("carol", "admin"))
    for amount in ("90", "120", "130.123"):
        stamps(amount)
    monkeypatch.setattr(views_close, "_SHOWN_ADJUSTMENTS", 1)
    shown = euros.get("/month-close/?period=2026-03").content.decode()
    table = re.sub(r"<[^>]+>", " ", shown[shown.index("adjustments-title") :])
    words = " ".join(table.split())
    assert "+11.01 1.0875 10.123 EUR TSA, Security, Usage" in words
    assert "2 older ones +21.75 20.00 EUR" in words
    assert "Total +32.76 30.123 EUR" in words


@pytest.fixture
def euros(erin: Client) -> Client:
    write_quotes(quotes=[Quote(date(2026, 3, 9), "EUR", "USD", Decimal("1.0875"), "ECB")])
    stamps("100")
    earned(MARCH, "10", invoice="P-1", currency="GBP")
    return erin


def stamps(amount: str) -> None:
    line = Line(
        description="Stamps",
        service_name="Time stamps",
        service_category=ServiceCategory.SECURITY,
        charge_category=ChargeCategory.USAGE,
        service_start=MARCH,
        service_end=APRIL,
        amount=Decimal(amount),
        tenant="acme",
    )
    take_bills(bills=[Bill("TSA", "1", APRIL, "EUR", (line,))])


@pytest.mark.parametrize(
    "url",
    [
        "/tenants/?period=2026-03",
        "/tenants/acme/?period=2026-03",
        "/tenants/acme/services/?period=2026-03&category=Security",
        "/?period=2026-03",
    ],
)
def test_a_download_names_the_rates_of_its_figures_and_what_has_none(euros: Client, url: str):
    text = euros.get(f"{url}&format=csv").content.decode("utf-8-sig")
    *table, rate, missing = csv.reader(io.StringIO(text))
    assert rate == [
        "Exchange rate: 1 EUR = 1.0875 USD, average of Mar 2026 (ECB): 100.00 EUR of cost."
    ]
    assert missing == [
        "In no figure: 10.00 GBP of revenue of Mar 2026, because no rate from GBP to USD is known."
    ]
    book = openpyxl.load_workbook(io.BytesIO(euros.get(f"{url}&format=xlsx").content))
    sheet = book.active
    assert sheet is not None
    assert [sheet.cell(sheet.max_row - 1, 1).value, sheet.cell(sheet.max_row, 1).value] == [
        *rate,
        *missing,
    ]
    assert sheet.max_row == len(table) + 2
    assert {cell.value for cell in sheet[sheet.max_row][1:]} == {None}


def test_month_close_names_the_rates_of_a_closed_month_on_the_page_and_in_its_download(
    euros: Client,
):
    close(MARCH, person("carol", "admin"))
    shown = euros.get("/month-close/?period=2026-03").content.decode()
    assert "100.00 EUR of cost at 1.0875 (average of Mar 2026)" in re.sub(r"<[^>]+>", "", shown)
    assert "no rate from GBP to USD is known" in shown
    text = euros.get("/month-close/?period=2026-03&format=csv").content.decode("utf-8-sig")
    assert "1 EUR = 1.0875 USD, average of Mar 2026 (frozen at the close)" in text


def test_the_account_map_offers_what_can_match_and_keeps_what_is_chosen(
    company: None, as_person, admin_user
):
    client = as_person(admin_user)
    form = client.get("/admin/allocation/glaccount/add/").content.decode()
    for choice in ("Compute", "Tax", "true-up", "exchange differences"):
        assert choice in form
    assert '<option value="Amazon Web Services">' in form
    sent = {
        "role": "exchange",
        "service_provider_name": "Amazon Web Services",
        "service_category": "",
        "charge_category": "",
        "kind": "",
        "account": "5980",
        "note": "FX",
    }
    assert client.post("/admin/allocation/glaccount/add/", sent).status_code == 302
    refused = client.post(
        "/admin/allocation/glaccount/add/", {**sent, "service_category": "Computing"}
    )
    assert "is not one of the available choices" in refused.content.decode()
    row = GlAccount.objects.get()
    assert (row.role, row.service_provider_name, row.account) == (
        *("exchange", "Amazon Web Services"),
        "5980",
    )
    listed = client.get("/admin/allocation/glaccount/").content.decode()
    assert "exchange differences" in listed
    assert (
        "what invoices paid at another rate cost more"
        not in listed.split("<tbody>")[1].split("</tbody>")[0]
    )
