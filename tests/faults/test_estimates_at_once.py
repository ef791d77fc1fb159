"""Estimates by several processes at once, overtaken or killed: the ledger is that of one run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import settings

from allocation.models import LedgerDay, LedgerMonth
from allocation.selectors import reconciliation
from finops import clock
from finops.core.periods import add_months
from finops.models import Tenant
from ingestion.core.tsa_contract import Contract
from ingestion.estimate_models import EstimatedMonth, MeterDay
from ingestion.estimating import estimate, is_stale
from ingestion.models import Delivery, Load
from ingestion.tsa_contracts import write_contract
from tests.faults.test_killed_loads import ROOT, database_url
from tests.ingestion import stamps

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ESTIMATE = "import django; django.setup(); from ingestion.estimating import estimate; estimate()"
MONTHS = 4


def estimator() -> subprocess.Popen[bytes]:
    """One estimate as a process of its own, on this test's database and lake."""
    return subprocess.Popen(
        [sys.executable, "-c", ESTIMATE],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "FINOPS_LAKE_URL": str(settings.LAKE_DIR),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors.decode()


def tokens(first: int, count: int) -> None:
    """So many tokens of each of two tenants in each of the last months."""
    this = clock.now().astimezone(UTC).date().replace(day=1)
    for back in range(1, MONTHS + 1):
        month = add_months(this, -back)
        at = datetime(month.year, month.month, 5, 8, tzinfo=UTC)
        stamps.take(
            *[
                stamps.record(
                    back * 100_000 + first + i,
                    at=at + timedelta(hours=i % 300),
                    tenant=f"t-{i % 2}",
                )
                for i in range(count)
            ]
        )


@pytest.fixture
def used() -> None:
    for number in range(2):
        Tenant.objects.create(slug=f"t-{number}", name=f"T {number}", first_seen=clock.now())
    contract = Contract(
        name="C",
        valid_from=date(2026, 1, 1),
        valid_until=date(2036, 1, 1),
        commitment=0,
        fee=Decimal(0),
        overage_price=Decimal("0.5"),
    )
    write_contract(contract=contract, reason="Agreed.", by=None)
    tokens(0, 300)


def state() -> tuple[object, ...]:
    """The ledger, without the names of loads."""
    return tuple(
        sorted(
            model.objects.filter(kind="estimated").values_list(
                when, "tenant", "billing_currency", "billed_cost", "consumed_quantity", "lines"
            )
        )
        for model, when in ((LedgerDay, "day"), (LedgerMonth, "month"))
    )


def forget() -> None:
    for model in (Load, Delivery, EstimatedMonth, MeterDay):
        model._default_manager.all().delete()


def is_one_load_a_month() -> bool:
    loads = Load.objects.filter(kind="estimated", state="current", lines__gt=0)
    months = list(loads.values_list("billing_period", flat=True))
    return len(months) == len(set(months)) == MONTHS


def test_estimates_by_three_processes_at_once_are_those_of_one(used: None) -> None:
    estimate()
    expected, days = state(), list(MeterDay.objects.values_list("meter", "day", "estimated_cost"))
    assert sum(row[3] for row in expected[0]) == Decimal("0.5") * 300 * MONTHS  # type: ignore[attr-defined]
    forget()
    for process in [estimator() for _ in range(3)]:
        ended(process)
    assert state() == expected
    assert is_one_load_a_month()
    assert list(MeterDay.objects.values_list("meter", "day", "estimated_cost")) == days
    assert all(row.source_total == row.ingested for row in reconciliation(estimates=True))
    assert not is_stale(clock.now())


def _stopped_in_the_middle() -> subprocess.Popen[bytes]:
    """An estimator that holds still while a load of it is not yet visible."""
    for _ in range(20):
        found = estimator()
        while found.poll() is None and not Load.objects.filter(state="staged").exists():
            time.sleep(0.002)
        found.send_signal(signal.SIGSTOP)
        if found.poll() is None and Load.objects.filter(state="staged").exists():
            return found
        found.kill()
        found.wait(10)
        forget()
    raise AssertionError


def test_a_run_that_was_overtaken_by_newer_usage_is_noticed_and_made_good(used: None) -> None:
    slow = _stopped_in_the_middle()
    tokens(5000, 40)
    ended(estimator())
    newest = state()
    slow.send_signal(signal.SIGCONT)
    ended(slow)
    # What the slow one knew is older than what it replaced: that is seen, and the next run puts it right.
    assert state() != newest
    assert is_stale(clock.now())
    estimate()
    assert state() == newest
    assert sum(row[3] for row in newest[0]) == Decimal("0.5") * 340 * MONTHS  # type: ignore[attr-defined]
    assert not is_stale(clock.now())


def test_an_estimator_killed_at_any_moment_is_made_good_by_the_next(used: None) -> None:
    begin = time.monotonic()
    ended(estimator())
    lasts = time.monotonic() - begin
    expected = state()
    for step in range(2, 7):
        forget()
        victim = estimator()
        time.sleep(lasts * step / 7)
        victim.send_signal(signal.SIGKILL)
        victim.wait(10)
        seen = state()
        assert all(set(half) <= set(whole) for half, whole in zip(seen, expected, strict=True))  # type: ignore[call-overload]
        ended(estimator())
        assert state() == expected
        assert is_one_load_a_month()
        assert not is_stale(clock.now())
