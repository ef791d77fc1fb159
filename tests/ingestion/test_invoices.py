"""Suppliers' invoices become charge lines of their months, whoever delivers them and however often."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from allocation.models import LedgerDay, PnlMonth
from allocation.selectors import reconciliation
from finops.core.amounts import exact_sum
from finops.core.focus import ChargeCategory, ServiceCategory
from ingestion.core.invoices import Bill, Line
from ingestion.invoice_models import Invoice
from ingestion.invoices import charge_again, charge_months, invoiced_through, take_bills
from ingestion.models import Delivery, Load, RejectedRow
from ingestion.selectors import data_through, freshness
from ingestion.services import ingest
from tests.cur_export import Export
from tests.cur_export import line as aws_line

pytestmark = pytest.mark.django_db

HEADER = (
    "supplier,invoice_id,issued_on,currency,description,service_name,service_category,charge_category,"
    "service_start,service_end,amount,tenant,invoice_total\n"
)


def row(
    invoice: str = "CF-1",
    amount: str = "100.00",
    *,
    supplier: str = "Cloudflare",
    start: str = "2026-04-01",
    end: str = "2026-05-01",
    category: str = "Usage",
    tenant: str = "",
    total: str = "",
    currency: str = "USD",
) -> str:
    return (
        f"{supplier},{invoice},2026-05-02,{currency},Something,R2,Storage,{category},{start},{end},{amount},"
        f"{tenant},{total}\n"
    )


def deliver(folder: Path, *rows: str, name: str = "bills.csv") -> int:
    (folder / name).write_text(HEADER + "".join(rows))
    return ingest(kind="invoice_csv", location=folder / name).exit_code


def ledger() -> list[tuple[object, ...]]:
    names = ("day", "service_provider_name", "tenant__slug", "kind", "charge_category")
    more = ("billed_cost", "method", "billing_currency")
    return sorted(LedgerDay.objects.values_list(*names, *more), key=str)


def total() -> Decimal:
    return exact_sum(LedgerDay.objects.values_list("billed_cost", flat=True))


def test_a_monthly_line_is_accrued_over_its_days_and_adds_up(tmp_path: Path) -> None:
    assert deliver(tmp_path, row(amount="100.00", tenant="Acme Corp")) == 0
    assert LedgerDay.objects.count() == 30
    assert total() == Decimal(100)
    assert set(LedgerDay.objects.values_list("tenant__slug", "kind")) == {("acme-corp", "billed")}
    assert [found.difference for found in reconciliation()] == [0]


def test_a_line_over_several_months_is_split_by_their_days(tmp_path: Path) -> None:
    assert deliver(tmp_path, row(amount="100.00", start="2026-01-15", end="2026-04-01")) == 0
    months = dict(PnlMonth.objects.values_list("month", "billed_cost"))
    assert sorted(months) == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]
    assert exact_sum(months.values()) == Decimal(100)
    assert months[date(2026, 2, 1)] == Decimal("36.84210526")


def test_two_invoices_of_one_supplier_and_month_both_count(tmp_path: Path) -> None:
    assert deliver(tmp_path, row("CF-1", "100"), name="a.csv") == 0
    assert deliver(tmp_path, row("CF-2", "11.5"), name="b.csv") == 0
    assert total() == Decimal("111.5")
    assert Load.objects.filter(state="current").count() == 1


def test_a_fee_without_a_tenant_is_a_pool_that_nobody_bears(tmp_path: Path) -> None:
    assert deliver(tmp_path, row(category="Purchase")) == 0
    assert set(LedgerDay.objects.values_list("tenant", "method")) == {
        (None, "pool fees cloudflare v1")
    }


def test_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    deliver(tmp_path, row())
    loads = set(Load.objects.values_list("pk", flat=True))
    assert deliver(tmp_path, row()) == 0
    assert deliver(tmp_path, row(), name="again.csv") == 0
    assert set(Load.objects.values_list("pk", flat=True)) == loads


def test_a_corrected_file_replaces_the_invoice_and_empties_its_old_month(tmp_path: Path) -> None:
    deliver(tmp_path, row(amount="100"))
    assert deliver(tmp_path, row(amount="90", start="2026-05-01", end="2026-06-01")) == 0
    assert set(PnlMonth.objects.values_list("month", "billed_cost")) == {(date(2026, 5, 1), 90)}
    assert Invoice.objects.get().total == 90


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    files = {
        "a.csv": row("CF-1", "100", start="2026-03-20", end="2026-05-03"),
        "b.csv": row("CF-2", "7.77", tenant="acme"),
        "c.csv": row("CF-3", "-3.5", category="Credit") + row("T-1", "44", supplier="TSA"),
    }
    results = []
    for order in (list(files), list(reversed(files))):
        Load.objects.all().delete()
        Invoice.objects.all().delete()
        Delivery.objects.all().delete()
        for name in order:
            assert deliver(tmp_path, files[name], name=name) == 0
        results.append(ledger())
    assert results[0] == results[1]
    assert total() == Decimal("148.27")


def test_a_void_invoice_charges_nothing(tmp_path: Path) -> None:
    deliver(tmp_path, row())
    Invoice.objects.update(is_void=True)
    charge_months(supplier="Cloudflare", months={date(2026, 4, 1)})
    assert total() == 0
    assert [found.difference for found in reconciliation()] == [0]


def test_a_supplier_has_one_spelling(tmp_path: Path) -> None:
    deliver(tmp_path, row("CF-1", "100"), name="a.csv")
    deliver(tmp_path, row("CF-2", "50", supplier="CLOUDFLARE"), name="b.csv")
    assert set(Invoice.objects.values_list("service_provider_name", flat=True)) == {"Cloudflare"}
    assert total() == 150


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(amount="=1+1"), "amount is not a number"),
        (row(amount="1e30"), "larger than any bill"),
        (row(amount="12345678901.00"), "ten digits"),
        (row(currency="dollars"), "not a currency"),
        (row(start="2026-05-01", end="2026-04-01"), "service ends"),
        (row(amount="-5", category="Purchase"), "not negative"),
        (row(amount="5", category="Credit"), "negative"),
        (row(category="Gift"), "none of"),
        (row(start="1026-04-01"), "no invoice is about"),
        (row(end="2036-04-01"), "longer than three years"),
        (row(supplier=""), "supplier is empty"),
        (row(supplier="x" * 101), "longer than 100"),
        (row(supplier="A\0B"), "control character"),
        (row("CF-9", "5", total="6"), "sum to 5.00 USD"),
        ("short,row\n", "fields where the header"),
        ('"' + "x" * 10_000_000 + "\n", "longer than 1,000,000"),
    ],
)
def test_a_bad_row_is_put_aside_and_stops_no_other(tmp_path: Path, bad: str, reason: str) -> None:
    assert deliver(tmp_path, bad, row("CF-2", "12.5")) == 1
    assert total() == Decimal("12.5")
    assert reason.replace("ten digits", "10 digits") in RejectedRow.objects.get().reason


def test_rows_of_one_invoice_must_agree_on_what_is_of_the_invoice(tmp_path: Path) -> None:
    assert deliver(tmp_path, row(), row(currency="EUR")) == 1
    assert "currency says 'EUR'" in RejectedRow.objects.get().reason


def test_a_file_without_its_columns_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("supplier,amount\nA,1\n")
    report = ingest(kind="invoice_csv", location=tmp_path / "x.csv")
    assert report.exit_code == 2
    assert "lacks the column invoice_id" in report.outcomes[0].sentence


def line(**values: object) -> Line:
    about = {
        "description": "Class A operations",
        "service_name": "R2",
        "service_category": ServiceCategory.STORAGE,
        "charge_category": ChargeCategory.USAGE,
        "service_start": date(2026, 4, 1),
        "service_end": date(2026, 5, 1),
        "amount": Decimal(100),
    }
    return Line(**{**about, **values})  # type: ignore[arg-type]  # a test's keywords


def test_what_was_invoiced_ends_with_the_last_service_day() -> None:
    may = line(meter="r2_class_a", account="acc-1", service_end=date(2026, 5, 16))
    take_bills(bills=[Bill("Cloudflare", "1", date(2026, 5, 20), "USD", (line(), may))])
    assert invoiced_through("r2_class_a") == date(2026, 5, 16)
    assert invoiced_through("r2_class_a", "acc-1") == date(2026, 5, 16)
    assert invoiced_through("r2_class_a", "acc-2") is None
    assert invoiced_through("r2_class_b") is None
    assert charge_again() == 0


def test_an_invoice_is_never_late_and_moves_no_page_beyond_the_bills(tmp_path: Path) -> None:
    (tmp_path / "aws").mkdir()
    location = Export([aws_line("10", tenant="acme", day=3)]).write(tmp_path / "aws")
    assert ingest(kind="aws_cur", location=location).exit_code == 0
    deliver(tmp_path, row())
    bills_end = datetime(2026, 4, 3, 11, tzinfo=UTC)
    found = freshness(datetime(2027, 1, 1, tzinfo=UTC))
    assert found.as_of == data_through()
    assert found.as_of
    assert abs((found.as_of - bills_end).days) <= 1, "not the end of the invoice's month"
    late = {source.kind for source in found.sources if source.is_late}
    assert late == {"aws_cur"}
    assert {one.gives for one in found.sources if one.kind == "invoice"} == {"invoices"}
