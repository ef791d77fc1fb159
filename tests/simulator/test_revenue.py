"""The revenue files."""

import csv
import io
from datetime import date
from decimal import Decimal

from simulator.revenue import invoices, revenue_file
from tests.simulator.deliveries import Simulated, utc

ORIGIN = utc(2026, 2, 1)


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_the_columns_and_cells_are_as_promised(quarter: Simulated):
    rows = read(quarter.files["revenue/revenue-2026-02.csv"])
    assert list(rows[0]) == [
        "tenant", "service_start", "service_end", "amount", "currency", "invoice_id",
    ]  # fmt: skip
    assert len(rows) == len({row["tenant"] for row in rows}) == 24
    for row in rows:
        assert Decimal(row["amount"]).as_tuple().exponent == -2
        assert row["currency"] == "USD"
        assert date.fromisoformat(row["service_start"]) == date(2026, 2, 1)
        assert date.fromisoformat(row["service_end"]) in {date(2026, 3, 1), date(2027, 2, 1)}


def test_annual_tenants_are_invoiced_once_for_twelve_months():
    first, second = invoices(7, ORIGIN, ORIGIN), invoices(7, ORIGIN, utc(2026, 3, 1))
    annual = {i.tenant: i for i in first if i.service_end == date(2027, 2, 1)}
    assert set(annual) == {"acme-corp", "pinecrest-clinics", "maplewood-schools"}
    assert annual["acme-corp"].amount == 12 * Decimal(38_000)
    assert not annual.keys() & {invoice.tenant for invoice in second}
    renewed = invoices(7, ORIGIN, utc(2027, 2, 1))
    assert annual.keys() <= {invoice.tenant for invoice in renewed}


def test_there_is_one_credit_note_in_the_second_month(quarter: Simulated):
    notes = [
        (path, row)
        for path, content in quarter.files.items()
        if path.startswith("revenue/")
        for row in read(content)
        if Decimal(row["amount"]) < 0
    ]
    ((path, row),) = notes
    assert path == "revenue/revenue-2026-03.csv"
    assert (row["service_start"], row["service_end"]) == ("2026-02-01", "2026-03-01")
    assert row["invoice_id"].startswith("CN-")


def test_invoice_numbers_are_unique(quarter: Simulated):
    contents = [c for path, c in quarter.files.items() if path.startswith("revenue/")]
    numbers = [row["invoice_id"] for content in contents for row in read(content)]
    assert len(set(numbers)) == len(numbers)


def test_the_file_comes_with_the_first_hour_of_its_month(quarter: Simulated):
    file = revenue_file(7, ORIGIN, ORIGIN)
    assert quarter.order[0] == str(file.path) == "revenue/revenue-2026-02.csv"
    assert quarter.files[str(file.path)] == file.content
