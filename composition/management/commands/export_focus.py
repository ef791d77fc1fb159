"""`manage.py export_focus --period YYYY-MM --out FILE [--focus-version 1.2] [--format csv] [--source SLUG]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from allocation.core.focus_export import VERSIONS, FileFormat
from allocation.focus_export import ExportError, Wanted, write_focus
from composition.guard import one_sentence
from composition.interruption import INTERRUPTED, Interruption
from composition.output import progress_bars
from finops.core.periods import PeriodError, parse_month
from ingestion.core.delivery import SourceError


class Command(BaseCommand):
    """Write a billing period as a FOCUS file; exit code 0 written, 2 nothing written."""

    help = (
        "Write the charge lines of a billing period as FOCUS, each with its tenant, the rule that says so and how "
        "sure it is. CSV is compressed with gzip. Exit code: 0 written, 2 nothing written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("--period", required=True, help="the billing period, YYYY-MM")
        parser.add_argument(
            "--out", required=True, help="the file to write; an old one is replaced"
        )
        parser.add_argument(
            "--focus-version", default=VERSIONS[0], choices=VERSIONS, help="the version of FOCUS"
        )
        parser.add_argument(
            "--format", default=FileFormat.CSV.value, choices=[one.value for one in FileFormat]
        )
        parser.add_argument(
            "--source", action="append", default=[], help="only this source (slug); may be repeated"
        )
        parser.add_argument(
            "--estimates", action="store_true", help="also what is estimated and on no bill yet"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write beside the file and put it in place when it is whole."""
        out = Path(options["out"])
        part = out.with_name(f".{out.name}.part")
        lines: int | None = None
        with (
            one_sentence(),
            Interruption() as interruption,
            progress_bars(sys.stderr) as progress,
        ):
            try:
                wanted = Wanted(
                    period=parse_month(options["period"]),
                    version=options["focus_version"],
                    file_format=FileFormat(options["format"]),
                    sources=tuple(options["source"]),
                    estimates=options["estimates"],
                )
                lines = write_focus(wanted, part, progress)
                part.replace(out)
            except (PeriodError, ExportError, SourceError) as error:
                raise CommandError(str(error), returncode=2) from None
            except OSError as error:
                msg = f"{out}: the file cannot be written ({error.strerror}). Name another place."
                raise CommandError(msg, returncode=2) from None
            except BaseException:
                if not interruption.came:
                    raise
            finally:
                part.unlink(missing_ok=True)
        if lines is None:
            raise CommandError("Stopped. Nothing was written.", returncode=INTERRUPTED)
        self.stdout.write(f"{out}: {lines:,} lines, FOCUS {wanted.version}.")
