"""Invoices and rates of the simulated company are what vendors would send, and what the product reads."""

from datetime import UTC, datetime
from decimal import Decimal

from finops.core.amounts import exact_sum
from ingestion.core.ecb_rates import read_rates
from ingestion.core.invoice_csv import read_invoices
from simulator.suppliers import invoices_file, rates_file

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)


def test_every_row_is_read_and_sums_to_its_invoice() -> None:
    text = invoices_file(7, OCTOBER).content.decode()
    reading = read_invoices(text.splitlines(keepends=True), "x.csv")
    assert not reading.rejects
    assert {bill.supplier: bill.currency for bill in reading.bills} == {
        "Cloudflare": "USD",
        "TSA": "EUR",
        "Meridian Support Partner": "EUR",
    }
    for bill in reading.bills:
        assert bill.total == exact_sum(line.amount for line in bill.lines) > Decimal(0)
    assert invoices_file(7, OCTOBER).content.decode() == text


def test_rates_are_those_of_working_days_before_the_moment() -> None:
    text = rates_file(7, OCTOBER, datetime(2026, 10, 6, tzinfo=UTC)).content.decode()
    reading = read_rates(text.splitlines(keepends=True), "x.csv")
    assert not reading.rejects
    assert sorted({quote.day.day for quote in reading.quotes}) == [1, 2, 5]
    assert {quote.quote for quote in reading.quotes} == {"USD", "GBP"}
