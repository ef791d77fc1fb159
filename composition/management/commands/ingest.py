"""`manage.py ingest --source aws_cur --from FOLDER-or-s3://BUCKET/PREFIX [--period YYYY-MM]`."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from composition.guard import one_sentence
from composition.interruption import INTERRUPTED, Interruption
from composition.output import print_table, progress_bars
from finops.core.periods import PeriodError, month_text, parse_month
from finops.registry import UnknownPlugin
from ingestion.bookkeeping import Outcome
from ingestion.selectors import shared_bills
from ingestion.services import IngestReport, ingest


class Command(BaseCommand):
    """Load deliveries; exit code 0 loaded, 1 loaded with rejects or failures, 2 nothing loaded."""

    help = (
        "Load what a folder or bucket holds into the ledger. Exit code: 0 loaded, 1 loaded but some rows or "
        "deliveries were put aside, 2 nothing loaded."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument(
            "--source",
            required=True,
            help="what it is: one of the readers, such as aws_cur, focus, cloudflare_logpush",
        )
        parser.add_argument(
            "--from",
            required=True,
            dest="location",
            help="folder (or file) to read, or s3://bucket/prefix",
        )
        parser.add_argument("--period", help="only this billing period, YYYY-MM")
        parser.add_argument(
            "--endpoint-url",
            default="",
            help="where S3 is spoken, where that is not AWS: R2, MinIO",
        )
        parser.add_argument(
            "--again", action="store_true", help="read also what did not change since the last load"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Load and report."""
        if not options["location"].strip():
            raise CommandError("--from is empty: name the folder or bucket to read.", returncode=2)
        report: IngestReport | None = None
        with (
            one_sentence(),
            Interruption() as interruption,
            progress_bars(sys.stderr) as progress,
        ):
            try:
                report = ingest(
                    kind=options["source"],
                    location=options["location"],
                    endpoint_url=options["endpoint_url"],
                    again=options["again"],
                    period=parse_month(options["period"]) if options["period"] else None,
                    progress=progress,
                )
            except (PeriodError, UnknownPlugin) as error:
                raise CommandError(str(error), returncode=2) from None
            except BaseException:
                if not interruption.came:
                    raise
        if report is None:
            msg = "Stopped. What was loaded before stays as it was; load again to go on."
            raise CommandError(msg, returncode=INTERRUPTED)
        self._show(report)
        for sentence in shared_bills():
            self.stderr.write(self.style.WARNING(sentence))
        if report.exit_code == 2:
            raise CommandError("Nothing was loaded.", returncode=2)
        if report.exit_code:
            sys.exit(report.exit_code)

    def _show(self, report: IngestReport) -> None:
        for outcome in report.outcomes:
            if outcome.status == "failed":
                self.stderr.write(self.style.ERROR(outcome.sentence))
        shown = [outcome for outcome in report.outcomes if outcome.status != "failed"]
        if shown:
            print_table(
                self.stdout,
                (
                    ("source", "left"),
                    ("period", "left"),
                    ("status", "left"),
                    ("rows", "right"),
                    ("rejected", "right"),
                    ("bytes", "right"),
                    ("delivery", "left"),
                ),
                [_cells(outcome) for outcome in shown],
            )
        for outcome in shown:
            if outcome.unknown_line_types:
                names = ", ".join(outcome.unknown_line_types)
                self.stdout.write(f"Unknown line types, loaded as adjustments: {names}.")
            if outcome.rejected_rows:
                self.stdout.write(
                    f"{outcome.rejected_rows} rows of {outcome.key} were put aside; "
                    "Reconciliation → the delivery lists each with its line and reason."
                )


def _cells(outcome: Outcome) -> tuple[str, ...]:
    return (
        outcome.source,
        month_text(outcome.billing_period) if outcome.billing_period else "—",
        outcome.status,
        f"{outcome.rows:,}",
        f"{outcome.rejected_rows:,}",
        f"{outcome.bytes:,}",
        outcome.key,
    )
