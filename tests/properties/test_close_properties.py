"""Whatever happens in whatever order: reported + adjustments = restated, to the last digit."""

from __future__ import annotations

from datetime import date

import pytest
from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation import books
from allocation.close_models import (
    Books,
    ClosedMonth,
    PriorPeriodAdjustment,
    ReportedPnl,
    RevenueAdjustment,
)
from allocation.core.closing import CostKey, differences
from allocation.core.figures import Slice
from allocation.facts import pnls_by_tenant
from allocation.models import PnlMonth, RecognisedRevenue
from allocation.month_close import reopen_month, stored_digest
from finops import clock
from finops.core.periods import Window, add_months
from finops.models import User
from ingestion.models import Delivery, Load, RevenueRow, Source
from tests.allocation.closing import JULY, NOW, bill, charge, close, earned, months

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_december(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)


FIRST = JULY
COUNT = 4
amounts = st.decimals("-20", "50", places=8, allow_nan=False).map(str)
charges = st.lists(
    st.tuples(amounts, st.sampled_from(["acme", "globex", ""]), st.integers(-1, 0)), max_size=3
)
deeds = st.one_of(
    st.tuples(
        st.just("bill"), st.integers(0, COUNT - 1), st.sampled_from(["aws", "cloudflare"]), charges
    ),
    st.tuples(
        st.just("revenue"), st.integers(0, COUNT - 1), st.sampled_from(["acme", "globex"]), amounts
    ),
    st.tuples(st.just("close"), st.just(0), st.just(""), st.just("")),
    st.tuples(st.just("reopen"), st.just(0), st.just(""), st.just("")),
)


def do(deed, carol: User) -> None:
    kind, number, who, what = deed
    month = add_months(FIRST, number)
    through = books.closed_through()
    if kind == "bill":
        lines = [
            charge(month, cost, tenant, charged=add_months(month, back), day=index + 1)
            for index, (cost, tenant, back) in enumerate(what)
        ]
        bill(month, *lines, source=who)
    elif kind == "revenue":
        earned(month, what, who)
    elif kind == "close":
        held = [row for row in every_month() if through is None or row > through]
        if held:
            close(min(held), carol)
    elif through is not None:
        reopen_month(month=through, actor=carol, reason="x")


def every_month() -> list[date]:
    found = set(PnlMonth.objects.values_list("month", flat=True))
    found |= {day.replace(day=1) for day in RecognisedRevenue.objects.values_list("day", flat=True)}
    return sorted(month for month in found if add_months(month, 1) <= NOW.date())


def sums(basis: str, metric: str):
    """All months together, by tenant: cost, credits and tax, and revenue."""
    span = Window(add_months(FIRST, -2), add_months(FIRST, COUNT + 2))
    slice_ = Slice(window=span, basis=basis, metric=metric)  # type: ignore[arg-type]
    return {
        slug: (one.cost, one.credits, one.revenue)
        for slug, one in pnls_by_tenant(slice_).items()
        if one.cost or one.credits or one.revenue
    }


def clean() -> None:
    for model in (PriorPeriodAdjustment, RevenueAdjustment, ClosedMonth, RevenueRow):
        model._default_manager.all().delete()
    Books.objects.all().delete()
    for source in (Load, Delivery, Source):
        source._default_manager.all().delete()


@settings(max_examples=12, deadline=None)
@given(st.lists(deeds, min_size=3, max_size=9))
def test_reported_and_adjustments_are_the_restated_figures_after_any_order_of_deeds(found):
    carol, _ = User.objects.get_or_create(username="carol", is_superuser=True)
    clean()
    stood: dict[int, str] = {}
    for deed in found:
        do(deed, carol)
        for metric in ("effective", "billed"):
            assert sums("reported", metric) == sums("restated", metric)
        for closed in ClosedMonth.objects.filter(reopened_at__isnull=True):
            assert stood.setdefault(closed.pk, closed.digest) == stored_digest(closed)
    through = books.closed_through()
    if through is not None:
        closed_months = list(months(add_months(FIRST, -2), COUNT + 2))
        left = differences(
            {k: v for k, v in books.ledger_costs(closed_months).items() if k.month <= through},
            _by(ReportedPnl.objects.filter(closed__reopened_at__isnull=True), "closed__month"),
            _by(PriorPeriodAdjustment.objects.all(), "cost_month"),
        )
        assert left == {}


def _by(rows, month: str):
    grouped = rows.order_by().values_list(month, *CostKey._fields[1:])
    return {
        CostKey(*row[:-2]): row[-2:]
        for row in grouped.annotate(b=Sum("billed_cost"), e=Sum("effective_cost"))
    }
