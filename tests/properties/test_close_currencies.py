"""Whatever happens after a close: what was reported stands, and with the adjustments it is what is known now."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation import books
from allocation.by_month import changes_by_month, own_by_month
from allocation.close_models import ClosedMonth
from allocation.core.closing import (
    AtRate,
    CostKey,
    Rates,
    RevenueKey,
    differences,
    worth,
)
from allocation.core.figures import Slice
from allocation.facts import pnls_by_tenant
from allocation.month_close import reopen_month, stored_digest
from finops import clock
from finops.core.amounts import EXACT, exact_sum
from finops.core.focus import ChargeCategory, ServiceCategory
from finops.core.fx import Quote
from finops.core.periods import Window, add_months, month_text
from finops.fx import write_quotes
from finops.fx_models import ExchangeRate
from finops.models import User
from ingestion.core.invoices import Bill, Line
from ingestion.invoice_models import Invoice
from ingestion.invoices import charge_months, take_bills
from tests.allocation.closing import JULY, NOW, bill, charge, close, earned, months
from tests.properties.test_close_properties import clean, every_month

pytestmark = pytest.mark.django_db
COUNT = 3
SPAN = Window(add_months(JULY, -1), add_months(JULY, COUNT + 2))


@pytest.fixture(autouse=True)
def in_december(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(clock, "today", NOW.date)


number = st.integers(0, COUNT - 1)
currency = st.sampled_from(["EUR", "GBP", "USD"])
amount = st.decimals("-20", "50", places=8, allow_nan=False, allow_infinity=False).map(str)
rates = st.decimals("0.5", "2", places=10, allow_nan=False, allow_infinity=False).map(str)
paid = st.one_of(st.just(""), rates)
deeds = st.one_of(
    st.tuples(st.just("invoice"), number, currency, st.tuples(amount, paid, st.booleans())),
    st.tuples(st.just("invoice"), number, st.just("EUR"), st.tuples(amount, paid, st.booleans())),
    st.tuples(st.just("settle"), number, st.just("EUR"), paid),
    st.tuples(st.just("void"), number, currency, st.just("")),
    st.tuples(st.just("rate"), number, st.sampled_from(["EUR", "GBP"]), rates),
    st.tuples(st.just("revenue"), number, currency, amount),
    st.tuples(st.just("close"), number, currency, st.just("")),
    st.tuples(st.just("reopen"), number, currency, st.just("")),
)


def invoice(month: date, code: str, cost: str, settled: str, *, shared: bool = False) -> None:
    line = Line(
        description="Stamps",
        service_name="Time stamps",
        service_category=ServiceCategory.SECURITY,
        charge_category=ChargeCategory.USAGE,
        service_start=month,
        service_end=add_months(month, 1),
        amount=Decimal(cost),
        tenant="" if shared else "globex",
    )
    rate = Decimal(settled) if settled and code != "USD" else None
    take_bills(
        bills=[
            Bill(
                *("TSA", f"{month:%m}-{code}", add_months(month, 1), code, (line,)),
                settled_rate=rate,
                settled_currency="USD" if rate else "",
            )
        ]
    )


def do(deed, carol: User) -> None:
    kind, index, code, what = deed
    month = add_months(JULY, index)
    through = books.closed_through()
    if kind == "invoice":
        cost, settled, shared = what
        invoice(month, code, cost, settled, shared=shared)
    elif kind in {"settle", "void"}:
        mine = Invoice.objects.filter(invoice_id=f"{month:%m}-{code}")
        change = {"settled_rate": Decimal(what) if what else None, "settled_currency": "USD"}
        mine.update(**(change if kind == "settle" else {"is_void": True}))
        charge_months(supplier="TSA", months=[month])
    elif kind == "rate":
        write_quotes(quotes=[Quote(month, code, "USD", Decimal(what), "typed in")])
    elif kind == "revenue":
        earned(month, what, "acme", currency=code)
    elif kind == "close":
        held = [row for row in every_month() if through is None or row > through]
        if held:
            close(min(held), carol)
    elif through is not None:
        reopen_month(month=through, actor=carol, reason="x")


def figures(window: Window, basis: str, metric: str = "effective"):
    slice_ = Slice(window=window, basis=basis, metric=metric)  # type: ignore[arg-type]
    return {
        slug: (one.cost, one.revenue)
        for slug, one in pnls_by_tenant(slice_).items()
        if one.cost or one.revenue
    }


@settings(max_examples=12, deadline=None)
@given(
    known=st.lists(st.tuples(number, st.sampled_from(["EUR", "GBP"]), rates), max_size=4),
    first=st.lists(st.tuples(number, currency, amount, paid), min_size=1, max_size=3),
    closed_before=st.integers(1, COUNT),
    found=st.lists(deeds, min_size=1, max_size=6),
)
def test_reported_figures_stand_and_adjustments_make_them_restated_in_the_reporting_currency(
    known, first, closed_before, found
):
    carol, _ = User.objects.get_or_create(username="carol", is_superuser=True)
    Invoice.objects.all().delete()
    clean()
    ExchangeRate.objects.all().delete()
    for index, code, rate in known:
        do(("rate", index, code, rate), carol)
    for month in months(JULY, COUNT):
        bill(month, charge(month, "10.5"), charge(month, "3", ""))
        earned(month, "100", currency="EUR")
    for index, code, cost, settled in first:
        invoice(add_months(JULY, index), code, cost, settled)
    for month in months(JULY, closed_before):
        close(month, carol)
    stood: dict[int, object] = {}
    for deed in [("rate", 0, "GBP", "1.5"), *found]:
        for one in ClosedMonth.objects.filter(reopened_at__isnull=True):
            stood.setdefault(one.pk, figures(Window.of_month(one.month), "reported"))
        do(deed, carol)
        for metric in ("effective", "billed"):
            assert figures(SPAN, "reported", metric) == figures(SPAN, "restated", metric)
        slice_ = Slice(window=SPAN)
        own, changed, now = own_by_month(slice_), changes_by_month(slice_), {}
        for month in SPAN.each_month():
            now[month] = figures(Window.of_month(month), "restated")
            name = month_text(month)
            parts = [side[name] for side in (own, changed) if name in side]
            assert exact_sum(one.cost for one in parts) == exact_sum(
                cost for cost, _ in now[month].values()
            )
        for one in ClosedMonth.objects.filter(reopened_at__isnull=True):
            if one.pk in stood:
                assert figures(Window.of_month(one.month), "reported") == stood[one.pk]
            assert stored_digest(one) == one.digest


keys = st.builds(
    lambda month, source, code: CostKey(
        *(
            month,
            source,
            month,
            1,
            "",
            "",
            "",
            "TSA",
            "Security",
            "Usage",
            Decimal(1),
            code,
            "billed",
        )
    ),
    st.sampled_from([JULY, add_months(JULY, 1)]),
    st.integers(1, 3),
    currency,
)
exact = st.decimals("-1000", "1000", places=8, allow_nan=False, allow_infinity=False)
worths = st.builds(
    lambda rates_, settled: Rates(
        {JULY: "USD", add_months(JULY, 1): "USD"},
        {key: rate for key, rate in rates_.items() if key[1] != "USD"},
        {key: rate for key, rate in settled.items() if key[2] != "USD"},
    ),
    st.dictionaries(
        st.tuples(st.sampled_from([JULY, add_months(JULY, 1)]), currency), rates.map(Decimal)
    ),
    st.dictionaries(
        st.tuples(st.sampled_from([JULY, add_months(JULY, 1)]), st.integers(1, 3), currency),
        rates.map(Decimal),
    ),
)
costs = st.dictionaries(keys, st.tuples(exact, exact), max_size=5)


@given(then=costs, worth_then=worths, now=costs, worth_now=worths)
def test_what_is_booked_is_the_difference_in_worth_and_in_amounts(then, worth_then, now, worth_now):
    reported, restated = worth_then.of_cost(then), worth_now.of_cost(now)
    booked = differences(restated, reported, {})

    def total(found, place: int) -> Decimal:
        return exact_sum(worth(at, amounts[place]) for at, amounts in found.items())

    def native(found, code: str) -> Decimal:
        return exact_sum(
            amounts[0]
            for at, amounts in found.items()
            if at.key.billing_currency == code and not at.is_exchange
        )

    for place in (0, 1):
        assert EXACT.add(total(reported, place), total(booked, place)) == total(restated, place)
    for code in ("EUR", "GBP", "USD"):
        assert EXACT.add(native(reported, code), native(booked, code)) == native(restated, code)
        assert native(restated, code) == exact_sum(
            cost for key, (cost, _) in now.items() if key.billing_currency == code
        )
    assert differences(restated, reported, booked) == {}


def test_revenue_without_a_rate_is_worth_nothing_yet_and_keeps_its_amount():
    key = RevenueKey(JULY, 1, "EUR")
    found = Rates({JULY: "USD"}, {}).of_revenue({key: (Decimal(5),)})
    assert found == {AtRate(key, "USD", Decimal(0)): (Decimal(5),)}
