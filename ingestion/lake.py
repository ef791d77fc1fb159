"""The lake: where a load's files lie, and which files readers may see.

A folder is never read as such: readers take the list of files of the current loads from the catalogue
(``LakeFile``), because a folder also holds what was replaced and what a killed worker left.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from finops import clock
from ingestion.core.delivery import SourceError
from ingestion.models import LakeFile, Load
from ingestion.store import SCRATCH, store

LEFT_BEHIND = timedelta(days=1)
"""After this time nobody still reads a file that left the catalogue, or writes one that is to enter it."""


@dataclass(frozen=True)
class LakeTable:
    """The files of one table of the lake that make up one answer."""

    paths: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.paths)


def folder_of(load: Load, kind: str) -> Path:
    """The folder of one table of one load; made when it is not there."""
    path: Path = settings.LAKE_DIR / relative_folder(load, kind)
    path.mkdir(parents=True, exist_ok=True)
    return path


def relative_folder(load: Load, kind: str) -> Path:
    """``charges/source=aws-cur/billing_period=2026-04/load=<id>``."""
    return (
        Path(kind)
        / f"source={load.source.slug}"
        / f"billing_period={load.billing_period:%Y-%m}"
        / f"load={load.pk}"
    )


def catalogue_entry(load: Load, kind: str, path: Path, rows: int) -> LakeFile:
    """An unsaved catalogue row for a file that lies in the lake; its bytes are on disk by then."""
    name, size = settled(path)
    return LakeFile(load=load, kind=kind, path=name, rows=rows, bytes=size)


def settled(path: Path) -> tuple[str, int]:
    """The file's path below the lake's root and its size, once its bytes are on disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return path.relative_to(settings.LAKE_DIR).as_posix(), path.stat().st_size


def files(kind: str, loads: Iterable[Load]) -> LakeTable:
    """The files of ``kind`` that belong to ``loads``, as the engine takes them."""
    found = LakeFile.objects.filter(kind=kind, load__in=list(loads), left_at__isnull=True)
    kept = store()
    return LakeTable(
        tuple(str(kept.here(path, size)) for path, size in found.values_list("path", "bytes"))
    )


def publish(entries: Iterable[LakeFile]) -> None:
    """Put the files where every machine finds them; call it before they become visible."""
    store().keep(entry.path for entry in entries)


def discard(load: Load, kinds: Sequence[str] = tuple(LakeFile.Kind.values)) -> None:
    """Remove the files of a load that never became current."""
    keys = []
    for kind in kinds:
        folder = settings.LAKE_DIR / relative_folder(load, kind)
        keys += [
            path.relative_to(settings.LAKE_DIR).as_posix() for path in folder.glob("*.parquet")
        ]
    # What is not reached here is an orphan, and swept.
    with suppress(SourceError):
        store().remove(keys)
    for kind in kinds:
        shutil.rmtree(settings.LAKE_DIR / relative_folder(load, kind), ignore_errors=True)


@contextmanager
def claim(load: Load) -> Iterator[None]:
    """Mark ``load`` as being worked on for as long as this process lives, however it ends."""
    with _lock_path(load).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            yield
        finally:
            _lock_path(load).unlink(missing_ok=True)


def is_claimed(load: Load) -> bool:
    """Whether a living process works on ``load``; the system drops the lock of a killed one."""
    path = _lock_path(load)
    if not path.exists():
        # Locks do not reach other machines: with a bucket one of them may be at work.
        return bool(settings.LAKE_BUCKET_URL) and clock.now() - load.started_at < LEFT_BEHIND
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    path.unlink(missing_ok=True)
    return False


def _lock_path(load: Load) -> Path:
    folder: Path = settings.LAKE_DIR / SCRATCH
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"load-{load.pk}.lock"
