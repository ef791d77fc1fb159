"""Every name that explains a bill is planted once, and page, command and API tell it with the same amount."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils.html import strip_tags
from hypothesis import given
from hypothesis import strategies as st

from allocation.checks.reconciled import Reconciled
from allocation.core.checks import Asked, CheckState
from allocation.models import BridgeStep, PnlMonth
from allocation.reconciling import provider_months
from dashboards.numbers import FIGURE_SPACE, exact_money
from finops import clock
from finops.alerting import check_all, open_alerts
from finops.core.amounts import EXACT, exact_sum
from finops.core.focus import ChargeCategory, CostKind, Granularity, ServiceCategory
from finops.core.fx import Quote
from finops.fx import write_quotes
from ingestion.cloudflare_models import BillableUsage
from ingestion.core.charge_line import ChargeLine
from ingestion.core.invoices import Bill, Line
from ingestion.invoice_models import Invoice
from ingestion.invoices import invoiced_shares, take_bills
from ingestion.made_load import Made, load_made
from ingestion.models import Load, Source
from ingestion.services import ingest
from tests.api.conftest import V1, client_of
from tests.dashboards.conftest import BACKEND
from tests.dashboards.world import person
from tests.focus_files import row, write

APRIL = date(2026, 4, 1)
NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
SNOWLINE = [
    row("10.000000001"),
    row("2.5", ChargeCategory="Tax"),
    row("-1.25", ChargeCategory="Credit", Tags=""),
    row("-0.75", ChargeCategory="Adjustment", ChargeClass="Correction"),
    row("3.125", ChargePeriodEnd="not a time"),
]


def invoiced(number: str, amount: str, currency: str = "USD", **more: Any) -> None:
    line = Line(
        description="R2",
        service_name="R2",
        service_category=ServiceCategory.STORAGE,
        charge_category=ChargeCategory.USAGE,
        service_start=APRIL,
        service_end=date(2026, 5, 1),
        amount=Decimal(amount),
    )
    bill = Bill("Cloudflare", number, date(2026, 5, 2), currency, (line,), **more)
    take_bills(bills=[bill])


def estimated(amount: str) -> None:
    start = datetime(2026, 4, 29, tzinfo=UTC)
    one = ChargeLine(
        billing_period_start=APRIL,
        charge_period_start=start,
        charge_period_end=start + timedelta(hours=1),
        granularity=Granularity.HOUR,
        service_provider_name="Snowline",
        service_name="Clusters",
        service_category=ServiceCategory.DATABASES,
        billed_cost=Decimal(amount),
        effective_cost=Decimal(amount),
        billing_currency="USD",
    )
    made = Made("estimate", "snow", "estimate-snow", "Snowline (estimated)", "Snowline", "x")
    load_made(made, billing_period=APRIL, lines=[one], kind=CostKind.ESTIMATED)


@pytest.fixture
def world(db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    folder = tmp_path / "snowline"
    write(folder / "april.csv", SNOWLINE)
    ingest(kind="focus", location=folder)
    write(folder / "april.csv", [row("10.500000001"), *SNOWLINE[1:]])
    ingest(kind="focus", location=folder)
    estimated("4.5")
    write_quotes(quotes=[Quote(date(2026, 4, 2), "EUR", "USD", Decimal("1.1"), "test")])
    invoiced("CF-1", "100.10")
    settled = {"settled_rate": Decimal("1.2"), "settled_currency": "USD"}
    invoiced("CF-2", "50", "EUR", **settled, settled_on=date(2026, 5, 5))
    source = Source.objects.get(slug="invoices-cloudflare")
    BillableUsage.objects.create(
        source=source,
        account="a" * 32,
        day=date(2026, 4, 3),
        metric_name="Some metric",
        quantity=Decimal(1),
        billed_cost=Decimal("100.00"),
        currency="USD",
    )


def by_command() -> list[dict[str, Any]]:
    out = StringIO()
    call_command("reconcile", by="provider", period="2026-04", json=True, stdout=out)
    told: list[dict[str, Any]] = json.loads(out.getvalue())
    return told


def words(page: str) -> str:
    """The page's text; figure spaces, which align points, are left out."""
    return " ".join(strip_tags(page.replace(FIGURE_SPACE, "")).split())


