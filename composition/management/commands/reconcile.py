"""`manage.py reconcile [--period YYYY-MM] [--json]`."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from allocation.core.figures import ReconciliationRow
from allocation.selectors import reconciliation
from composition.guard import one_sentence
from composition.output import print_table
from finops.core.amounts import plain
from finops.core.periods import PeriodError, month_text, parse_month
from ingestion.selectors import shared_bills

_COLUMNS = (
    ("source", "left"),
    ("period", "left"),
    ("currency", "left"),
    ("source total", "right"),
    ("ingested", "right"),
    ("rejected", "right"),
    ("allocated", "right"),
    ("unallocated", "right"),
    ("residuals", "right"),
    ("difference", "right"),
    ("lines", "right"),
)


class Command(BaseCommand):
    """Compare each source total with what became of it; exit code 1 where a cent is unexplained."""

    help = (
        "Source total = ingested + rejected, ingested = allocated + unallocated + residuals, per "
        "source, billing period and currency. Exit code 1 where a difference is left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("--period", help="only this billing period, YYYY-MM")
        parser.add_argument("--json", action="store_true", help="JSON; money as exact text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the rows."""
        try:
            period = parse_month(options["period"]) if options["period"] else None
        except PeriodError as error:
            raise CommandError(str(error), returncode=2) from None
        with one_sentence():
            rows = reconciliation(period)
            for sentence in shared_bills():
                self.stderr.write(self.style.WARNING(sentence))
        if options["json"]:
            self.stdout.write(json.dumps([_object(row) for row in rows], indent=2))
        elif rows:
            print_table(self.stdout, _COLUMNS, [_cells(row) for row in rows])
        elif period and reconciliation():
            self.stdout.write(f"No bill is loaded for {month_text(period)}.")
        else:
            self.stdout.write(
                "Nothing is loaded yet: `manage.py ingest --source aws_cur --from FOLDER`."
            )
        if any(row.difference for row in rows):
            raise CommandError(
                "The ledger and the bill differ: see the column difference.", returncode=1
            )


def _object(row: ReconciliationRow) -> dict[str, Any]:
    return {
        "source": row.source,
        "billing_period": month_text(row.billing_period),
        "currency": row.currency,
        "source_total": plain(row.source_total),
        "ingested": plain(row.ingested),
        "rejected": plain(row.rejected),
        "allocated": plain(row.allocated),
        "unallocated": plain(row.unallocated),
        "residuals": plain(row.residual_total),
        "difference": plain(row.difference),
        "lines": row.lines,
        "rejected_lines": row.rejected_lines,
        "residuals_by_name": {name: plain(amount) for name, amount in row.residuals.items()},
    }


def _cells(row: ReconciliationRow) -> tuple[str, ...]:
    return (
        row.source,
        month_text(row.billing_period),
        row.currency,
        plain(row.source_total),
        plain(row.ingested),
        plain(row.rejected),
        plain(row.allocated),
        plain(row.unallocated),
        plain(row.residual_total),
        plain(row.difference),
        f"{row.lines:,}",
    )
