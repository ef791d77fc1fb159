"""Reconciliation by provider: what a bill is made of, what became of it, and who else tells its total."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from allocation.core.figures import ReconciliationRow
from allocation.core.reconcile import PARTS, BillKey, StepAmount, Told, by_provider
from allocation.reconciling import provider_months
from finops.core.amounts import exact_sum
from finops.core.focus import CostKind, Granularity, ServiceCategory
from ingestion.cloudflare_models import BillableUsage
from ingestion.core import aws_cur_columns as cur
from ingestion.core.charge_line import ChargeLine
from ingestion.made_load import Made, load_made
from ingestion.models import LoadTotal, Source
from tests.cur_export import Export, line
from tests.ingestion.bills import load

APRIL = date(2026, 4, 1)
ROW = ReconciliationRow(
    source="aws",
    source_name="AWS bill",
    billing_period=APRIL,
    currency="USD",
    source_total=Decimal("10.5"),
    ingested=Decimal(10),
    rejected=Decimal("0.5"),
    allocated=Decimal(7),
    unallocated=Decimal(3),
    residuals={"rounding to 8 decimals": Decimal(0)},
    lines=4,
    rejected_lines=1,
    provider="AWS",
)
KEY = BillKey("AWS", APRIL, "USD")


def typed(kind: str, cost: str, **cells: str) -> dict[str, str]:
    return line(cost, **{cur.LINE_TYPE: kind, **cells})


# --- pure --------------------------------------------------------------------------------------------


def test_two_sources_of_a_provider_are_one_bill_and_other_currencies_are_another() -> None:
    rows = [
        ROW,
        replace(
            ROW,
            source="more",
            source_total=Decimal(1),
            ingested=Decimal(1),
            rejected=Decimal(0),
            allocated=Decimal(1),
            unallocated=Decimal(0),
        ),
        replace(ROW, source="eur", currency="EUR"),
    ]
    eur, usd = sorted(by_provider(rows, [], beside={}, told={}), key=lambda bill: bill.key.currency)
    assert usd.total("source_total") == Decimal("11.5")
    assert [row.source for row in usd.sources] == ["aws", "more"]
    assert eur.total("source_total") == Decimal("10.5")


def test_a_lost_cent_is_unexplained_and_two_faults_do_not_cancel() -> None:
    lost = replace(ROW, allocated=Decimal("6.99"))
    invented = replace(ROW, source="more", allocated=Decimal("7.01"))
    (bill,) = by_provider([lost], [StepAmount(KEY, "usage", Decimal(10))], beside={}, told={})
    assert (bill.unexplained, bill.is_explained) == (Decimal("0.01"), False)
    steps = [StepAmount(KEY, "usage", Decimal(20))]
    (bill,) = by_provider([lost, invented], steps, beside={}, told={})
    assert (bill.unexplained, bill.is_explained) == (Decimal(0), False)


def test_cost_that_no_part_names_is_told() -> None:
    (bill,) = by_provider([ROW], [StepAmount(KEY, "usage", Decimal(9))], beside={}, told={})
    assert (bill.unnamed, bill.is_explained) == (Decimal(1), False)


def test_evidence_says_how_far_ingested_cost_is_from_it_and_none_is_no_zero() -> None:
    told = {
        "invoices": [Told(KEY, Decimal(9), "2 invoices")],
        "an API": [Told(KEY, None, "3 metrics")],
    }
    (bill,) = by_provider([ROW], [], beside={}, told=told)
    assert [(one.title, one.difference) for one in bill.witnesses] == [
        ("invoices", Decimal(1)),
        ("an API", None),
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*(step for steps in PARTS.values() for step in steps), "another"]),
            st.decimals(-1000, 1000, places=18),
        ),
        max_size=30,
    )
)
def test_parts_sum_to_their_steps_whatever_these_are(steps: list[tuple[str, Decimal]]) -> None:
    total = exact_sum(amount for _, amount in steps)
    row = replace(ROW, ingested=total)
    found = [StepAmount(KEY, step, amount) for step, amount in steps]
    (bill,) = by_provider([row], found, beside={}, told={})
    assert exact_sum(bill.parts.values()) == total
    assert bill.unnamed == 0


# --- from a bill to the answer -----------------------------------------------------------------------


@pytest.fixture
def loaded(tmp_path: Path, db: None) -> None:
    first = [
        line("10", tenant="acme"),
        typed("Tax", "2"),
        typed("Credit", "-1.5"),
        typed("Refund", "-0.25"),
        typed("Fee", "3"),
        line("nonsense"),
    ]
    second = [*first[:5], line("0.125", tenant="acme", day=2), first[5]]
    for number, rows in enumerate((first, second)):
        export = Export(rows, execution=f"2026-06-{10 + number}T08:00:00.000Z-0000000{number}")
        load(export.write(tmp_path))


@pytest.mark.usefixtures("loaded")
def test_a_bill_is_told_with_its_parts_what_was_put_aside_and_its_files() -> None:
    (bill,) = provider_months()
    assert bill.key == BillKey("Amazon Web Services", APRIL, "USD")
    assert bill.parts == {
        "usage": Decimal("10.125"),
        "fees and purchases": Decimal(3),
        "promotional credits": Decimal("-1.5"),
        "refunds": Decimal("-0.25"),
        "tax": Decimal(2),
    }
    assert bill.total("ingested") == Decimal("13.375")
    assert bill.is_explained
    assert bill.rejected_lines == 1
    (files,) = bill.witnesses
    assert (files.amount, files.difference) == (Decimal("13.375"), Decimal(0))
    assert files.sentence == "7 rows read, 1 put aside"


def estimated(amount: str) -> None:
    start = datetime(2026, 4, 29, tzinfo=UTC)
    made = Made("estimate", "aws", "estimate-aws", "AWS (estimated)", "Amazon Web Services", "x")
    one = ChargeLine(
        billing_period_start=APRIL,
        charge_period_start=start,
        charge_period_end=start + timedelta(hours=1),
        granularity=Granularity.HOUR,
        service_provider_name="Amazon Web Services",
        service_name="Data transfer",
        service_category=ServiceCategory.NETWORKING,
        billed_cost=Decimal(amount),
        effective_cost=Decimal(amount),
        billing_currency="USD",
    )
    load_made(made, billing_period=APRIL, lines=[one], kind=CostKind.ESTIMATED)


@pytest.mark.usefixtures("loaded")
def test_an_estimate_stands_beside_the_bill_and_in_none_of_its_sums() -> None:
    before = provider_months()[0]
    estimated("4.5")
    (bill,) = provider_months()
    assert bill.beside["estimated beyond the bill"] == Decimal("4.5")
    assert bill.total("ingested") == before.total("ingested")
    assert bill.is_explained


def test_what_came_when_the_month_was_over_is_named_late(tmp_path: Path, db: None) -> None:
    # Days after those that the first delivery knew whole are news, days before are corrections.
    first = [line("10", tenant="acme"), line("1", tenant="acme", day=3)]
    second = [line("10.75", tenant="acme"), line("1", tenant="acme", day=3)]
    for number, rows in enumerate((first, second)):
        load(
            Export(rows, execution=f"2026-06-{10 + number}T08:00:00.000Z-0000000{number}").write(
                tmp_path
            )
        )
    (bill,) = provider_months()
    assert bill.beside["came late"] == Decimal("0.75")


@pytest.mark.usefixtures("loaded")
def test_cloudflares_own_word_is_evidence_only_where_every_metric_has_a_cost() -> None:
    made = Made("invoice", "cf", "invoices-cloudflare", "Cloudflare", "Cloudflare", "x")
    start = datetime(2026, 4, 1, tzinfo=UTC)
    one = ChargeLine(
        billing_period_start=APRIL,
        charge_period_start=start,
        charge_period_end=start + timedelta(days=30),
        granularity=Granularity.MONTH,
        service_provider_name="Cloudflare",
        service_name="Workers",
        service_category=ServiceCategory.COMPUTE,
        billed_cost=Decimal(5),
        effective_cost=Decimal(5),
        billing_currency="USD",
    )
    load_made(made, billing_period=APRIL, lines=[one], kind=CostKind.BILLED)
    source = Source.objects.get(slug="invoices-cloudflare")
    about = {"source": source, "account": "a" * 32, "day": date(2026, 4, 3), "quantity": Decimal(1)}
    BillableUsage.objects.create(
        metric_name="One", billed_cost=Decimal("4.75"), currency="USD", **about
    )
    told = _api_of("Cloudflare")
    assert (told.amount, told.difference) == (Decimal("4.75"), Decimal("0.25"))
    BillableUsage.objects.create(metric_name="Two", billed_cost=None, **about)
    told = _api_of("Cloudflare")
    assert (told.amount, told.sentence) == (None, "2 metrics, 1 without a cost")


def _api_of(provider: str):
    (told,) = (one for one in _of(provider).witnesses if one.title == "billable usage (API)")
    return told


def _of(provider: str):
    return next(bill for bill in provider_months() if bill.key.provider == provider)


@pytest.mark.usefixtures("loaded")
def test_the_command_tells_the_same_and_fails_where_a_cent_is_unexplained() -> None:
    out = StringIO()
    call_command("reconcile", by="provider", json=True, stdout=out)
    (told,) = json.loads(out.getvalue())
    assert told["parts"]["tax"] == "2"
    assert told["is_explained"] is True
    out = StringIO()
    call_command("reconcile", by="provider", stdout=out)
    assert "promotional credits -1.5" in out.getvalue()
    # The database's CHECKs hold the totals of a load together; its steps they do not know.
    from allocation.models import BridgeStep

    BridgeStep.objects.filter(step="tax").update(billed_cost="1.99")
    with pytest.raises(CommandError, match="differ"):
        call_command("reconcile", by="provider", stdout=StringIO())
    assert LoadTotal.objects.exists()
