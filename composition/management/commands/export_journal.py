"""`manage.py export_journal --month YYYY-MM --out FILE`: a closed month as a GL journal (CSV)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from allocation.core.journal import to_csv
from allocation.journal import JournalError, journal_of
from composition.guard import one_sentence
from finops.core.amounts import exact_sum
from finops.core.periods import PeriodError, parse_month


class Command(BaseCommand):
    """Write the journal of a closed month, balanced to the cent."""

    help = "Write a closed month as a journal of the general ledger: CSV, balanced to the cent."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("--month", required=True, help="the closed month, YYYY-MM")
        parser.add_argument("--out", required=True, help="the file; - writes to standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it, whole or not at all."""
        try:
            month = parse_month(options["month"])
            with one_sentence():
                lines = journal_of(month)
        except (PeriodError, JournalError) as error:
            raise CommandError(str(error), returncode=2) from None
        text = to_csv(lines)
        if options["out"] == "-":
            self.stdout.write(text, ending="")
            return
        path = Path(options["out"])
        part = path.with_name(f"{path.name}.part")
        try:
            part.write_text(text, encoding="utf-8", newline="")
            part.replace(path)
        except OSError as error:
            msg = f"{path} cannot be written: {error.strerror}."
            raise CommandError(msg, returncode=2) from None
        totals = {
            currency: exact_sum(line.debit for line in lines if line.currency == currency)
            for currency in sorted({line.currency for line in lines})
        }
        told = ", ".join(f"{amount:,.2f} {currency}" for currency, amount in totals.items())
        self.stdout.write(
            f"{len(lines)} lines in {path}; debit and credit are {told or 'nothing'} each."
        )
