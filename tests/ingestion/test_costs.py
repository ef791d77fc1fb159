"""What each kind of line costs: billed, effective, list and contracted, and the way between them."""

from __future__ import annotations

import calendar
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from allocation.models import BridgeStep, LedgerDay, UncertainCost
from ingestion.core import aws_cur_columns as cur
from ingestion.models import Load, LoadTotal
from tests.cur_export import Cell, line
from tests.ingestion.bills import load, only_row
from tests.ingestion.commitments import (
    PLAN,
    RESERVATION,
    bill,
    covered,
    lake_rows,
    negation,
    plan_fee,
    plan_upfront,
    reservation_fee,
    reserved,
)

pytestmark = pytest.mark.django_db


def costs(tenant: str = "", **about: Any) -> tuple[Decimal, Decimal]:
    """Billed and effective cost in the ledger of one tenant, or of nobody."""
    who = {"tenant__slug": tenant} if tenant else {"tenant__isnull": True}
    rows = LedgerDay.objects.filter(**who, **about)
    return (
        sum((row.billed_cost for row in rows), Decimal(0)),
        sum((row.effective_cost for row in rows), Decimal(0)),
    )


def bridge() -> dict[str, tuple[Decimal, Decimal]]:
    return {
        step.step: (Decimal(step.billed_cost), Decimal(step.effective_cost))
        for step in BridgeStep.objects.filter(load__state="current")
    }


# --- Savings Plans -----------------------------------------------------------------------------------


def test_a_tenant_bears_the_effective_cost_of_what_a_plan_covers(tmp_path):
    rows = [
        covered("3", "2", tenant="acme"),
        covered("1.5", "1", tenant="globex"),
        negation("-4.5"),
        plan_fee("4", committed="4", used="3"),
    ]
    load(bill(*rows).write(tmp_path))
    assert costs("acme") == (0, 2)
    assert costs("globex") == (0, 1)
    assert only_row().source_total == only_row().ingested == 4
    assert sum(row.effective_cost for row in LedgerDay.objects.all()) == 4


def test_unused_commitment_is_a_pool_of_its_own_that_no_tenant_is_a_candidate_for(tmp_path):
    rows = [
        covered("3", "2", tenant="acme"),
        negation("-3"),
        plan_fee("4", committed="4", used="2", tenant="acme"),
    ]
    load(bill(*rows).write(tmp_path))
    assert costs(method="pool unused commitment v1") == (0, 2)
    assert costs(method="pool commitment fees v1") == (4, 0)
    assert costs("acme") == (0, 2)
    assert not UncertainCost.objects.filter(effective_cost__gt=0).exists()


def test_pairs_are_made_by_plan_and_hour(tmp_path):
    other = f"{PLAN}-other"
    rows = [
        covered("3", "2", hour=1),
        negation("-3", hour=1),
        covered("5", "4", hour=2),
        negation("-5", hour=2),
        covered("7", "6", plan=other, hour=1),
        negation("-7", plan=other, hour=1),
    ]
    load(bill(*rows).write(tmp_path))
    assert bridge() == {"savings plan covered": (0, 12), "savings plan negation": (0, 0)}
    assert Load.objects.get().notes == []


def test_what_a_pair_leaves_is_a_line_of_its_own_and_no_cent_is_lost(tmp_path):
    rows = [
        covered("3.0000000001", "2", tenant="acme", hour=1),
        negation("-3", hour=1),
        covered("5", "4", tenant="acme", hour=2),
        negation("-5", hour=2),
    ]
    load(bill(*rows).write(tmp_path))
    row = only_row()
    assert row.source_total == row.ingested == Decimal("0.0000000001")
    assert bridge()["savings plan remainder"] == (Decimal("0.0000000001"), 0)
    (note,) = Load.objects.get().notes
    assert note == (
        "In 1 hours covered usage and its negation of a Savings Plan do not cancel: 0.0000000001 USD "
        "of remainder, as lines of their own."
    )
    assert lake_rows("commitment_discount_id, charge_category", "x_derived <> ''") == [
        (PLAN, "Adjustment")
    ]


