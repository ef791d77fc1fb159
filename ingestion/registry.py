"""The sources that can be read: one file each in ``ingestion/sources``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from finops.registry import UnknownPlugin, load_plugins
from ingestion.core.delivery import (
    ChargeReading,
    DeliveryRef,
    Discovery,
    Problem,
    RevenueReading,
)
from ingestion.core.logpush import BatchReading, LogSettings
from ingestion.core.logpush_lines import Bounds
from ingestion.core.tsa import TokenBatch
from ingestion.core.tsa_tenants import TenantRules
from ingestion.locations.base import Entry, Location
from ingestion.logpush_reader import FilesOfHours, PlaceOf
from ingestion.progress import Progress
from ingestion.unpacking import Slots
from ingestion.verify import FileFacts

if TYPE_CHECKING:
    from ingestion.bookkeeping import Outcome
    from ingestion.models import Delivery


@runtime_checkable
class SourceReader(Protocol):
    """What every source offers. ``produces`` is ``charges``, ``revenue`` or what a ``RecordSource`` writes."""

    id: str
    title: str
    service_provider_name: str
    produces: str

    def discover(self, location: Location, period: date | None) -> Discovery:
        """What lies at ``location``. Raises ``SourceUnavailableError`` where it cannot be read."""

    def check(self, ref: DeliveryRef, facts: dict[str, FileFacts]) -> None:
        """Raise ``SourceError`` where a verified delivery is still not this source's format."""


@runtime_checkable
class ChargeSource(SourceReader, Protocol):
    """A source of charge lines."""

    def read_charges(
        self, ref: DeliveryRef, facts: dict[str, FileFacts], folder: Path, progress: Progress
    ) -> ChargeReading:
        """Write charge lines as Parquet into ``folder``."""


@runtime_checkable
class RevenueSource(SourceReader, Protocol):
    """A source of revenue rows."""

    def read_revenue(self, ref: DeliveryRef) -> RevenueReading:
        """The rows of the delivery."""


@runtime_checkable
class RecordSource(SourceReader, Protocol):
    """A source of records that it writes itself: invoices, exchange rates. ``produces`` says which."""

    def take(self, ref: DeliveryRef, delivery: Delivery) -> Outcome:
        """Write what the delivery holds and finish it (``finish_delivery``), in one transaction.

        Raises ``SourceError`` and ``LoadRefusedError``; then nothing has become visible.
        """


@runtime_checkable
class UsageSource(Protocol):
    """A source of logs: every object is a delivery, and they are read in batches. ``produces`` is ``usage``."""

    id: str
    title: str
    service_provider_name: str
    produces: str

    def identity(self, location: Location) -> str:
        """What its source is called: the same whoever looks at the place."""

    def objects(self, location: Location, since: date | None) -> Iterator[DeliveryRef | Problem]:
        """The objects at ``location``, one after another; those of days before ``since`` may be left out.

        What names no day is never left out. Raises ``SourceUnavailableError`` where the place cannot be read.
        """

    def read_usage(
        self,
        location: Location,
        refs: Sequence[DeliveryRef],
        *,
        settings: LogSettings,
        bounds: Bounds,
        slots: Slots,
        earlier: FilesOfHours,
        place: PlaceOf,
        advance: Callable[[int], None],
    ) -> BatchReading:
        """Write facts and keys of these objects below the lake, and say what each object gave."""


@dataclass(frozen=True)
class TokenObject:
    """One object with time-stamp responses, and the file beside it that says whose it is."""

    entry: Entry
    sidecar: Entry | None = None

    @property
    def name(self) -> bytes:
        """The same for the same bytes under the same key."""
        marks = [self.entry.key, self.entry.mark, self.sidecar.mark if self.sidecar else ""]
        return blake2b("\0".join(marks).encode(errors="replace"), digest_size=16).digest()


@runtime_checkable
class TokenSource(Protocol):
    """A source of time-stamp responses: many small objects, or files of records. ``produces`` is ``tokens``."""

    id: str
    title: str
    service_provider_name: str
    produces: str

    def objects(self, location: Location) -> Iterator[TokenObject | Problem]:
        """What lies there, one after another. Raises ``SourceUnavailableError``."""

    def read_tokens(
        self,
        location: Location,
        objects: Sequence[TokenObject],
        *,
        rules: TenantRules,
        now: datetime,
        advance: Callable[[int], None],
    ) -> Iterator[TokenBatch]:
        """What these objects hold, in pieces. Raises ``SourceUnavailableError`` where the place gives way."""


AnySource = SourceReader | UsageSource | TokenSource


@cache
def sources() -> dict[str, AnySource]:
    """Every source by its id."""
    return load_plugins("ingestion.sources", "SOURCE")


def source_reader(kind: str) -> AnySource:
    """The source with this id. Raises ``finops.registry.UnknownPlugin`` with the known ones."""
    found = sources()
    if kind not in found:
        raise UnknownPlugin("source", kind, sorted(found))
    return found[kind]
