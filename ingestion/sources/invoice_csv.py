"""Suppliers' invoices and other cost of goods from CSV files (one file, or every ``*.csv`` of a folder)."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from ingestion.bookkeeping import Outcome, finish_delivery, outcome_of
from ingestion.core.delivery import DeliveryRef, Discovery, SourceError
from ingestion.core.invoice_csv import InvoiceHeaderError, read_invoices
from ingestion.csv_folder import discover_csv, read_text, redacted, refuse_empty
from ingestion.invoices import take_bills
from ingestion.locations.base import Location
from ingestion.models import Delivery
from ingestion.verify import FileFacts


class InvoiceCsv:
    """Reads invoice files. Where two name one invoice of one supplier, the later read counts, whole."""

    id = "invoice_csv"
    title = "Suppliers' invoices (CSV)"
    service_provider_name = ""
    produces = "invoices"

    def discover(self, location: Location, period: date | None) -> Discovery:
        """Each file is one delivery; its rows say which months they are about, so ``period`` is refused."""
        return discover_csv(location, period, kind=self.id, name="Invoices", what="Invoice files")

    def check(self, ref: DeliveryRef, facts: dict[str, FileFacts]) -> None:
        """Refuse an empty file; the header is checked as it is read. Raises ``SourceError``."""
        refuse_empty(ref, facts)

    def take(self, ref: DeliveryRef, delivery: Delivery) -> Outcome:
        """Write the file's invoices and charge their months, all in one transaction. Raises ``SourceError``."""
        try:
            reading = read_text(ref, read_invoices)
        except InvoiceHeaderError as error:
            msg = f"{ref.files[0].key}: the first line {error}."
            raise SourceError(msg) from None
        with transaction.atomic():
            take_bills(bills=reading.bills, delivered_as=ref.key)
            finish_delivery(delivery=delivery, rows=reading.rows, rejects=redacted(reading.rejects))
        delivery.refresh_from_db()
        if reading.rows and not reading.bills:
            sentence = f"{ref.key}: none of its {reading.rows} rows can be read."
            return outcome_of(delivery, "failed", sentence)
        return outcome_of(delivery, "loaded", "")


SOURCE = InvoiceCsv()