def test_upfront_payments_cost_nothing_in_the_margin_and_all_on_the_bill(tmp_path):
    rows = [
        plan_upfront("8760"),
        line("500", **{cur.LINE_TYPE: cur.FEE, cur.RESERVATION: RESERVATION}),
        line("29", **{cur.LINE_TYPE: cur.FEE}),
    ]
    load(bill(*rows).write(tmp_path))
    assert bridge() == {
        "savings plan upfront fee": (8760, 0),
        "reservation upfront fee": (500, 0),
        "other fees": (29, 29),
    }


def test_an_export_without_the_columns_of_plans_keeps_their_billed_cost_and_says_so(tmp_path):
    rows = [
        covered("3", "2", tenant="acme"),
        negation("-3"),
        plan_fee("4", committed="4", used="2"),
    ]
    export = bill(*rows)
    export.columns = [name for name in export.columns if "savings_plan" not in name]
    load(export.write(tmp_path))
    assert only_row().source_total == only_row().ingested == 4
    assert costs("acme") == (3, 3)
    assert Load.objects.get().notes == [
        "The export leaves out Savings Plan columns: effective cost of Savings Plans is their "
        "billed cost."
    ]


# --- reservations ------------------------------------------------------------------------------------


def test_reserved_usage_costs_its_share_and_the_idle_rest_is_unused_commitment(tmp_path):
    rows = [
        reserved("0.4", tenant="acme"),
        reservation_fee(
            "300",
            unused="100.5",
            **{
                cur.UNUSED_UPFRONT: "20.25",
                cur.UNUSED_NORMALIZED: "500",
                cur.NORMALIZED_USAGE: "720",
            },
        ),
    ]
    load(bill(*rows).write(tmp_path))
    assert costs("acme") == (0, Decimal("0.4"))
    assert bridge() == {
        "reserved usage": (0, Decimal("0.4")),
        "reservation recurring fee": (300, 0),
        "unused commitment": (0, Decimal("120.75")),
    }
    assert lake_rows(
        "commitment_discount_quantity, commitment_discount_unit", "x_derived <> ''"
    ) == [(500, "Normalized Hour")]


def test_an_id_of_a_subscription_alone_makes_no_reservation(tmp_path):
    export = bill(line("2", tenant="acme", reservation_subscription_id="4711"))
    export.columns = [*export.columns, "reservation_subscription_id"]
    load(export.write(tmp_path))
    assert costs("acme") == (2, 2)


# --- discounts ---------------------------------------------------------------------------------------


def discounted(net: str, cost: str, **cells: Cell) -> dict[str, str]:
    return line(cost, **{cur.NET_COST: net, cur.LIST_COST: cost, **cells})


def test_net_cost_counts_where_every_line_has_one(tmp_path):
    rows = [discounted("0.9", "1", tenant="acme"), discounted("1.8", "2", tenant="globex")]
    load(bill(*rows).write(tmp_path))
    assert Load.objects.get().cost_basis == "net"
    assert only_row().source_total == Decimal("2.7")
    assert lake_rows("billed_cost, list_cost") == [
        (Decimal("0.9"), Decimal(1)),
        (Decimal("1.8"), Decimal(2)),
    ]


def test_what_is_put_aside_before_the_first_line_counts_on_the_same_basis(tmp_path):
    """A row out of shape sends its whole file the slow way, before any line could tell the basis."""
    export = bill(
        *(discounted("6", "10", tenant="acme", day=day) for day in range(1, 6)),
        discounted("6", "10", line_item_currency_code="U$D"),
        packed=False,
    )
    folder = export.write(tmp_path)
    path = folder / export.key(0)
    path.write_text(path.read_text() + "out,of,shape\n")
    load(folder)
    assert Load.objects.get().cost_basis == "net"
    row = only_row()
    assert (row.source_total, row.rejected) == (Decimal(36), Decimal(6))


def test_discounts_as_lines_and_in_net_columns_are_counted_once(tmp_path):
    rows = [
        discounted("0.9", "1", tenant="acme"),
        discounted("1.8", "2", tenant="globex"),
        line("-0.3", **{cur.LINE_TYPE: "EdpDiscount", cur.NET_COST: "0", cur.LIST_COST: ""}),
    ]
    load(bill(*rows).write(tmp_path))
    only = Load.objects.get()
    assert (only.cost_basis, only.notes) == ("net", [])
    unblended = sum(Decimal(row[cur.COST]) for row in rows)
    assert only_row().source_total == only_row().ingested == unblended == Decimal("2.7")
    assert bridge() == {"usage": (Decimal("2.7"), Decimal("2.7")), "discounts": (0, 0)}


