"""Cloudflare Logpush, dataset ``http_requests``: NDJSON objects in a folder, in S3 or in R2.

Logpush writes no manifest and promises neither order nor that a line comes once. Objects are found by
listing, an object's key with its ETag is its identity, and names say nothing. Source: Cloudflare, Logs,
"Logpush", "Log Output Options", "HTTP requests".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path, PurePosixPath

from ingestion.core.delivery import DeliveryRef, Problem, SourceFile
from ingestion.core.log_days import day_of_folder, day_of_key
from ingestion.core.logpush import BatchReading, LogSettings
from ingestion.core.logpush_lines import Bounds
from ingestion.core.object_keys import problem_with
from ingestion.locations.base import Entry, Location
from ingestion.logpush_reader import FilesOfHours, HeldObject, PlaceOf, read_batch
from ingestion.unpacking import Slots

_OWNERSHIP = "ownership-challenge"


class CloudflareLogpush:
    """Reads what a Logpush job writes into one place; that place is the source."""

    id = "cloudflare_logpush"
    title = "Cloudflare Logpush"
    service_provider_name = "Cloudflare"
    produces = "usage"
    expected_every_hours = 2
    """Objects come each minute: an hour without any beyond the watermark's own hour is late."""

    @staticmethod
    def identity(location: Location) -> str:
        """The destination that the job writes to: it is the same whoever looks at it."""
        if location.text.startswith("s3://"):
            return location.text.rstrip("/")[-300:]
        path = Path(location.text).resolve()
        return str(path.parent if path.is_file() else path)[-300:]

    def objects(self, location: Location, since: date | None) -> Iterator[DeliveryRef | Problem]:
        """Each object is one delivery; none whose key names a day before ``since``, nor is its folder listed."""
        identity = self.identity(location)
        for entry in location.entries(passed=partial(_is_before, since) if since else None):
            name = PurePosixPath(entry.key).name
            if name.startswith((_OWNERSHIP, ".")):
                continue
            if problem := problem_with(entry.key):
                yield Problem(problem)
            elif not since or (day_of_key(entry.key) or since) >= since:
                yield _reference(identity, entry)

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
        """Read the objects as one batch (see ``logpush_reader.read_batch``)."""
        return read_batch(
            [_held(location, ref.files[0]) for ref in refs],
            settings=settings,
            bounds=bounds,
            slots=slots,
            earlier=earlier,
            place=place,
            advance=advance,
        )


def _is_before(since: date, folder: str) -> bool:
    day = day_of_folder(folder)
    return day is not None and day < since


def _reference(identity: str, entry: Entry) -> DeliveryRef:
    return DeliveryRef(
        kind=CloudflareLogpush.id,
        identity=identity,
        source_slug="cloudflare-logpush",
        source_name="Cloudflare Logpush",
        key=entry.key,
        execution_id="",
        delivered_at=None,
        billing_period=None,
        manifest=None,
        files=(SourceFile(entry.key, place=entry.key, size=entry.size, mark=entry.mark),),
        mark=entry.mark,
    )


def _held(location: Location, file: SourceFile) -> HeldObject:
    entry = Entry(file.place, file.size, file.mark)
    return HeldObject(file.key, file.mark, file.size, partial(location.passing, entry))


SOURCE = CloudflareLogpush()
