"""`manage.py tsa [--period YYYY-MM] [--format table|json]`: tokens, contracts, projection and its error."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from composition.guard import one_sentence
from composition.output import print_table
from finops import clock
from finops.core.periods import PeriodError, month_start, parse_month
from ingestion.api.tsa_answers import month_answer
from ingestion.tsa_selectors import stamp_month


class Command(BaseCommand):
    """Print a month of time stamps."""

    help = "Tokens and cost of a month by tenant, use of the contracts, the projection and its back-tested error."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("--period", help="the month, YYYY-MM; default: the present one")
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        with one_sentence():
            self._print(options)

    def _print(self, options: dict[str, Any]) -> None:
        now = clock.now()
        try:
            month = parse_month(options["period"]) if options["period"] else month_start(now.date())
        except PeriodError as error:
            raise CommandError(str(error), returncode=2) from None
        found = month_answer(stamp_month(month, now=now))
        if options["format"] == "json":
            self.stdout.write(json.dumps(found, indent=2, default=str))
            return
        self._tenants(found)
        for contract in found["contracts"]:
            self.stdout.write(
                f"{contract['name']}: {contract['tokens_so_far']:,} tokens so far, utilisation "
                f"{contract['utilisation'] or 'unknown'}; this month {contract['tokens']:,} tokens for "
                f"{contract['cost']} {contract['currency']}, one saved is worth "
                f"{contract['value_of_saving']} {contract['currency']}."
            )
        projection = found["projection"]
        if projection is None:
            self.stdout.write("No projection: it needs two weeks of tokens.")
            return
        span = "unknown"
        if projection["low"] is not None:
            span = f"{projection['low']:,} to {projection['high']:,}"
        self.stdout.write(
            f"Projection: {projection['tokens']:,} tokens, range {span}; back-tested "
            f"{projection['back_tests']} times, mean absolute error {projection['mape'] or 'unknown'} (MAPE)."
        )

    def _tenants(self, found: dict[str, Any]) -> None:
        rows = [
            (
                one["tenant"] or "(nobody)",
                f"{one['tokens']:,}",
                f"{one['duplicates']:,}",
                f"{one['rejections']:,}",
                one["tokens_per_1000_assets"] or "—",
                ", ".join(f"{cost['amount']} {cost['currency']}" for cost in one["costs"]) or "—",
            )
            for one in found["tenants"]
        ]
        print_table(
            self.stdout,
            (
                ("tenant", "left"),
                ("tokens", "right"),
                ("duplicates", "right"),
                ("rejections", "right"),
                ("per 1,000 assets", "right"),
                ("cost", "right"),
            ),
            rows,
        )
