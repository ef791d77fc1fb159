"""`manage.py jobs [--cancel ID] [--retry ID]`: what runs, how far it is, what failed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from composition.guard import one_sentence
from composition.output import print_table
from finops import clock, doorbell, job_table
from finops.job_views import recent_jobs
from finops.models import Job


class Command(BaseCommand):
    """List jobs; cancel one, or do one again."""

    help = "List background jobs, newest first; cancel one or do one again."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("--cancel", type=int, metavar="ID", help="end this job")
        parser.add_argument("--retry", type=int, metavar="ID", help="do this ended job again")
        parser.add_argument("--limit", type=int, default=20, help="how many to list (default 20)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Change what is asked for, then list."""
        with one_sentence():
            try:
                if options["cancel"]:
                    job_table.cancel(job_id=options["cancel"])
                if options["retry"]:
                    job_table.retry(job_id=options["retry"])
                    doorbell.ring()
            except Job.DoesNotExist:
                raise CommandError("There is no job of that number.", returncode=2) from None
            except job_table.JobRefusedError as error:
                raise CommandError(str(error), returncode=2) from None
            rows = recent_jobs(clock.now(), limit=options["limit"])
        if not rows:
            self.stdout.write("No job yet.")
            return
        heads = ("job", "kind", "subject", "state", "attempts", "progress", "what came of it")
        sides = ("right", "left", "left", "left", "right", "left", "left")
        print_table(
            self.stdout,
            list(zip(heads, sides, strict=True)),
            [
                (
                    str(row.pk),
                    row.kind,
                    row.subject,
                    row.state,
                    f"{row.attempts}/{row.max_attempts}",
                    row.progress_text,
                    row.outcome,
                )
                for row in rows
            ],
        )
