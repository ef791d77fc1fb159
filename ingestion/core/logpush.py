"""What reading a Logpush batch is told and what it gives. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path

from ingestion.core.path_prefix import NAMES_FOLLOW

_FACTOR = Decimal("1e-12")
_EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True)
class LogSettings:
    """A job's settings that matter; ``filtered`` says in words what its filter leaves out."""

    sample_rate: Decimal = Decimal(1)
    filtered: str = ""
    path_depth: int = 2
    names_follow: tuple[str, ...] = NAMES_FOLLOW
    most_prefixes: int = 200
    most_hosts: int = 500
    lateness_minutes: int = 10
    keys_hours: int = 48

    @property
    def is_sampled(self) -> bool:
        """Whether quantities are estimates."""
        return self.sample_rate != 1

    @property
    def factor(self) -> Decimal:
        """What sums are multiplied by: 1 ÷ sample rate, rounded half-even to 12 decimals, once.

        Rounding the factor and not each quantity keeps sums the same however lines are put into batches.
        """
        return _EXACT.divide(Decimal(1), self.sample_rate).quantize(_FACTOR, context=_EXACT)


@dataclass(frozen=True)
class LineReject:
    """A line put aside; ``text`` is redacted already."""

    line: int
    reason: str
    text: str


@dataclass
class ObjectReading:
    """What one object gave. ``skipped`` says why nothing of it was wanted, ``refused`` what is wrong.

    ``later`` says why it could not be read now: nothing is written down of it, so the next look takes it.
    """

    key: str
    mark: str
    bytes: int
    lines: int = 0
    rejected: int = 0
    duplicates: int = 0
    first_event: datetime | None = None
    last_event: datetime | None = None
    rejects: list[LineReject] = field(default_factory=list)
    skipped: str = ""
    refused: str = ""
    later: str = ""


@dataclass(frozen=True)
class WrittenFile:
    """A Parquet file of one UTC day that was written for a batch."""

    kind: str
    day: date
    first_hour: datetime
    last_hour: datetime
    path: Path
    rows: int


DayKey = tuple[date, str, str, str, str, str]
"""Day, zone, host, cache status, script, metric."""


@dataclass(frozen=True)
class BatchReading:
    """What a batch of objects gave: files in the lake, sums by day, and lines that counted by day.

    ``later`` are those that could not be read now; they are not among ``objects``.
    """

    objects: tuple[ObjectReading, ...]
    files: tuple[WrittenFile, ...] = ()
    days: Mapping[DayKey, Decimal] = field(default_factory=dict)
    lines_by_day: Mapping[date, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    later: tuple[ObjectReading, ...] = ()