def test_net_and_unblended_that_differ_are_said_and_change_no_sum(tmp_path):
    load(bill(discounted("0.9", "1")).write(tmp_path))
    (note,) = Load.objects.get().notes
    assert note.startswith("Net and unblended cost of all lines differ by -0.1 USD")


def test_one_line_without_net_cost_turns_the_whole_delivery_to_unblended(tmp_path):
    rows = [discounted("0.9", "1"), discounted("", "2"), discounted("2.7", "3")]
    load(bill(*rows).write(tmp_path))
    only = Load.objects.get()
    assert (only.cost_basis, only_row().source_total) == ("unblended", 6)
    assert only.notes == [
        "1 of 3 lines that cost something have no net cost: the whole delivery counts at unblended "
        "cost."
    ]


def test_the_choice_is_the_same_however_the_delivery_is_cut(tmp_path):
    rows = [discounted("0.9", "1", hour=hour) for hour in range(5)] + [discounted("", "2")]
    whole, cut = (
        bill(*rows, period="2026-04"),
        bill(*rows[::-1], chunks=3, arn="arn:cut", export="cut"),
    )
    load(whole.write(tmp_path / "whole"))
    load(cut.write(tmp_path / "cut"))
    assert set(Load.objects.values_list("cost_basis", flat=True)) == {"unblended"}
    assert set(LoadTotal.objects.values_list("source_total_head", flat=True)) == {7}


def test_an_empty_net_column_is_no_discount(tmp_path):
    load(bill(discounted("", "1"), discounted("0.0", "0")).write(tmp_path))
    assert Load.objects.get().cost_basis == "unblended"
    assert only_row().source_total == 1


def test_on_the_net_basis_unused_commitment_is_discounted_as_its_fee_is(tmp_path):
    rows = [
        covered("3", "2", **{cur.NET_COST: "2.7", cur.PLAN_NET_EFFECTIVE: "1.8"}),
        negation("-3", **{cur.NET_COST: "-2.7"}),
        plan_fee("4", committed="4", used="2", **{cur.NET_COST: "3.6"}),
    ]
    load(bill(*rows).write(tmp_path))
    assert Load.objects.get().cost_basis == "net"
    assert bridge()["savings plan covered"] == (0, Decimal("1.8"))
    assert bridge()["unused commitment"] == (0, Decimal("1.8"))
    assert sum(effective for _, effective in bridge().values()) == only_row().source_total


# --- the other kinds ---------------------------------------------------------------------------------


def test_shares_of_split_cost_allocation_cost_nothing_again(tmp_path):
    share = {cur.SPLIT_PARENT: "i-0abc", "line_item_resource_id": "pod/web"}
    rows = [line("10", tenant="acme"), line("6", **share), line("4", **share)]
    load(bill(*rows).write(tmp_path))
    assert only_row().source_total == only_row().ingested == 10
    assert bridge()["split cost rows"] == (0, 0)
    assert lake_rows("x_line_cost", "x_split_parent <> ''") == [(4,), (6,)]
    assert "2 rows are shares of other rows" in Load.objects.get().notes[0]


def test_refunds_are_corrections_and_credits_stand_apart_by_kind(tmp_path):
    about = "line_item_line_item_description"
    rows = [
        line("-2", **{cur.LINE_TYPE: "Refund"}),
        line("-3", **{cur.LINE_TYPE: "Credit", about: "AWS Activate credit"}),
        line("-1", **{cur.LINE_TYPE: "Credit", about: "AWS Free Tier"}),
        line("5", **{cur.LINE_TYPE: "Tax"}),
    ]
    load(bill(*rows).write(tmp_path))
    assert bridge() == {
        "promotional credits": (-3, -3),
        "other credits": (-1, -1),
        "refunds": (-2, -2),
        "tax": (5, 5),
    }
    assert lake_rows("x_line_item_type, charge_class", "charge_class IS NOT NULL") == [
        ("Refund", "Correction")
    ]


