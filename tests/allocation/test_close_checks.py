"""What keeps a month open: estimates that are behind, loads that wait, amounts without a rate."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from allocation.checks.bills import Bills
from allocation.checks.currencies import Currencies
from allocation.checks.estimating import Estimating
from allocation.checks.jobs import Jobs
from allocation.core.checks import Asked, CheckState
from allocation.month_close import CloseRefusedError, close_month
from finops import clock, job_table
from finops.core.focus import ChargeCategory, ServiceCategory
from finops.core.fx import Quote
from finops.fx import write_quotes
from finops.models import Job
from finops.runner import Runner
from ingestion.core.invoices import Bill, Line
from ingestion.estimating import JOB_KIND, SUBJECT, estimate
from ingestion.invoices import take_bills
from ingestion.selectors import month_statuses
from tests.allocation.closing import open_items
from tests.dashboards.world import person
from tests.ingestion.estimates import a_company, bill, logs

pytestmark = pytest.mark.django_db
MAY = datetime(2026, 5, 10, 9, tzinfo=UTC)
APRIL = date(2026, 4, 1)
ASKED = Asked(APRIL, MAY, None)


@pytest.fixture(autouse=True)
def in_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: MAY)
    monkeypatch.setattr(clock, "today", MAY.date)


def test_a_month_is_not_closed_while_the_estimate_of_a_billed_hour_still_stands(
    tmp_path: Path,
) -> None:
    a_company()
    logs(tmp_path / "logs", {10: 1})
    estimate()
    assert Estimating().look(ASKED).state is CheckState.OK
    bill(tmp_path / "bills", {10: 1})
    carol = person("carol", "admin")
    with pytest.raises(CloseRefusedError, match=r"wait a minute for the worker, or run manage\.py"):
        close_month(month=APRIL, actor=carol, reason="x", accept=open_items(APRIL))
    job_table.enqueue(kind=JOB_KIND, subject=SUBJECT)
    Runner().work_off()
    assert Estimating().look(ASKED).state is CheckState.OK
    assert close_month(month=APRIL, actor=carol, reason="x", accept=open_items(APRIL))


def test_usage_that_was_never_estimated_blocks_and_a_house_without_usage_needs_no_estimate(
    tmp_path: Path,
) -> None:
    a_company()
    bill(tmp_path / "bills", {10: 1})
    assert Estimating().look(ASKED).state is CheckState.OK
    logs(tmp_path / "logs", {10: 1})
    assert Estimating().look(ASKED).state is CheckState.BLOCKED


@pytest.mark.parametrize("state", [Job.State.QUEUED, Job.State.RUNNING])
def test_a_load_that_runs_or_waits_keeps_the_month_open_unless_it_is_of_other_months(
    state: Job.State,
) -> None:
    assert Jobs().look(ASKED).state is CheckState.OK
    job, _ = job_table.enqueue(kind="collect", subject="aws-bills")
    Job.objects.update(state=state)
    found = Jobs().look(ASKED)
    assert found.state is CheckState.OPEN
    assert found.details == (f"Job {job.pk}, collect aws-bills, is {state.value}.",)
    Job.objects.update(arguments={"since": "2026-05", "until": "2026-05"})
    assert Jobs().look(ASKED).state is CheckState.OK
    Job.objects.update(arguments={}, state=Job.State.DONE)
    assert Jobs().look(ASKED).state is CheckState.OK


def test_amounts_without_a_rate_are_named_and_those_paid_at_a_known_rate_need_none() -> None:
    invoice("1", "100")
    found = Currencies().look(ASKED)
    assert found.state is CheckState.OPEN
    assert found.details[0] == "Cost of 100.00 EUR has no rate."
    assert "Exchange rates" in found.details[-1]
    invoice("1", "100", settled="1.2")
    assert Currencies().look(ASKED).state is CheckState.OK
    invoice("2", "7")
    assert Currencies().look(ASKED).details[0] == "Cost of 7.00 EUR has no rate."
    write_quotes(quotes=[Quote(date(2026, 4, 7), "EUR", "USD", Decimal("1.1"), "typed in")])
    assert Currencies().look(ASKED).state is CheckState.OK


def test_a_supplier_bills_by_any_of_its_invoices_also_by_one_that_was_paid_apart() -> None:
    invoice("1", "100")
    invoice("1", "100", settled="1.2")  # moves to a source of its own, and empties the other
    later = replace(ASKED, now=datetime(2026, 6, 10, tzinfo=UTC))
    found = Bills().look(later)
    assert (found.state, found.figure) == (CheckState.OK, "1 of 1 final")
    assert month_statuses(MAY.date()).keys() == {("invoices-tsa-settled-1", APRIL)}
    may = Bills().look(replace(ASKED, month=date(2026, 5, 1)))
    assert may.details == ("TSA: no invoice for 2026-05 has come; it is expected by 11 Jun 2026.",)


def invoice(number: str, amount: str, settled: str = "") -> None:
    line = Line(
        description="Stamps",
        service_name="Time stamps",
        service_category=ServiceCategory.SECURITY,
        charge_category=ChargeCategory.USAGE,
        service_start=APRIL,
        service_end=date(2026, 5, 1),
        amount=Decimal(amount),
        tenant="acme",
    )
    take_bills(
        bills=[
            Bill(
                *("TSA", number, date(2026, 5, 1), "EUR", (line,)),
                settled_rate=Decimal(settled) if settled else None,
                settled_currency="USD" if settled else "",
            )
        ]
    )
