"""A bill under whatever name takes the place of the estimate; what nobody agreed on is not estimated."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import Sum

from allocation.focus_export import Wanted, write_focus
from allocation.models import LedgerMonth
from allocation.reconciling import provider_months
from allocation.selectors import reconciliation
from finops import clock
from finops.core.amounts import exact_sum
from finops.core.focus import ChargeCategory, ServiceCategory
from finops.models import Tenant
from ingestion.core.invoices import Bill, Line
from ingestion.core.tsa_contract import Contract
from ingestion.estimating import estimate
from ingestion.invoices import take_bills
from ingestion.models import Load
from ingestion.services import ingest
from ingestion.tsa_contracts import write_contract
from tests.cur_export import Export, line
from tests.focus_files import row, write
from tests.ingestion import stamps
from tests.ingestion.estimates import ACCOUNT, NOW, a_company, ledger, logs

pytestmark = pytest.mark.django_db

APRIL = date(2026, 4, 1)
ABOUT_AWS = {"ProviderName": "AWS", "SubAccountId": ACCOUNT}


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: moment)


def tokens(count: int) -> None:
    Tenant.objects.create(slug="acme", name="Acme", first_seen=clock.now())
    stamps.take(*[stamps.record(number) for number in range(count)])


def contract(supplier: str) -> None:
    about = Contract(
        name="C",
        valid_from=date(2026, 1, 1),
        valid_until=date(2027, 1, 1),
        commitment=1000,
        fee=Decimal(1200),
        overage_price=Decimal("0.1"),
        service_provider_name=supplier,
    )
    write_contract(contract=about, reason="Agreed.", by=None)


def kinds() -> set[str]:
    return set(LedgerMonth.objects.filter(month=APRIL).values_list("kind", flat=True))


def test_a_focus_bill_that_names_no_provider_of_its_own_ends_the_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, NOW)
    a_company()
    logs(tmp_path / "logs", {10: 1})
    estimate()
    assert set(ledger()) == {"estimated"}
    egress = row(
        "0.09",
        ServiceName="Amazon S3",
        ServiceCategory="Networking",
        ChargePeriodStart="2026-04-20T10:00:00Z",
        ChargePeriodEnd="2026-04-20T11:00:00Z",
        ConsumedQuantity="1",
        ConsumedUnit="GB",
        x_UsageType="DataTransfer-Out-Bytes",
        x_ServiceCode="AmazonS3",
        **ABOUT_AWS,
    )
    write(tmp_path / "focus" / "a.csv", [egress])
    assert ingest(kind="focus", location=tmp_path / "focus").exit_code == 0
    estimate()
    assert ledger() == {"billed": Decimal("0.09")}


@pytest.mark.parametrize("supplier", ["TSA", "DigiCert"])
@pytest.mark.parametrize("category", [ChargeCategory.USAGE, ChargeCategory.PURCHASE])
def test_an_invoice_of_tokens_ends_their_estimate_whatever_its_supplier_is_called(
    monkeypatch: pytest.MonkeyPatch, supplier: str, category: ChargeCategory
) -> None:
    at(monkeypatch, datetime(2026, 4, 30, 12, tzinfo=UTC))
    contract(supplier)
    tokens(200)
    estimate()
    assert kinds() == {"estimated"}
    charged = Line(
        description="Tokens of the year",
        service_name="Time stamps",
        service_category=ServiceCategory.SECURITY,
        charge_category=category,
        service_start=date(2026, 1, 1),
        service_end=date(2027, 1, 1),
        amount=Decimal(1200),
        meter="tsa_tokens",
    )
    invoice = Bill(
        supplier=supplier,
        invoice_id="I1",
        issued_on=date(2026, 1, 2),
        currency="EUR",
        lines=(charged,),
    )
    take_bills(bills=[invoice])
    estimate()
    assert "estimated" not in kinds()


def test_tokens_without_a_contract_are_named_and_not_priced_at_a_retail_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at(monkeypatch, datetime(2026, 4, 30, 12, tzinfo=UTC))
    tokens(20)
    made = estimate()
    assert kinds() == set()
    assert "has no contract on 2026-04" in " ".join(made.problems)


def test_the_last_hour_of_tokens_is_estimated_once_it_has_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at(monkeypatch, datetime(2026, 5, 20, 12, tzinfo=UTC))
    contract("TSA")
    tokens(200)
    estimate()
    assert LedgerMonth.objects.aggregate(all=Sum("consumed_quantity"))["all"] == 200


def test_two_folders_of_one_name_are_two_vendors(tmp_path: Path) -> None:
    write(tmp_path / "one" / "focus" / "a.csv", [row("10")])
    write(tmp_path / "two" / "focus" / "b.csv", [row("5", ServiceName="Another")])
    for place in ("one", "two", "one"):
        assert ingest(kind="focus", location=tmp_path / place / "focus").exit_code == 0
    assert exact_sum(one.ingested for one in reconciliation()) == 15


def test_a_provider_without_a_bill_yet_is_reconciled_with_its_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at(monkeypatch, datetime(2026, 5, 20, 12, tzinfo=UTC))
    contract("TSA")
    tokens(200)
    estimate()
    (bill,) = provider_months(APRIL)
    assert (bill.key.provider, bill.sources) == ("TSA", ())
    assert bill.beside["estimated beyond the bill"] > 0
    assert bill.total("source_total") == 0


def test_a_bill_whose_days_did_not_change_is_exported_after_it_came_again(tmp_path: Path) -> None:
    rows = [line("10", tenant="acme", day=1), line("4", tenant="globex", day=2)]
    for number, lines in enumerate((rows, list(reversed(rows)))):
        execution = f"2026-04-1{number}T08:00:00.000Z-0000000{number}"
        ingest(kind="aws_cur", location=Export(lines, execution=execution).write(tmp_path))
    assert Load.objects.count() == 2
    assert write_focus(Wanted(APRIL), tmp_path / "out.csv.gz") == 2
