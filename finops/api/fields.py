"""Parameters that people write: months, moments."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from finops.core.periods import PeriodError, parse_month

EARLIEST, LATEST = date(2000, 1, 1), date(2100, 1, 1)
MONTH_PATTERN = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"


@extend_schema_field({"type": "string", "pattern": MONTH_PATTERN, "examples": ["2026-04"]})
class MonthField(serializers.Field[Any, Any, Any, Any]):
    """A month as ``YYYY-MM``: its first day."""

    def to_internal_value(self, data: Any) -> date:
        """Raise a sentence for anything else."""
        try:
            month = parse_month(str(data))
        except PeriodError as error:
            raise serializers.ValidationError(str(error)) from None
        if not EARLIEST <= month < LATEST or len(str(data)) != len("2026-04"):
            msg = f"{str(data)[:20]!r} must be a month from {EARLIEST:%Y-%m} until before {LATEST:%Y-%m}."
            raise serializers.ValidationError(msg)
        return month

    def to_representation(self, value: date) -> str:
        """As it is written."""
        return f"{value:%Y-%m}"


@extend_schema_field(
    {"type": "string", "format": "date-time", "examples": ["2026-04-30T13:00:00Z"]}
)
class MomentField(serializers.DateTimeField):
    """A moment, ISO 8601 with its offset; an address writes ``+`` as ``%2B``, so ``Z`` is simplest."""

    def to_internal_value(self, value: Any) -> datetime:
        """Raise a sentence for anything else, and for one outside the calendar that is kept here."""
        try:
            moment = super().to_internal_value(value)
            day = moment.date()
        except (OverflowError, serializers.ValidationError):
            msg = "Write a moment as 2026-04-30T13:00:00Z."
            raise serializers.ValidationError(msg) from None
        if not EARLIEST <= day < LATEST:
            msg = f"It must lie from {EARLIEST} until before {LATEST}."
            raise serializers.ValidationError(msg)
        return moment
