"""What goes wrong around a command, as one sentence and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import DatabaseError

from finops.logs import redact


@contextmanager
def one_sentence() -> Iterator[None]:
    """A database that cannot be used ends the command with what to do about it."""
    try:
        yield
    except DatabaseError as error:
        reason = redact(str(error)).split("\n", 1)[0]
        msg = f"The database cannot be used ({reason}). Has it been migrated? Run `manage.py migrate`."
        raise CommandError(msg, returncode=2) from None
