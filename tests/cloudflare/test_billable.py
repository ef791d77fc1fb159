"""Billable usage: read in both versions, kept by day, and put beside the analytics."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.core.periods import Window
from ingestion.cloudflare.billable import (
    billable_accounts,
    billable_beside_analytics,
    billable_not_compared,
    billable_totals,
    store_billable,
)
from ingestion.cloudflare_models import BillableUsage
from ingestion.core.billable_usage import MOST_DAYS, beside, metric_of, read_billable, windows
from ingestion.core.cloudflare_graphql import AnswerError
from ingestion.models import Source
from ingestion.services import collect
from simulator.cloudflare_api import Fault
from tests.cloudflare.conftest import ACCOUNT, NOW
from tests.cloudflare.looks import look, newest, problem

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 25)


def record(**changed: object) -> dict[str, object]:
    told: dict[str, object] = {
        "BillingAccountId": ACCOUNT,
        "ChargePeriodStart": "2026-11-03T00:00:00Z",
        "ConsumedQuantity": Decimal("12.5"),
        "ConsumedUnit": "Requests",
        "x_BillableMetricId": "workers_requests",
        "x_BillableMetricName": "Workers Standard Requests",
        "x_ProductFamilyName": "Workers",
    }
    return {name: value for name, value in (told | changed).items() if value is not ...}


def envelope(*records: object) -> dict[str, object]:
    return {"success": True, "errors": [], "messages": [], "result": list(records)}


def read(*records: object):
    return read_billable(envelope(*records), account=ACCOUNT, first=FIRST, last=LAST)


def test_costs_may_be_missing_and_are_then_not_zero():
    (one,), asides = read(record())
    assert (one.quantity, one.billed_cost, one.currency, asides) == (Decimal("12.5"), None, "", ())
    (one,), _ = read(record(BilledCost=Decimal("0.1"), BillingCurrency="usd"))
    assert (one.billed_cost, one.currency) == (Decimal("0.1"), "USD")


def test_version_1_is_read_by_its_service_names():
    old = {
        "BillingAccountId": ACCOUNT,
        "ChargePeriodStart": "2026-11-03",
        "ConsumedQuantity": 7,
        "ConsumedUnit": "",
        "ServiceName": "R2 Class A Operations",
        "ServiceFamilyName": "R2",
        "BilledCost": 0,
        "BillingCurrency": "USD",
        "SubscriptionId": "sub-1",
    }
    (one,), asides = read(old)
    assert not asides
    assert (one.metric_id, one.family, one.sub_account) == ("R2 Class A Operations", "R2", "sub-1")
    assert metric_of(one.metric_name, one.unit) == ("r2_class_a", 1)


@pytest.mark.parametrize(
    ("name", "unit", "metric"),
    [
        ("Workers Standard Requests", "Requests", ("worker_requests", 1)),
        ("workers_standard_requests", "Requests", ("worker_requests", 1)),
        ("Workers Standard CPU Time", "Milliseconds", ("worker_cpu_us", 1000)),
        ("R2 Storage Class A Operations (First 1M included)", "Count", ("r2_class_a", 1)),
        ("R2 Class B Operations", "", ("r2_class_b", 1)),
        # What only sounds alike, or is told in another unit, is nothing that we know.
        ("Workers Standard CPU Time", "Hours", None),
        ("Workers Standard CPU Time", "", None),
        ("Workers AI Requests", "Requests", None),
        ("Workers KV Read Requests", "Requests", None),
        ("R2 Infrequent Access Class A Operations", "Operations", None),
        ("R2 Data Catalog class a operations compaction", "Operations", None),
        ("", "", None),
    ],
)
def test_a_name_is_matched_whole_and_in_its_unit_or_not_at_all(name, unit, metric):
    assert metric_of(name, unit) == metric


@pytest.mark.django_db
def test_names_that_are_not_known_are_shown_as_they_are_and_compared_with_nothing(connection):
    source = Source.objects.create(
        kind="cloudflare_usage", identity=ACCOUNT, slug="cf", name="cf", created_at=NOW
    )
    records, _ = read(
        record(),
        record(
            x_BillableMetricId="kv",
            x_BillableMetricName="Workers KV Read Requests",
            ConsumedUnit="Reads",
        ),
    )
    store_billable(source=source, records=records)
    window = Window(FIRST, LAST)
    assert billable_not_compared(window) == ["Workers KV Read Requests (Reads)"]
    assert billable_beside_analytics(window) == []
    assert {one.metric_name for one in billable_totals(ACCOUNT, NOW.date())} == {
        "Workers KV Read Requests",
        "Workers Standard Requests",
    }


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("x", "it is no object"),
        (record(x_BillableMetricId=...), "neither x_BillableMetricId nor ServiceName"),
        (record(ChargePeriodStart="yesterday"), "ChargePeriodStart is no time"),
        (record(ChargePeriodStart=None), "ChargePeriodStart is no time"),
        (record(ChargePeriodStart="2026-12-01T00:00:00Z"), "was not asked for"),
        (record(ConsumedQuantity=None), "ConsumedQuantity is no number"),
        (record(ConsumedQuantity=True), "ConsumedQuantity is no number"),
        (record(ConsumedQuantity="NaN"), "too large to be true"),
        (record(ConsumedQuantity=10**40), "too large to be true"),
        (record(BilledCost=1), "no BillingCurrency"),
        (record(BillingAccountId="f" * 32), "another account's"),
    ],
)
def test_a_bad_record_is_put_aside_and_the_others_are_read(entry, reason):
    found, (aside,) = read(entry, record())
    assert len(found) == 1
    assert reason in aside.reason
    assert aside.place == "billable usage record 1"


def test_an_answer_of_another_form_is_refused():
    bodies: list[object] = [{"success": True, "result": {}}, {"success": False, "errors": []}, []]
    for body in bodies:
        with pytest.raises(AnswerError):
            read_billable(body, account=ACCOUNT, first=FIRST, last=LAST)


def test_corrections_of_a_day_are_added_up():
    (one,), _ = read(record(), record(ConsumedQuantity=Decimal("-2.5"), ChargeClass="Correction"))
    assert one.quantity == 10


@given(st.dates(FIRST, LAST), st.integers(-3, 400))
def test_windows_cover_each_day_once_and_are_never_too_long(first, days):
    last = first + timedelta(days=days)
    found = windows(first, last)
    told = [
        start + timedelta(days=n) for start, end in found for n in range((end - start).days + 1)
    ]
    assert told == [first + timedelta(days=n) for n in range(days + 1)]
    assert all((end - start).days < MOST_DAYS for start, end in found)


def test_only_days_that_both_know_are_compared():
    day, other = date(2026, 11, 3), date(2026, 11, 4)
    billable = {("a", "r2_class_a", day): Decimal(100), ("a", "r2_class_a", other): Decimal(5)}
    (one,) = beside(billable, {("a", "r2_class_a", day): Decimal(99)})
    assert (one.days, one.difference, one.worst) == (1, Decimal("-0.01"), (day, Decimal("-0.01")))


@pytest.mark.django_db
def test_a_look_keeps_31_days_and_reading_again_changes_nothing(connection, api):
    api.behaviour.billable = True
    look(connection)
    assert newest().capabilities["billable_usage"] == "yes"
    days = set(BillableUsage.objects.values_list("day", flat=True))
    assert days == {NOW.date() - timedelta(days=n) for n in range(MOST_DAYS)}
    before = list(BillableUsage.objects.values_list("day", "metric_id", "quantity"))
    look(connection)
    assert list(BillableUsage.objects.values_list("day", "metric_id", "quantity")) == before
    assert billable_accounts(NOW.date()) == [ACCOUNT]
    totals = billable_totals(ACCOUNT, NOW.date())
    assert {one.metric_name for one in totals} == {
        "Workers Standard Requests",
        "Workers Standard CPU Time",
        "R2 Class A Operations",
        "R2 Class B Operations",
    }
    assert {(one.days, one.billed_cost) for one in totals} == {(25, None)}


@pytest.mark.django_db
def test_version_1_is_asked_where_version_2_is_forbidden(connection, api):
    api.behaviour.faults.append(
        Fault(200, envelope(record(ConsumedQuantity=12.5)), match="/billable-usage")
    )
    look(connection)
    assert newest().capabilities["billable_usage"] == "yes"
    assert BillableUsage.objects.get().quantity == Decimal("12.5")


@pytest.mark.django_db
def test_an_answer_that_tells_of_no_day_takes_nothing_away(connection, api):
    api.behaviour.billable = True
    look(connection)
    api.behaviour.faults.append(Fault(200, envelope(), match="/billable/usage"))
    look(connection)
    assert BillableUsage.objects.count() == 4 * MOST_DAYS


@pytest.mark.django_db
def test_broken_records_are_counted_and_no_problem_of_the_usage(connection, api):
    api.behaviour.faults.append(
        Fault(
            200,
            envelope(record(ConsumedQuantity="x")),
            match="/billable/usage",
        )
    )
    look(connection)
    assert newest().rejected_rows == 1
    assert problem(connection) == ""


@pytest.mark.django_db
def test_billable_usage_stands_beside_the_analytics_of_whole_days(connection, api):
    api.behaviour.billable = True
    connection.refresh_from_db()
    collect(connection=connection, since=date(2026, 11, 1), until=date(2026, 11, 1))
    assert {row.day for row in BillableUsage.objects.all()} == {
        date(2026, 11, n) for n in range(1, 26)
    }
    found = billable_beside_analytics(Window(date(2026, 11, 1), NOW.date()))
    assert {one.metric for one in found} == {
        "worker_requests",
        "worker_cpu_us",
        "r2_class_a",
        "r2_class_b",
    }
    for one in found:
        assert one.days == 24
        assert one.difference is not None
        assert abs(one.difference) < Decimal("0.004")


@pytest.mark.django_db
def test_a_day_told_again_is_replaced_and_others_stay(connection):
    source = Source.objects.create(
        kind="cloudflare_usage", identity=ACCOUNT, slug="cf", name="cf", created_at=NOW
    )
    first, _ = read(record(), record(ChargePeriodStart="2026-11-04T00:00:00Z"))
    store_billable(source=source, records=first)
    again, _ = read(record(ConsumedQuantity=20))
    store_billable(source=source, records=again)
    assert [row.quantity for row in BillableUsage.objects.order_by("day")] == [20, Decimal("12.5")]
