"""Usage of any month becomes cost, whenever it comes; a bill that goes gives the estimate back; a fee is due unused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from allocation.models import LedgerDay, LedgerMonth
from finops import clock
from finops.core.focus import ChargeCategory, CostKind, ServiceCategory
from finops.models import Tenant
from ingestion.core.invoices import Bill, Line
from ingestion.core.tsa_contract import Contract
from ingestion.estimating import estimate, is_stale
from ingestion.invoice_models import Invoice
from ingestion.invoices import charge_months, take_bills
from ingestion.made_load import Made, load_made
from ingestion.metered.tsa import TsaTokens
from ingestion.models import Load
from ingestion.services import ingest
from ingestion.tsa_contracts import write_contract
from tests.focus_files import row, write
from tests.ingestion import stamps
from tests.ingestion.estimates import ACCOUNT, MIDNIGHT, a_company, ledger, logs

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 1, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_november(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def contract(fee: str = "3650", **changed: object) -> None:
    about: dict[str, object] = {
        "name": "C",
        "valid_from": date(2026, 1, 1),
        "valid_until": date(2027, 1, 1),
        "commitment": 0,
        "fee": Decimal(fee),
        "overage_price": Decimal("0.5"),
    }
    write_contract(contract=Contract(**{**about, **changed}), reason="Agreed.", by=None)  # type: ignore[arg-type]


def tokens(month: int, count: int, *, first: int = 0, day: int = 5) -> None:
    Tenant.objects.get_or_create(slug="acme", defaults={"name": "Acme", "first_seen": NOW})
    at = datetime(2026, month, day, 8, tzinfo=UTC)
    number = 10_000 * month + first
    stamps.take(*[stamps.record(number + i, at=at + timedelta(seconds=i)) for i in range(count)])


def by_month(kind: str = "estimated") -> dict[int, Decimal]:
    rows = LedgerDay.objects.filter(kind=kind).values_list("day__month").order_by("day__month")
    sums = dict(rows.annotate(total=Sum("billed_cost")))
    return {month: total.quantize(Decimal("0.01")) for month, total in sums.items() if total}


def invoice(amount: str, start: date, end: date) -> None:
    line = Line(
        description="Tokens",
        service_name="Time stamps",
        service_category=ServiceCategory.SECURITY,
        charge_category=ChargeCategory.USAGE,
        service_start=start,
        service_end=end,
        amount=Decimal(amount),
        meter="tsa_tokens",
    )
    take_bills(bills=[Bill("TSA", "I1", start, "EUR", (line,))])


def test_tokens_that_come_ten_months_late_become_cost() -> None:
    contract("0")
    tokens(1, 4)
    estimate()
    assert by_month() == {1: Decimal(2)}
    tokens(1, 2, first=100)
    assert is_stale(NOW)
    estimate()
    assert by_month() == {1: Decimal(3)}


def test_an_old_bill_that_is_withdrawn_gives_the_estimate_back() -> None:
    contract("0")
    tokens(3, 4)
    estimate()
    invoice("9", date(2026, 3, 1), date(2026, 4, 1))
    estimate()
    assert (by_month(), by_month("true-up")) == ({}, {3: Decimal(9)})
    Invoice.objects.update(is_void=True)
    charge_months(supplier="TSA", months={date(2026, 3, 1)})
    estimate()
    assert (by_month(), by_month("true-up")) == ({3: Decimal(2)}, {})


def test_an_invoice_of_half_a_month_leaves_the_other_half_to_the_estimate() -> None:
    contract("0")
    tokens(3, 4, day=5)
    tokens(3, 6, day=20, first=500)
    invoice("9", date(2026, 3, 16), date(2026, 4, 1))
    estimate()
    assert (by_month(), by_month("true-up")) == ({3: Decimal(2)}, {3: Decimal(9)})


def test_usage_that_comes_after_its_invoice_is_paid_by_it_at_once() -> None:
    contract("0")
    tokens(3, 4, day=5)
    invoice("9", date(2026, 3, 1), date(2026, 4, 1))
    tokens(3, 6, day=20, first=500)
    estimate()
    assert (by_month(), by_month("true-up")) == ({}, {3: Decimal(9)})


def test_the_fee_of_a_month_without_a_token_is_estimated_day_by_day() -> None:
    contract()
    tokens(8, 10)
    estimate()
    # August's ten tokens bear its fee and their price; nobody used it in the months after it.
    assert by_month() == {8: Decimal(315), 9: Decimal(300), 10: Decimal(310), 11: Decimal(190)}
    fees = LedgerDay.objects.filter(day__month__gte=9)
    assert set(fees.values_list("charge_category", flat=True)) == {"Purchase"}
    tokens(10, 2)
    estimate()
    assert by_month()[10] == Decimal(311)


def test_the_invoice_of_an_unused_month_ends_its_fee() -> None:
    contract()
    tokens(8, 10)
    estimate()
    invoice("280", date(2026, 9, 1), date(2026, 10, 1))
    estimate()
    assert 9 not in by_month()
    assert LedgerMonth.objects.get(month=date(2026, 9, 1), kind="billed").billed_cost == 280


def test_days_without_a_token_are_known_and_do_not_thin_the_fee_of_a_month_that_is_over() -> None:
    contract()
    tokens(7, 1)
    tokens(8, 10)
    estimate()
    assert by_month()[8] == Decimal(315)  # 310 of the fee and ten tokens


def test_the_rest_of_the_hour_in_which_a_bill_ends_is_estimated(tmp_path: Path) -> None:
    a_company()
    logs(tmp_path / "logs", {10: 4, 11: 1})
    half_past = row(
        "0.18",
        ServiceName="Amazon S3",
        ServiceCategory="Networking",
        ChargePeriodStart="2026-04-20T10:00:00Z",
        ChargePeriodEnd="2026-04-20T10:30:00Z",
        ConsumedQuantity="2",
        ConsumedUnit="GB",
        x_UsageType="DataTransfer-Out-Bytes",
        x_ServiceCode="AmazonS3",
        ProviderName="AWS",
        SubAccountId=ACCOUNT,
    )
    write(tmp_path / "focus" / "a.csv", [half_past])
    assert ingest(kind="focus", location=tmp_path / "focus").exit_code == 0
    estimate()
    # The bill ends in the middle of an hour of 4 GB: half of it is left, and the hour after it.
    assert ledger() == {"billed": Decimal("0.18"), "estimated": Decimal("0.27")}


def test_logs_of_an_old_month_are_estimated_and_only_that_month_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract("0")
    a_company()
    for month in range(3, 12):
        tokens(month, 2)
    estimate()
    asked: list[datetime] = []
    read = TsaTokens.read

    def watched(self: TsaTokens, start: datetime, end: datetime) -> object:
        asked.append(end)
        return read(self, start, end)

    monkeypatch.setattr(TsaTokens, "read", watched)
    logs(tmp_path / "logs", {10: 1})
    assert MIDNIGHT.month == 4
    made = estimate()
    assert by_month()[4] == Decimal("1.09")
    assert made.loads == 1
    # April, and May, whose weekdays April tells.
    assert asked == [datetime(2026, 6, 1, tzinfo=UTC)]


def test_asking_whether_anything_changed_costs_the_same_with_many_months() -> None:
    contract("0")
    tokens(1, 1)
    estimate()

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert not is_stale(NOW)
        return len(found)

    one = queries()
    for month in range(2, 12):
        tokens(month, 1)
    estimate()
    assert queries() == one


def test_an_older_run_that_wrote_last_and_was_killed_is_noticed() -> None:
    contract("0")
    tokens(3, 4)
    estimate()
    load = Load.objects.select_related("source").get(kind="estimated", state="current")
    # What a slower worker leaves behind that had read less, and was killed before it could say so.
    made = Made(
        source_kind=load.source.kind,
        identity=load.source.identity,
        source_slug=load.source.slug,
        source_name=load.source.name,
        service_provider_name=load.source.service_provider_name,
        key=load.source.slug,
    )
    load_made(made, billing_period=load.billing_period, lines=[], kind=CostKind.ESTIMATED)
    assert by_month() == {}
    assert is_stale(NOW)
    estimate()
    assert by_month() == {3: Decimal(2)}
