"""The one clock of the house: what reads the time takes it from here, so that a test can set it."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.conf import settings


def now() -> datetime:
    """The present moment in UTC, moved by ``CLOCK_OFFSET`` (the demonstration's time machine)."""
    return datetime.now(tz=UTC) + settings.CLOCK_OFFSET


def today() -> date:
    """The present day in UTC."""
    return now().date()