def test_a_line_type_that_nobody_knows_is_counted_and_loaded(tmp_path):
    report = load(bill(line("2", **{cur.LINE_TYPE: "MoonFee"})).write(tmp_path))
    assert report.outcomes[0].unknown_line_types == ("MoonFee",)
    assert bridge() == {"unknown line types": (2, 2)}


def test_only_usage_consumes(tmp_path):
    rows = [
        line("2", tenant="acme"),
        line("-2", tenant="acme", **{cur.LINE_TYPE: "Credit"}),
        covered("1", "1", tenant="acme"),
        negation("-1", **{cur.USAGE: "1.0"}),
    ]
    load(bill(*rows).write(tmp_path))
    quantities = [row.consumed_quantity for row in LedgerDay.objects.all()]
    assert sum(quantity for quantity in quantities if quantity) == 2


# --- monthly lines -----------------------------------------------------------------------------------

MONTH = {
    cur.USAGE_START: "2026-04-01T00:00:00.000Z",
    cur.USAGE_END: "2026-05-01T00:00:00.000Z",
    cur.INTERVAL: "2026-04-01T00:00:00Z/2026-04-02T00:00:00Z",
}


def test_a_monthly_line_is_borne_by_every_day_of_its_period(tmp_path):
    load(bill(line("100", tenant="acme", **MONTH), line("1", tenant="acme", day=3)).write(tmp_path))
    by_day = {
        day: costs("acme", day=date(2026, 4, day))[0]
        for day in range(1, calendar.monthrange(2026, 4)[1] + 1)
    }
    assert sum(by_day.values()) == 101
    assert max(by_day.values()) - 1 == by_day[3] - 1 <= Decimal("3.33333334")
    assert {by_day[day] for day in by_day if day != 3} <= {
        Decimal("3.33333334"),
        Decimal("3.33333333"),
    }


def test_what_reaches_beyond_the_month_stays_within_it(tmp_path):
    year = {**MONTH, cur.USAGE_END: "2027-04-01T00:00:00.000Z"}
    load(bill(line("365", **year)).write(tmp_path))
    days = set(LedgerDay.objects.values_list("day", flat=True))
    assert days == {date(2026, 4, day) for day in range(1, 31)}
    assert only_row().difference == 0


def test_untagged_monthly_cost_is_uncertain_on_every_day_of_it(tmp_path):
    load(bill(line("30", **MONTH)).write(tmp_path))
    rows = UncertainCost.objects.all()
    assert (len(rows), {row.effective_cost for row in rows}) == (30, {Decimal(1)})


# --- the bridge --------------------------------------------------------------------------------------


def test_the_bridge_adds_up_to_the_load_in_both_views(tmp_path):
    rows = [
        line("1.25", tenant="acme"),
        covered("3", "2"),
        negation("-3"),
        plan_fee("4", committed="4", used="2"),
        plan_upfront("100"),
        reserved("0.4"),
        reservation_fee("30", unused="7"),
        line("-2", **{cur.LINE_TYPE: "Credit"}),
        line("9", **{cur.LINE_TYPE: "Tax"}),
        line("5", line_item_currency_code="EUR"),
    ]
    load(bill(*rows).write(tmp_path))
    steps = BridgeStep.objects.filter(billing_currency="USD")
    ledger = LedgerDay.objects.filter(billing_currency="USD")
    for name in ("billed_cost", "effective_cost"):
        whole = sum(Decimal(getattr(step, name)) for step in steps)
        assert whole == sum(getattr(row, name) for row in ledger)
    assert Decimal(BridgeStep.objects.get(billing_currency="EUR").billed_cost) == 5


def test_invoiced_when_every_line_that_costs_carries_an_invoice(tmp_path):
    rows = [line("1", bill_invoice_id="INV-1"), line("0", bill_invoice_id="")]
    load(bill(*rows).write(tmp_path / "a"))
    assert Load.objects.get().is_invoiced
    rows = [line("1", bill_invoice_id="INV-1"), line("2", bill_invoice_id="")]
    load(bill(*rows, execution="2026-05-20T00:00:00.000Z-later").write(tmp_path / "b"))
    assert not Load.objects.get(state="current").is_invoiced
