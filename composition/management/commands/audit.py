"""`manage.py audit [--verify] [--known NUMBER:HASH] [--limit N]`: list the audit log, or verify its chain."""

from __future__ import annotations

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from composition.guard import one_sentence
from composition.output import print_table
from finops import audit
from finops.core.audit import Head

_KNOWN = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", re.ASCII)


class Command(BaseCommand):
    """Print entries, newest first; or say whether every entry is as it was written."""

    help = "List the audit log, or verify its chain. Exit code 1 where an entry was changed or is missing."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("--verify", action="store_true", help="follow the chain of hashes")
        parser.add_argument(
            "--known",
            action="append",
            default=[],
            metavar="NUMBER:HASH",
            help="a head that an earlier --verify printed and that was kept elsewhere; may be repeated",
        )
        parser.add_argument("--limit", type=int, default=20, help="how many to list (default 20)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify or list."""
        known = [_head(text) for text in options["known"]]
        if options["limit"] < 1:
            msg = f"--limit {options['limit']} lists nothing: give a number from 1."
            raise CommandError(msg, returncode=2)
        with one_sentence():
            if options["verify"] or known:
                self._verify(known)
            else:
                self._list(options["limit"])

    def _verify(self, known: list[Head]) -> None:
        held, broken = audit.verify(known)
        if broken is not None:
            msg = f"The audit log does not hold: {broken.sentence} The {held} entries before do."
            raise CommandError(msg, returncode=1)
        head = audit.head()
        self.stdout.write(
            f"All {held} entries hold. Keep this elsewhere: {head.number}:{head.hash}"
        )

    def _list(self, limit: int) -> None:
        rows = list(audit.entries()[:limit])
        if not rows:
            self.stdout.write("The audit log is empty.")
            return
        heads = ("number", "at (UTC)", "actor", "verb", "target", "reason")
        sides = ("right", "left", "left", "left", "left", "left")
        print_table(
            self.stdout,
            list(zip(heads, sides, strict=True)),
            [
                (
                    str(row.number),
                    f"{row.at:%Y-%m-%d %H:%M:%S}",
                    row.actor,
                    row.verb,
                    row.target,
                    row.reason,
                )
                for row in rows
            ],
        )


def _head(text: str) -> Head:
    match = _KNOWN.fullmatch(text)
    if match is None:
        msg = f"--known {text!r} is no head: write NUMBER:HASH as --verify printed it."
        raise CommandError(msg, returncode=2)
    return Head(int(match[1]), match[2])
