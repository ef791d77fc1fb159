"""Invoiced revenue from CSV files (one file, or every ``*.csv`` of a folder)."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date
from pathlib import Path

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
from ingestion.verify import FileFacts, open_unpacked


class RevenueCsv:
    """Reads revenue files; all of them are one source. Where two name one invoice line, the later
    read counts."""

    id = "revenue_csv"
    title = "Revenue (CSV)"
    service_provider_name = ""
    produces = "revenue"

    def discover(self, location: Path, period: date | None) -> Discovery:
        """Each file is one delivery. Revenue has no billing period, so ``period`` is refused."""
        if period:
            problem = Problem("Revenue has no billing period: leave --period out.")
            return Discovery((), (problem,))
        if location.is_file():
            files = [location]
        elif location.is_dir():
            files = sorted(p for p in location.iterdir() if p.name.endswith((".csv", ".csv.gz")))
        else:
            return Discovery((), (Problem(f"{location}: there is no such file or folder."),))
        if not files:
            return Discovery((), (Problem(f"{location}: the folder holds no .csv file."),))
        return Discovery(tuple(_delivery(path) for path in files), ())

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


def _delivery(path: Path) -> DeliveryRef:
    return DeliveryRef(
        kind=RevenueCsv.id,
        identity="revenue",
        source_slug="revenue",
        source_name="Revenue",
        key=path.name,
        execution_id="",
        delivered_at=None,
        billing_period=None,
        manifest=None,
        files=(SourceFile(path.name, path),),
    )


SOURCE = RevenueCsv()
