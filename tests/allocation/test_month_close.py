"""A month is closed by a person; what becomes known later is an adjustment; nothing is lost, to the last digit."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection

from allocation import books
from allocation.changes import booked_in, changes_since_close
from allocation.close_models import (
    ClosedMonth,
    PriorPeriodAdjustment,
    ReportedRevenue,
    RevenueAdjustment,
)
from allocation.core.closing import PRIOR_PERIOD
from allocation.core.figures import Slice
from allocation.facts import pnls_by_column, pnls_by_tenant
from allocation.month_close import (
    CloseRefusedError,
    close_month,
    reopen_month,
    stored_digest,
)
from allocation.report import figures_mark
from allocation.reported import ReportedError
from finops import clock
from finops.audit_models import AuditEntry
from finops.core.periods import Window
from finops.models import User
from ingestion.models import Load
from tests.allocation.closing import (
    AUGUST,
    JULY,
    NOW,
    SEPTEMBER,
    bill,
    charge,
    close,
    earned,
    open_items,
)
from tests.dashboards.world import person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_december(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def carol() -> User:
    return person("carol", "admin")


def pnl(month: date, basis: str = "reported", tenant: str = "acme", **fields):
    slice_ = Slice(window=Window.of_month(month), basis=basis, **fields)  # type: ignore[arg-type]
    return pnls_by_tenant(slice_)[tenant]


def test_a_closed_month_stands_and_later_cost_is_an_adjustment_of_the_open_one(carol):
    bill(JULY, charge(JULY, "10.00000001"), charge(JULY, "4", "globex"))
    bill(AUGUST, charge(AUGUST, "20"))
    close(JULY, carol)
    bill(JULY, charge(JULY, "12.5"), charge(JULY, "4", "globex"))
    assert pnl(JULY).cost == Decimal("10.00000001")
    assert pnl(JULY, "restated").cost == Decimal("12.5")
    august = pnl(AUGUST)
    assert august.direct == {"Compute": Decimal(20), PRIOR_PERIOD: Decimal("2.49999999")}
    assert pnl(AUGUST, "restated").cost == Decimal(20)
    (row,) = PriorPeriodAdjustment.objects.all()
    assert (row.cost_month, row.booked_month) == (JULY, AUGUST)
    assert row.load == Load.objects.get(billing_period=JULY, state="current")
    assert "aws delivered its bill of 2026-07 again or late" in row.why
    (change,) = changes_since_close(Slice(window=Window(JULY, SEPTEMBER)))
    assert (change.close.closed_by, change.cost) == ("carol", Decimal("2.49999999"))
    (booked,) = booked_in(Slice(window=Window(JULY, SEPTEMBER)))
    assert (booked.booked_month, booked.months) == (AUGUST, (JULY,))


def test_cost_that_moves_between_tenants_is_two_adjustments_that_cancel(carol):
    bill(JULY, charge(JULY, "10", "acme"))
    close(JULY, carol)
    bill(JULY, charge(JULY, "10", "globex"))
    amounts = dict(PriorPeriodAdjustment.objects.values_list("tenant__slug", "effective_cost"))
    assert amounts == {"acme": Decimal(-10), "globex": Decimal(10)}
    assert pnl(JULY).cost == Decimal(10)


def test_a_late_line_of_a_closed_month_in_a_new_bill_is_an_adjustment(carol):
    bill(JULY, charge(JULY, "10"))
    close(JULY, carol)
    bill(AUGUST, charge(AUGUST, "5"), charge(AUGUST, "1.25", charged=JULY))
    (row,) = PriorPeriodAdjustment.objects.all()
    assert (row.cost_month, row.billing_period, row.effective_cost) == (
        JULY,
        AUGUST,
        Decimal("1.25"),
    )


def test_a_delivery_that_changes_nothing_of_the_closed_month_books_nothing(carol):
    bill(JULY, charge(JULY, "10"))
    close(JULY, carol)
    bill(JULY, charge(JULY, "5"), charge(JULY, "5"))
    bill(AUGUST, charge(AUGUST, "5"))
    assert not PriorPeriodAdjustment.objects.exists()


def test_revenue_of_a_closed_month_is_an_adjustment_too(carol):
    bill(JULY, charge(JULY, "10"))
    earned(JULY, "100")
    close(JULY, carol)
    row = earned(JULY, "90")
    assert pnl(JULY).revenue == Decimal(100)
    assert pnl(AUGUST).revenue == Decimal(-10)
    assert pnl(JULY, "restated").revenue == Decimal(90)
    row.delete()
    books.book_revenue_changes(why="It was removed.")
    assert pnl(AUGUST).revenue == Decimal(-100)
    assert [one.amount for one in RevenueAdjustment.objects.order_by("pk")] == [-10, -90]


def test_bounds_are_kept_as_they_were(carol):
    bill(JULY, charge(JULY, "10"), charge(JULY, "3", ""), charge(JULY, "-1", "", day=4))
    earned(JULY, "100")
    before = pnl(JULY, "restated")
    assert before.uncertain_high == 3
    close(JULY, carol)
    bill(JULY, charge(JULY, "10"))
    now = pnl(JULY)
    assert (now.uncertain_low, now.uncertain_high) == (before.uncertain_low, before.uncertain_high)
    assert (now.margin_low, now.margin_high) == (before.margin_low, before.margin_high)
    assert pnl(JULY, "reported", metric="billed").uncertain_high == 3
    assert pnl(JULY, "restated").uncertain_high == 0


def test_the_close_is_audited_with_figures_and_what_was_accepted(carol):
    bill(JULY, charge(JULY, "10"))
    closed = close(JULY, carol, reason="Board meeting on 3 August")
    entry = AuditEntry.objects.get()
    after = json.loads(entry.after)
    assert (entry.verb, entry.target, entry.actor) == ("month.close", "month 2026-07", "carol")
    assert entry.reason == "Board meeting on 3 August"
    assert after["digest"] == closed.digest
    assert after["effective_cost_USD"] == "10"
    assert set(after["accepted"]) == set(closed.accepted) >= {"bills", "revenue"}


def test_what_was_reported_is_proved_by_its_digest(carol):
    bill(JULY, charge(JULY, "10.5"), charge(JULY, "3", ""))
    earned(JULY, "100")
    closed = close(JULY, carol)
    assert stored_digest(closed) == closed.digest
    ReportedRevenue.objects.update(amount=Decimal(99))
    assert stored_digest(closed) != closed.digest


def refused(**changes) -> str:
    with pytest.raises(CloseRefusedError) as caught:
        close_month(**changes)
    return str(caught.value)


def test_open_items_must_be_accepted_one_by_one_with_a_reason(carol):
    bill(JULY, charge(JULY, "10"))
    wanted = {"month": JULY, "actor": carol, "reason": "x"}
    assert "items of its checklist are open" in refused(**wanted)
    one = {"bills": "the invoice comes tomorrow", "revenue": "  "}
    assert "revenue has come" in refused(**wanted, accept=one)
    assert "grounds" in refused(**{**wanted, "reason": " "}, accept=open_items(JULY))
    assert not ClosedMonth.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_month_that_is_not_over_or_follows_an_open_one_is_blocked(carol):
    bill(JULY, charge(JULY, "10"))
    bill(AUGUST, charge(AUGUST, "10"))
    wanted = {"actor": carol, "reason": "x"}
    assert "2026-07 is open and has figures" in refused(
        month=AUGUST, accept=open_items(AUGUST), **wanted
    )
    december = date(2026, 12, 1)
    assert "ends on 2027-01-01" in refused(month=december, accept=open_items(december), **wanted)


def test_a_second_close_is_told_who_closed_it(carol):
    bill(JULY, charge(JULY, "10"))
    close(JULY, carol)
    dave = person("dave", "finance-lead")
    said = refused(month=JULY, actor=dave, reason="x", accept=open_items(JULY))
    assert said == "2026-07 is closed already: carol did it on 2026-12-20 at 09:00 UTC."
    assert ClosedMonth.objects.count() == AuditEntry.objects.count() == 1


def test_figures_that_moved_since_they_were_looked_at_are_not_closed(carol):
    bill(JULY, charge(JULY, "10"))
    seen = figures_mark(JULY)
    bill(JULY, charge(JULY, "11"))
    accept = open_items(JULY)
    assert "changed since" in refused(month=JULY, actor=carol, reason="x", accept=accept, seen=seen)
    again = figures_mark(JULY)
    closed = close_month(month=JULY, actor=carol, reason="x", accept=accept, seen=again)
    assert closed.cost == 11


@pytest.mark.parametrize("groups", [(), ("finance",), ("approver",)])
def test_who_may_not_close_does_not(groups):
    bill(JULY, charge(JULY, "10"))
    nobody = person("nina", *groups)
    for deed in (close_month, reopen_month):
        with pytest.raises(PermissionDenied, match="You may not close or reopen months"):
            deed(month=JULY, actor=nobody, reason="x")


def test_who_is_limited_to_some_tenants_closes_nothing():
    bill(JULY, charge(JULY, "10"))
    with pytest.raises(PermissionDenied, match="limited to some tenants"):
        close_month(month=JULY, actor=person("nina", "finance-lead", scope="acme"), reason="x")


def test_only_the_last_closed_month_opens_again_and_its_adjustments_go(carol):
    for month in (JULY, AUGUST):
        bill(month, charge(month, "10"))
        close(month, carol)
    bill(JULY, charge(JULY, "11"))
    bill(AUGUST, charge(AUGUST, "12"))
    with pytest.raises(CloseRefusedError, match=r"only the last closed month can, .* 2026-08"):
        reopen_month(month=JULY, actor=carol, reason="x")
    with pytest.raises(CloseRefusedError, match="Say why"):
        reopen_month(month=AUGUST, actor=carol, reason="")
    reopen_month(month=AUGUST, actor=carol, reason="a wrong rate")
    assert books.closed_through() == JULY
    assert [row.cost_month for row in PriorPeriodAdjustment.objects.all()] == [JULY]
    assert AuditEntry.objects.first().verb == "month.reopen"  # type: ignore[union-attr]
    bill(JULY, charge(JULY, "11.5"))
    last = PriorPeriodAdjustment.objects.first()
    assert last is not None
    assert (last.booked_month, last.effective_cost) == (AUGUST, Decimal("0.5"))
    close(AUGUST, carol)
    assert pnl(AUGUST).direct == {"Compute": Decimal(12), PRIOR_PERIOD: Decimal("0.5")}
    assert ClosedMonth.objects.filter(month=AUGUST).count() == 2


def test_a_month_without_figures_closes_with_the_next(carol):
    bill(JULY, charge(JULY, "10"))
    bill(SEPTEMBER, charge(SEPTEMBER, "10"))
    close(JULY, carol)
    close(SEPTEMBER, carol)
    bill(AUGUST, charge(AUGUST, "3"))
    assert "had no figures and closed with 2026-09" in refused(
        month=AUGUST, actor=carol, reason="x", accept=open_items(AUGUST)
    )
    (row,) = PriorPeriodAdjustment.objects.all()
    assert (row.cost_month, row.booked_month) == (AUGUST, date(2026, 10, 1))
    reopen_month(month=SEPTEMBER, actor=carol, reason="x")
    assert not PriorPeriodAdjustment.objects.exists()


def test_reported_figures_refuse_what_was_not_stored(carol):
    bill(JULY, charge(JULY, "10"))
    close(JULY, carol)
    july = Slice(window=Window.of_month(JULY), basis="reported")
    for slice_, granularity, words in (
        (july, "day", "kept by month"),
        (replace(july, window=Window(date(2026, 7, 5), AUGUST)), "month", "whole months"),
        (replace(july, as_of=NOW), "month", "do not change with time"),
    ):
        with pytest.raises(ReportedError, match=words):
            pnls_by_column(slice_, granularity)  # type: ignore[arg-type]
    assert pnls_by_column(replace(july, window=Window.of_month(AUGUST)), "day") == {}


def test_filters_of_the_ledger_hold_for_reported_figures(carol):
    tagged = charge(JULY, "10")
    bill(
        JULY,
        replace(tagged, tags={"tenant": "acme", "team": "core"}),
        replace(tagged, billed_cost=Decimal(1), effective_cost=Decimal(1)),
    )
    close(JULY, carol)
    assert pnl(JULY, team="core").cost == Decimal(10)
    assert pnl(JULY, provider="AWS").cost == Decimal(11)
    assert (
        pnls_by_tenant(Slice(window=Window.of_month(JULY), basis="reported", provider="Cloudflare"))
        == {}
    )


def test_the_same_bills_in_another_order_around_a_close_leave_one_ledger(carol):
    bill(JULY, charge(JULY, "10"))
    close(JULY, carol)
    for cost in ("11", "9", "10"):
        bill(JULY, charge(JULY, cost))
    total = sum(row.effective_cost for row in PriorPeriodAdjustment.objects.all())
    assert total == 0
    assert [row.effective_cost for row in PriorPeriodAdjustment.objects.order_by("pk")] == [
        1,
        -2,
        1,
    ]


def test_the_clock_of_the_adjustment_is_that_of_the_load(carol, monkeypatch):
    bill(JULY, charge(JULY, "10"))
    close(JULY, carol)
    later = datetime(2026, 12, 21, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: later)
    bill(JULY, charge(JULY, "11"))
    assert PriorPeriodAdjustment.objects.get().made_at == later


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_people_and_a_load_at_the_same_time():
    """One close wins, the other is told; the load is in the report or is an adjustment, never neither."""
    people = [person(name, "admin") for name in ("carol", "dave")]
    bill(JULY, charge(JULY, "10"))
    bill(AUGUST, charge(AUGUST, "10"))
    accept = {**open_items(JULY), **open_items(AUGUST), "jobs": "x", "deliveries": "x"}
    said: list[str] = []
    start = threading.Barrier(3)

    def closes(actor: User) -> None:
        start.wait()
        try:
            close_month(month=JULY, actor=actor, reason="x", accept=accept)
            said.append("closed")
        except CloseRefusedError as error:
            said.append(str(error))
        finally:
            connection.close()

    def loads() -> None:
        start.wait()
        try:
            bill(JULY, charge(JULY, "11"))
        finally:
            connection.close()

    threads = [threading.Thread(target=closes, args=(actor,)) for actor in people]
    threads.append(threading.Thread(target=loads))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(text[:10] for text in said) == ["2026-07 is", "closed"]
    assert ClosedMonth.objects.count() == AuditEntry.objects.count() == 1
    booked = sum(row.effective_cost for row in PriorPeriodAdjustment.objects.all())
    assert pnl(JULY).cost + booked == pnl(JULY, "restated").cost == 11
