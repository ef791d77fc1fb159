"""Invoiced revenue from CSV files (one file, or every ``*.csv`` of a folder)."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date
from pathlib import PurePosixPath

from finops.logs import redact
from ingestion.core.csv_sieve import bounded_lines
from ingestion.core.delivery import (
    DeliveryRef,
    Discovery,
    Problem,
    RevenueReading,
    SourceError,
    SourceFile,
)
from ingestion.core.revenue import RevenueHeaderError, read_revenue
from ingestion.locations.base import Entry, Location
from ingestion.verify import FileFacts, open_unpacked


class RevenueCsv:
    """Reads revenue files; all of them are one source. Where two name one invoice line, the later
    read counts."""

    id = "revenue_csv"
    title = "Revenue (CSV)"
    service_provider_name = ""
    produces = "revenue"

    def discover(self, location: Location, period: date | None) -> Discovery:
        """Each file is one delivery. Revenue has no billing period, so ``period`` is refused."""
        if period:
            problem = Problem("Revenue has no billing period: leave --period out.")
            return Discovery((), (problem,))
        files = [
            entry
            for entry in location.entries(deep=False)
            if entry.key.endswith((".csv", ".csv.gz"))
        ]
        if not files:
            return Discovery((), (Problem(f"{location.text}: no .csv file is there."),))
        return Discovery(tuple(_delivery(entry) for entry in files), ())

    def check(self, ref: DeliveryRef, facts: dict[str, FileFacts]) -> None:
        """Refuse an empty file; the header is checked as it is read. Raises ``SourceError``."""
        for file in ref.files:
            if not facts[file.key].header:
                msg = f"{file.key}: the file is empty."
                raise SourceError(msg)

    def read_revenue(self, ref: DeliveryRef) -> RevenueReading:
        """The rows of the file. Raises ``SourceError``."""
        file = ref.files[0]
        with (
            open_unpacked(file.path) as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n") as stream,
        ):
            try:
                reading = read_revenue(bounded_lines(stream), file.key)
            except RevenueHeaderError as error:
                msg = f"{file.key}: the first line {error}."
                raise SourceError(msg) from None
            except csv.Error as error:
                msg = f"{file.key}: the file is not CSV ({error})."
                raise SourceError(msg) from None
        rejects = tuple(
            replace(reject, reason=redact(reject.reason)[:300], text=redact(reject.text)[:500])
            for reject in reading.rejects
        )
        return replace(reading, rejects=rejects)


def _delivery(entry: Entry) -> DeliveryRef:
    name = PurePosixPath(entry.key).name
    return DeliveryRef(
        kind=RevenueCsv.id,
        identity="revenue",
        source_slug="revenue",
        source_name="Revenue",
        key=name,
        execution_id="",
        delivered_at=None,
        billing_period=None,
        manifest=None,
        files=(SourceFile(name, place=entry.key, size=entry.size, mark=entry.mark),),
    )


SOURCE = RevenueCsv()