@pytest.mark.usefixtures("world")
def test_page_command_and_api_tell_every_residual_by_its_name_with_one_amount():
    told = {(one["provider"], one["currency"]): one for one in by_command()}
    assert set(told) == {("Snowline", "USD"), ("Cloudflare", "USD"), ("Cloudflare", "EUR")}
    snow, dollars, euros = (
        told["Snowline", "USD"],
        told["Cloudflare", "USD"],
        told["Cloudflare", "EUR"],
    )
    assert snow["parts"] == {
        "usage": "10.500000001",
        "promotional credits": "-1.25",
        "refunds": "-0.75",
        "tax": "2.5",
    }
    assert (snow["source_total"], snow["rejected"]) == ("14.125000001", "3.125")
    assert (snow["allocated"], snow["unallocated"]) == ("12.25", "-1.25")
    assert snow["residuals"] == {"rounding to 8 decimals": "0.000000001"}
    assert snow["beside"]["estimated beyond the bill"] == "4.5"
    assert snow["beside"]["came late"] == "0.5"
    # Paid at 1.2 where April is converted at 1.1.
    assert Decimal(euros["beside"]["exchange differences in USD"]) == 5
    evidence = {
        (name, one["told_by"]): (Decimal(one["total"]), Decimal(one["difference"]))
        for name, bill in (("snow", snow), ("usd", dollars), ("eur", euros))
        for one in bill["evidence"]
        if one["total"] is not None
    }
    assert evidence == {
        ("snow", "files"): (Decimal("11.000000001"), 0),
        ("usd", "invoices"): (Decimal("100.10"), 0),
        ("usd", "billable usage (API)"): (Decimal("100.00"), Decimal("0.10")),
        ("eur", "invoices"): (Decimal(50), 0),
    }
    for one in told.values():
        assert (one["unexplained"], one["unnamed"], one["is_explained"], one["gaps"]) == (
            "0",
            "0",
            True,
            [],
        )
        named = map(Decimal, [one["rejected"], one["allocated"], one["unallocated"]])
        residuals = map(Decimal, one["residuals"].values())
        assert exact_sum([*named, *residuals]) == Decimal(one["source_total"])
        parts = exact_sum(map(Decimal, one["parts"].values()))
        assert parts == Decimal(one["ingested"])

    alice = person("alice", "finance")
    answer = client_of(alice).get(f"{V1}/reconciliation/providers?billing_period=2026-04").json()
    assert (answer["reconciled"], answer["results"]) == (True, by_command())

    signed_in = Client()
    signed_in.force_login(alice, backend=BACKEND)
    page = words(signed_in.get("/reconciliation/?period=2026-04").content.decode())
    assert "Every cent is accounted for: 3 bills of 2 providers" in page
    for amount in (
        *snow["parts"].values(),
        *snow["residuals"].values(),
        *(amount for one in told.values() for amount in one["beside"].values()),
        *(one[name] for one in told.values() for name in ("source_total", "allocated")),
        *(one["total"] or "0" for bill in told.values() for one in bill["evidence"]),
    ):
        if Decimal(amount):
            assert words(exact_money(Decimal(amount))) in page, amount
    for name in (
        *("Tax", "Promotional credits", "Refunds", "Rejected", "Rounding to 8 decimals"),
        *("Not in the bill: estimated beyond it", "Came late", "Exchange differences in USD"),
    ):
        assert name in page, name


