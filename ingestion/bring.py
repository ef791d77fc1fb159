"""Bring the files of a delivery to this machine, and see that they stay those that were found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from ingestion.core.delivery import DeliveryRef, SourceFile
from ingestion.locations.base import ChangedUnderneathError, Entry, Location
from ingestion.progress import Progress


@contextmanager
def brought(location: Location, ref: DeliveryRef, progress: Progress) -> Iterator[DeliveryRef]:
    """The delivery with each file's path on this machine, for as long as the context lasts.

    Raises ``SourceError``; ``ChangedUnderneathError`` where a file is no longer the one that was found.
    """
    total = sum(file.size for file in _files(ref))
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("fetching", done, total)

    with ExitStack() as held:

        def here(file: SourceFile) -> SourceFile:
            entry = Entry(file.place, file.size, file.mark)
            return replace(file, path=held.enter_context(location.held(entry, advance)))

        files = tuple(here(file) for file in ref.files)
        yield replace(ref, manifest=here(ref.manifest) if ref.manifest else None, files=files)


def refuse_changed(location: Location, ref: DeliveryRef) -> None:
    """Raise ``ChangedUnderneathError`` where manifest or files are others now than when they were found.

    A provider that overwrites writes its data files before the manifest: between the two, what was read
    may be of two runs.
    """
    for file in _files(ref):
        now = location.entry(file.place)
        if (now.mark if now else "") != file.mark:
            msg = f"{file.key}: the file changed while the delivery was read. Load again."
            raise ChangedUnderneathError(msg)


def _files(ref: DeliveryRef) -> tuple[SourceFile, ...]:
    return (*ref.files, *([ref.manifest] if ref.manifest else []))
