"""Exchange rates from CSV files: the European Central Bank's, or any in the long form."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from finops.fx import write_quotes
from ingestion.bookkeeping import Outcome, finish_delivery, outcome_of
from ingestion.core.delivery import DeliveryRef, Discovery, SourceError
from ingestion.core.ecb_rates import RatesHeaderError, read_rates
from ingestion.csv_folder import discover_csv, read_text, redacted, refuse_empty
from ingestion.locations.base import Location
from ingestion.models import Delivery
from ingestion.verify import FileFacts


class EcbRates:
    """Reads rates. Where two files name one day and pair, the later read counts."""

    id = "ecb_rates"
    title = "Exchange rates (CSV)"
    service_provider_name = ""
    produces = "rates"

    def discover(self, location: Location, period: date | None) -> Discovery:
        """Each file is one delivery; its rows say their days, so ``period`` is refused."""
        return discover_csv(
            location, period, kind=self.id, name="Exchange rates", what="Exchange rates"
        )

    def check(self, ref: DeliveryRef, facts: dict[str, FileFacts]) -> None:
        """Refuse an empty file; the header is checked as it is read. Raises ``SourceError``."""
        refuse_empty(ref, facts)

    def take(self, ref: DeliveryRef, delivery: Delivery) -> Outcome:
        """Write the file's rates in one transaction. Raises ``SourceError``."""
        try:
            reading = read_text(ref, read_rates)
        except RatesHeaderError as error:
            msg = f"{ref.files[0].key}: the first line {error}."
            raise SourceError(msg) from None
        with transaction.atomic():
            write_quotes(quotes=reading.quotes)
            finish_delivery(delivery=delivery, rows=reading.rows, rejects=redacted(reading.rejects))
        delivery.refresh_from_db()
        if reading.rows and not reading.quotes:
            sentence = f"{ref.key}: none of its {reading.rows} rows holds a rate."
            return outcome_of(delivery, "failed", sentence)
        return outcome_of(delivery, "loaded", "")


SOURCE = EcbRates()
