"""Files that came over the network, kept on disk under their checksum, within a size limit.

``objects/<sha-256>`` holds bytes, ``names/<digest of the name>`` says which bytes a name stands for (a name
holds the store's mark of the bytes, so it never means others). A download goes to a file of its own,
survives the process that was killed over it, and gets its name only when it is whole. A file that
somebody holds is locked; only others are removed to make room, those first that nobody used for longest.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ingestion.locations.base import Advance, SourceUnavailableError, UnreadableNowError

Chunks = Callable[[int], Iterator[bytes]]
"""Gives the bytes from an offset on."""

_BLOCK = 1 << 20


class FileCache:
    """A folder with at most ``max_bytes`` of files that nobody holds."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max = max_bytes

    @contextmanager
    def held(
        self, name: str, size: int, key: str, chunks: Chunks, advance: Advance
    ) -> Iterator[Path]:
        """The file ``name`` for as long as the context lasts; ``key`` is what messages call it.

        ``advance`` is told the bytes as they come. Raises ``UnreadableNowError`` where the bytes are not
        as many as the store said, and ``SourceUnavailableError`` where the disk is full.
        """
        ticket = hashlib.sha256(name.encode()).hexdigest()
        ending = "".join(Path(key).suffixes[-2:])[-24:]
        for folder in ("objects", "names", "parts"):
            (self._folder / folder).mkdir(parents=True, exist_ok=True)
        with (self._folder / "names" / f"{ticket}.lock").open("a") as alone:
            # Two processes that want one object download it once.
            fcntl.flock(alone, fcntl.LOCK_EX)
            path = self._known(ticket, size, ending)
            if path is None:
                self.trim(leave=size)
                path = self._download(ticket, size, key, ending, chunks, advance)
            else:
                advance(size)
            stream = self._locked(path)
        if stream is None:  # another process made room in between
            with self.held(name, size, key, chunks, advance) as again:
                yield again
            return
        with stream:
            os.utime(path)
            yield path
        self.trim()

    @contextmanager
    def passing(self, size: int, key: str, chunks: Chunks, advance: Advance) -> Iterator[Path]:
        """A file that is not kept: it lies beside the others without a name, and goes with this process.

        Raises what ``held`` raises.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder) as out:
            at = 0
            with self._room(size, key):
                for chunk in chunks(0):
                    out.write(chunk)
                    at += len(chunk)
                    advance(len(chunk))
                out.flush()
            if at != size:
                raise _other_size(key, at, size)
            out.seek(0)
            yield Path(f"/dev/fd/{out.fileno()}")

    @contextmanager
    def _room(self, size: int, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            free = shutil.disk_usage(self._folder).free
            msg = (
                f"{key}: its {size} bytes cannot be kept below {self._folder} ({error.strerror}; "
                f"{free} bytes are free). Make room, or set FINOPS_CACHE_DIR to a larger disk."
            )
            raise SourceUnavailableError(msg) from None

    @staticmethod
    def _locked(path: Path) -> IO[bytes] | None:
        """The file, locked against removal; ``None`` where it was removed before the lock held."""
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            return None
        fcntl.flock(stream, fcntl.LOCK_SH)
        if os.fstat(stream.fileno()).st_nlink:
            return stream
        stream.close()
        return None

    def trim(self, *, leave: int = 0) -> int:
        """Remove what nobody holds until ``leave`` more bytes fit; the number of bytes removed."""
        files = [
            (path.stat().st_mtime_ns, path.stat().st_size, path)
            for path in (self._folder / "objects").glob("*")
        ]
        over = sum(size for _, size, _ in files) + leave - self._max
        removed = 0
        for _, size, path in sorted(files):
            if removed >= over:
                break
            with suppress(OSError), path.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                removed += size
        return removed

    def _known(self, ticket: str, size: int, ending: str) -> Path | None:
        try:
            about = json.loads((self._folder / "names" / ticket).read_text())
            path = self._folder / "objects" / f"{about['sha256']}{ending}"
            return path if path.stat().st_size == size else None
        except (OSError, ValueError, KeyError):
            return None

    def _download(  # noqa: PLR0917  # private, called once
        self, ticket: str, size: int, key: str, ending: str, chunks: Chunks, advance: Advance
    ) -> Path:
        part = self._folder / "parts" / ticket
        digest, at = hashlib.sha256(), 0
        with self._room(size, key), part.open("ab+") as out:
            out.seek(0)
            while block := out.read(_BLOCK):
                digest.update(block)
                at += len(block)
            if at > size:
                out.truncate(0)
                digest, at = hashlib.sha256(), 0
            advance(at)
            for chunk in chunks(at):
                out.write(chunk)
                digest.update(chunk)
                at += len(chunk)
                advance(len(chunk))
            out.flush()
            os.fsync(out.fileno())
        if at != size:
            part.unlink()
            raise _other_size(key, at, size)
        path = self._folder / "objects" / f"{digest.hexdigest()}{ending}"
        part.replace(path)
        fresh = self._folder / "names" / f"{ticket}.new"
        fresh.write_text(json.dumps({"sha256": digest.hexdigest(), "key": key}))
        fresh.replace(self._folder / "names" / ticket)
        return path


def _other_size(key: str, came: int, size: int) -> UnreadableNowError:
    return UnreadableNowError(f"{key}: {came} of {size} bytes came. Load again.")