@pytest.mark.usefixtures("world")
def test_nothing_is_an_alert_while_every_name_explains_its_amount():
    check_all(now=NOW)
    assert [one.sentence for one in open_alerts() if one.kind == "unexplained-cent"] == []
    asked = Asked(APRIL, NOW, None)
    assert Reconciled().look(asked).state is CheckState.OK


def lose_a_part() -> None:
    BridgeStep.objects.filter(step="tax").update(billed_cost="2.49")


def lose_of_the_ledger() -> None:
    rows = PnlMonth.objects.filter(service_provider_name="Snowline", charge_category="Credit")
    one = rows.get()
    one.billed_cost -= Decimal("0.01")
    one.save()


def ask_for_more() -> None:
    Invoice.objects.filter(invoice_id="CF-1").update(total=Decimal("100.11"))


def lose_an_invoice() -> None:
    Load.objects.filter(source__slug="invoices-cloudflare").update(state=Load.State.SUPERSEDED)


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("plant", "sentence", "amount"),
    [
        (lose_a_part, "kinds of charges it is made of differ by 0.01 USD", "0.01"),
        (lose_of_the_ledger, "no longer holds what was committed: it differs by 0.01 USD", "0.01"),
        (ask_for_more, "the total from invoices differ by -0.01 USD", "-0.01"),
        (lose_an_invoice, "the total from invoices differ by -100.1 USD", "-100.1"),
    ],
)
def test_an_unexplained_cent_is_an_alert_with_its_amount(plant, sentence, amount):
    plant()
    check_all(now=NOW)
    (alert,) = [one for one in open_alerts() if one.kind == "unexplained-cent"]
    assert sentence in alert.sentence
    assert alert.evidence["difference"] == amount
    if plant is lose_of_the_ledger:
        return  # of the totals of bills this is no difference; the alert alone sees it
    assert Reconciled().look(Asked(APRIL, NOW, None)).state is CheckState.OPEN
    with pytest.raises(CommandError, match="differ"):
        by_command()
    (apart,) = [bill for bill in provider_months(APRIL) if not bill.is_explained]
    (gap,) = apart.gaps
    assert gap.amount == Decimal(amount)
    client = Client()
    client.force_login(person("alice", "finance"), backend=BACKEND)
    page = words(client.get("/reconciliation/?period=2026-04").content.decode())
    assert f"1 of 3 bills differs: {apart.key.provider} 2026-04 by " in page
    assert "What is not explained" in page


@pytest.mark.django_db
def test_a_month_with_an_estimate_and_no_bill_says_what_it_has(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    estimated("4.5")
    client = Client()
    client.force_login(person("alice", "finance"), backend=BACKEND)
    for period in ("", "?period=2026-04"):
        page = words(client.get(f"/reconciliation/{period}").content.decode())
        assert "No bill has come yet: Snowline 2026-04, 4.50 USD estimated beyond the bill." in page
        assert "No billing period is loaded yet" not in page
        assert "April 2026" in page
    page = words(client.get("/reconciliation/?period=2026-03").content.decode())
    assert "No bill of this period has come" in page


@pytest.mark.django_db
@given(
    amounts=st.lists(st.decimals(-10_000, 10_000, places=8), min_size=1, max_size=4),
    days=st.integers(1, 120),
    off=st.decimals(-10, 10, places=8),
)
def test_the_shares_of_an_invoice_sum_to_its_total_whatever_its_lines_say(amounts, days, off):
    Invoice.objects.all().delete()
    invoice = Invoice.objects.create(
        service_provider_name="X",
        invoice_id="1",
        issued_on=APRIL,
        currency="USD",
        total=EXACT.add(exact_sum(amounts), off),
        changed_at=NOW,
    )
    for amount in amounts:
        invoice.lines.create(
            description="x",
            service_name="x",
            service_start=APRIL,
            service_end=APRIL + timedelta(days=days),
            amount=amount,
        )
    assert exact_sum(one.amount for one in invoiced_shares()) == invoice.total
