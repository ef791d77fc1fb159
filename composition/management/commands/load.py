"""`manage.py load CONNECTION [--since YYYY-MM] [--until YYYY-MM] [--again]`: *Load now* and backfill."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from composition.guard import one_sentence
from finops.core.periods import PeriodError
from finops.job_table import JobRefusedError
from ingestion.requests import request_load


class Command(BaseCommand):
    """Ask for a load of a connection; a worker does it."""

    help = "Ask the workers to load a connection now, or to load months of it (again)."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("connection", help="its name, as in the admin")
        parser.add_argument("--since", default="", help="first month, YYYY-MM")
        parser.add_argument("--until", default="", help="last month, YYYY-MM")
        parser.add_argument("--again", action="store_true", help="read also what did not change")

    def handle(self, *args: Any, **options: Any) -> None:
        """Enqueue, and say which job it is."""
        with one_sentence():
            try:
                job = request_load(
                    slug=options["connection"],
                    since=options["since"],
                    until=options["until"],
                    again=options["again"],
                )
            except (JobRefusedError, PeriodError) as error:
                raise CommandError(str(error), returncode=2) from None
        self.stdout.write(f"Job {job.pk} is queued. `manage.py jobs` shows how far it is.")
