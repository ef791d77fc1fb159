"""`manage.py reconcile [--period YYYY-MM] [--json]`."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from allocation.core.figures import ReconciliationRow
from allocation.core.reconcile import ProviderMonth
from allocation.reconciling import bill_object, provider_months
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
_BILL_COLUMNS = (
    ("provider", "left"),
    ("period", "left"),
    ("currency", "left"),
    ("source total", "right"),
    ("rejected", "right"),
    ("allocated", "right"),
    ("unallocated", "right"),
    ("residuals", "right"),
    ("unexplained", "right"),
    ("made of", "left"),
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
        parser.add_argument(
            "--by",
            choices=("source", "provider"),
            default="source",
            help="one row for each source (default), or for each provider with what its bill is made of",
        )
        parser.add_argument("--json", action="store_true", help="JSON; money as exact text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the rows."""
        try:
            period = parse_month(options["period"]) if options["period"] else None
        except PeriodError as error:
            raise CommandError(str(error), returncode=2) from None
        by_provider = options["by"] == "provider"
        with one_sentence():
            rows = reconciliation(period)
            bills = provider_months(period) if by_provider else []
            for sentence in shared_bills():
                self.stderr.write(self.style.WARNING(sentence))
        if options["json"]:
            listed = [bill_object(bill) for bill in bills] if by_provider else map(_object, rows)
            self.stdout.write(json.dumps(list(listed), indent=2))
        elif bills:
            print_table(self.stdout, _BILL_COLUMNS, [_bill_cells(bill) for bill in bills])
        elif rows:
            print_table(self.stdout, _COLUMNS, [_cells(row) for row in rows])
        elif period and reconciliation():
            self.stdout.write(f"No bill is loaded for {month_text(period)}.")
        else:
            self.stdout.write(
                "Nothing is loaded yet: `manage.py ingest --source aws_cur --from FOLDER`."
            )
        if any(row.difference for row in rows) or not all(bill.is_explained for bill in bills):
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


def _bill_cells(bill: ProviderMonth) -> tuple[str, ...]:
    return (
        bill.key.provider,
        month_text(bill.key.billing_period),
        bill.key.currency,
        *(plain(bill.total(name)) for name in ("source_total", "rejected", "allocated")),
        plain(bill.total("unallocated")),
        plain(bill.total("residual_total")),
        plain(bill.unexplained or bill.unnamed),
        ", ".join(f"{name} {plain(amount)}" for name, amount in bill.parts.items()),
    )
