"""Where the lake's files are kept for good: this machine's folder, or a bucket behind it.

With a bucket the folder is a copy: a file is uploaded before the load that it belongs to becomes visible,
and one that is not here is fetched when it is read. Keys are paths below the lake's root.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from django.conf import settings

from ingestion.core.delivery import SourceError
from ingestion.locations.choose import cache
from ingestion.locations.s3 import S3Location

SCRATCH = ".scratch"


class LakeStore(Protocol):
    """What the lake asks of the place that its files are kept in."""

    def keep(self, keys: Iterable[str]) -> None:
        """Make sure that these files outlive this machine's work on them."""

    def here(self, key: str, size: int) -> Path:
        """The file as a path that the engine can open. Raises ``SourceError`` where it is gone."""

    def remove(self, keys: Iterable[str]) -> None:
        """Remove these files; one that is not there is no error."""

    def listing(self) -> Iterator[tuple[str, datetime]]:
        """Every file that is kept, with when it was last written (UTC)."""


class FolderStore:
    """The folder itself."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, keys: Iterable[str]) -> None:
        """Their bytes are on disk; this makes their names last too."""
        for folder in {(self._root / key).parent for key in keys}:
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def here(self, key: str, size: int) -> Path:  # noqa: ARG002  # the engine says what is wrong with it
        """The file's path."""
        return self._root / key

    def remove(self, keys: Iterable[str]) -> None:
        """Remove the files, and the folders that this leaves empty."""
        for key in keys:
            path = self._root / key
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self._root:
                    break
                with suppress(OSError):
                    folder.rmdir()

    def listing(self) -> Iterator[tuple[str, datetime]]:
        """Every Parquet file below the root."""
        for path in self._root.rglob("*.parquet"):
            key = path.relative_to(self._root)
            if key.parts[0] != SCRATCH:
                with suppress(FileNotFoundError):
                    yield key.as_posix(), datetime.fromtimestamp(path.stat().st_mtime, UTC)


class BucketStore:
    """A bucket, with this machine's folder as its copy."""

    def __init__(self, location: S3Location, root: Path) -> None:
        self._location = location
        self._root = root
        self._copies = FolderStore(root)

    def keep(self, keys: Iterable[str]) -> None:
        """Upload them. Raises ``SourceError``."""
        for key in keys:
            self._location.upload(key, self._root / key)

    def here(self, key: str, size: int) -> Path:
        """The copy, fetched where it is missing or another size than it must be."""
        path = self._root / key
        with suppress(FileNotFoundError):
            if path.stat().st_size == size:
                return path
        path.parent.mkdir(parents=True, exist_ok=True)
        entry = self._location.entry(key)
        if entry is None or entry.size != size:
            msg = f"{key}: the lake's bucket does not hold it as it was written. Load its delivery again."
            raise SourceError(msg)
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with part.open("wb") as out:
                for chunk in self._location.chunks(entry, 0):
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def remove(self, keys: Iterable[str]) -> None:
        """Remove them from the bucket and from here."""
        known = list(keys)
        self._location.remove(known)
        self._copies.remove(known)

    def listing(self) -> Iterator[tuple[str, datetime]]:
        """Every file in the bucket, and what only lies here."""
        found = set()
        for key, written in self._location.written():
            found.add(key)
            if key.endswith(".parquet"):
                yield key, written
        yield from (one for one in self._copies.listing() if one[0] not in found)

    def trim_copies(self, max_bytes: int, *, unused_since: datetime) -> int:
        """Remove copies, those first that nobody opened for longest, until they fit; the bytes removed."""
        files = []
        for key, _ in self._copies.listing():
            with suppress(FileNotFoundError):
                about = (self._root / key).stat()
                files.append((about.st_atime, about.st_size, key))
        over, removed = sum(size for _, size, _ in files) - max_bytes, 0
        for used, size, key in sorted(files):
            if removed >= over or used >= unused_since.timestamp():
                break
            self._copies.remove([key])
            removed += size
        return removed


def store() -> FolderStore | BucketStore:
    """The store that ``FINOPS_LAKE_URL`` names."""
    if not settings.LAKE_BUCKET_URL:
        return FolderStore(settings.LAKE_DIR)
    location = S3Location(
        settings.LAKE_BUCKET_URL, endpoint_url=settings.LAKE_ENDPOINT_URL, cache=cache()
    )
    return BucketStore(location, settings.LAKE_DIR)
