"""What a source finds and what reading it gives: the data that readers hand over. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from finops.core.focus import CostKind


class SourceError(Exception):
    """A delivery that cannot be used as it is; the message is one sentence naming the file."""


class LoadRefusedError(Exception):
    """A load that a later step will not make visible; the message is one sentence."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a delivery: the provider's key, and its key, size and mark at the place it was found.

    ``path`` is where it lies on this machine, once it was brought here.
    """

    key: str
    path: Path = Path()
    place: str = ""
    size: int = 0
    mark: str = ""


@dataclass(frozen=True)
class DeliveryRef:
    """A delivery that was found. ``identity`` is what the provider calls the source, for good.

    ``delivered_at`` is when the provider made it, where its key says so; ``None`` where the provider
    overwrites, and then what was read last is the newest.
    """

    kind: str
    identity: str
    source_slug: str
    source_name: str
    key: str
    execution_id: str
    delivered_at: datetime | None
    billing_period: date | None
    manifest: SourceFile | None
    files: tuple[SourceFile, ...]
    mark: str = ""
    """Changes when the delivery does: one that bears the mark of what is loaded need not be read."""


@dataclass(frozen=True)
class Problem:
    """Something that was found and cannot be read; ``ref`` where it is at least known what it was."""

    sentence: str
    ref: DeliveryRef | None = None


@dataclass(frozen=True)
class Discovery:
    """What a location holds."""

    deliveries: tuple[DeliveryRef, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Reject:
    """A row put aside. ``text`` is redacted already; ``amount`` is ``None`` where unreadable.

    ``provider`` is whose charge it is, where the rows of a delivery say so.
    """

    file: str
    line: int
    reason: str
    text: str
    amount: Decimal | None
    currency: str
    provider: str = ""


@dataclass(frozen=True)
class CurrencyTotal:
    """Control totals of a reading in one currency, exact.

    ``beyond`` is the sum of the digits after the 18th decimal, which the lake cannot hold.
    """

    source: Decimal = Decimal(0)
    rejected: Decimal = Decimal(0)
    beyond: Decimal = Decimal(0)
    lines: int = 0
    rejected_lines: int = 0


@dataclass(frozen=True)
class ChargeReading:
    """What reading a delivery of charges gave."""

    files: tuple[Path, ...]
    totals: Mapping[str, CurrencyTotal]
    rejects: tuple[Reject, ...]
    line_types: Mapping[str, int]
    unknown_line_types: tuple[str, ...]
    data_through: datetime | None
    first_day: date | None = None
    last_day: date | None = None
    billing_accounts: tuple[str, ...] = ()
    form: str = ""
    cost_basis: str = ""
    is_invoiced: bool = False
    notes: tuple[str, ...] = ()
    by_provider: Mapping[tuple[str, str], CurrencyTotal] = field(default_factory=dict)
    """``totals`` by currency and provider, where the rows say whose charge each is; else all is the source's."""
    kind: CostKind = CostKind.BILLED
    """Whether its lines are a bill, estimated before it, or a bill's total spread by estimated usage."""


@dataclass(frozen=True)
class RevenueLine:
    """One line of invoiced revenue; ``service_end`` is the day after the last."""

    tenant: str
    service_start: date
    service_end: date
    amount: Decimal
    currency: str
    invoice_id: str
    line_id: str = ""


@dataclass(frozen=True)
class RevenueReading:
    """What reading a revenue file gave; ``rows`` counts every row of the file."""

    lines: tuple[RevenueLine, ...]
    rejects: tuple[Reject, ...]
    rows: int
