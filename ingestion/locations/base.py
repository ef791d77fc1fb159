"""A place that holds deliveries: what every kind of place offers to those who look for files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingestion.core.delivery import SourceError

Advance = Callable[[int], None]
"""Told how many more bytes have come."""
Passed = Callable[[str], bool]
"""Told a folder (relative to the place, ``a/b``): whether the listing passes it by with all that is below."""


class SourceUnavailableError(SourceError):
    """The place itself cannot be read; the message is one sentence with what to do."""


class UnreadableNowError(SourceError):
    """One file cannot be read now, which says nothing of its bytes: it is taken at the next look."""


class ChangedUnderneathError(SourceError):
    """A file is no longer the one that was found: what was read of the delivery is thrown away."""


@dataclass(frozen=True)
class Entry:
    """One file of a place. ``key`` is relative to the place, ``mark`` changes with the bytes."""

    key: str
    size: int
    mark: str


class Location(Protocol):
    """A folder, one file or a bucket with a prefix."""

    text: str
    is_overwritten_by_hand: bool
    """Whether a person may mend a file in place, so that a manifest alone does not tell of changes."""

    def entries(self, *, deep: bool = True, passed: Passed | None = None) -> Iterator[Entry]:
        """Every file at or below the place, in order of key; none in folders that are ``passed`` by.

        Raises ``SourceUnavailableError``.
        """

    def entry(self, key: str) -> Entry | None:
        """The file as it is now, or ``None`` where there is none. Raises ``SourceUnavailableError``."""

    def read(self, entry: Entry, limit: int) -> bytes:
        """The bytes of a small file. Raises ``SourceError`` where it is larger or has changed."""

    def held(self, entry: Entry, advance: Advance) -> AbstractContextManager[Path]:
        """The file on this machine's disk, for as long as the context lasts.

        Raises ``ChangedUnderneathError`` where its mark is no longer that of ``entry``.
        """

    def passing(self, entry: Entry, advance: Advance) -> AbstractContextManager[Path]:
        """As ``held``, for a file that is read once and may stay nowhere: no copy of it has a name."""
