"""A folder of this machine, or one file of it. Nothing outside the folder is ever read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ingestion.core.delivery import SourceError
from ingestion.locations.base import (
    Advance,
    ChangedUnderneathError,
    Entry,
    Passed,
    SourceUnavailableError,
)


class FolderLocation:
    """Files at or below ``path``; their mark is size and time of the last change."""

    is_overwritten_by_hand = True

    def __init__(self, path: Path) -> None:
        self.text = str(path)
        self._only = path.name if path.is_file() else ""
        self._root = path.parent if self._only else path

    def entries(self, *, deep: bool = True, passed: Passed | None = None) -> Iterator[Entry]:
        """Regular files, in order of path; the one file where the place is a file."""
        if self._only:
            yield self._entry(self._root / self._only)
            return
        if not self._root.is_dir():
            msg = f"{self.text}: there is no such folder."
            raise SourceUnavailableError(msg)
        try:
            found: Iterator[Path]
            if passed is None:
                found = self._root.rglob("*") if deep else self._root.iterdir()
            else:
                found = self._beside(passed)
            for path in sorted(found):
                if path.is_file():
                    yield self._entry(path)
        except OSError as error:
            msg = f"{self.text}: the folder cannot be listed ({error.strerror})."
            raise SourceUnavailableError(msg) from None

    def _beside(self, passed: Passed) -> Iterator[Path]:
        """What lies in folders that are not passed by."""
        for folder, names, files in os.walk(self._root, onerror=_raised):
            below = Path(folder).relative_to(self._root)
            names[:] = [name for name in names if not passed((below / name).as_posix())]
            yield from (Path(folder, name) for name in files)

    def entry(self, key: str) -> Entry | None:
        """The file as it is now."""
        path = self._root / key
        return self._entry(path) if path.exists() else None

    def read(self, entry: Entry, limit: int) -> bytes:
        """The bytes of a small file within the folder. Raises ``SourceError``."""
        path = self._within(entry.key)
        if path.stat().st_size > limit:
            msg = f"{entry.key} is larger than any manifest."
            raise SourceError(msg)
        return path.read_bytes()

    @contextmanager
    def held(self, entry: Entry, advance: Advance) -> Iterator[Path]:
        """Where it lies. A missing file is said by whoever opens it."""
        path = self._within(entry.key)
        if entry.mark and path.is_file() and self._entry(path).mark != entry.mark:
            msg = f"{entry.key}: the file changed while it was read. Load again."
            raise ChangedUnderneathError(msg)
        advance(entry.size)
        yield path

    def passing(self, entry: Entry, advance: Advance) -> AbstractContextManager[Path]:
        """Where it lies: nothing is copied."""
        return self.held(entry, advance)

    def _within(self, key: str) -> Path:
        path = self._root / key
        if not path.resolve().is_relative_to(self._root.resolve()):
            msg = f"{key} leads out of the folder: refused."
            raise SourceError(msg)
        return path

    def _entry(self, path: Path) -> Entry:
        about = path.stat()
        key = path.relative_to(self._root).as_posix()
        return Entry(key, about.st_size, f"{about.st_size}-{about.st_mtime_ns}")


def _raised(error: OSError) -> None:
    raise error
