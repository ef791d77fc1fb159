"""Log objects in memory: unpacked, checked and given to the engine as files that nobody else can open.

The bytes hold addresses of people and whatever stood in queries. Here they are never written to a named file,
and go with the process, however it ends. What the engine spills of them lies in a folder of its own, which goes
with the engine, or with the next upkeep where its process was killed.
"""

from __future__ import annotations

import codecs
import gzip
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from isal import igzip, isal_zlib

from ingestion.core.delivery import SourceError
from ingestion.locations.base import SourceUnavailableError, UnreadableNowError

_CHUNK = 1 << 20
_LARGE = 256 << 20
"""Bytes unpacked beyond which an object is kept on disk (without a name) and not in memory."""
MOST_BYTES = 2 << 30
"""Twice what Cloudflare puts into one object at most."""
_GZIP = b"\x1f\x8b"
_UNPACK_ERROR: Any = isal_zlib.error  # its stub calls this class an instance


@dataclass(frozen=True)
class Unpacked:
    """One object as a file of this process; ``is_odd`` where the engine must not read it as it is."""

    handle: int
    size: int
    is_odd: bool

    @property
    def path(self) -> str:
        """How this process opens it."""
        return f"/dev/fd/{self.handle}"


class Slots:
    """Nameless files that are used again and again: fresh memory costs more than unpacking into it."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._files: list[IO[bytes]] = []

    def unpack(self, path: Path, key: str) -> Unpacked:
        """Unpack and check the object at ``path``; each error is one sentence.

        Raises ``SourceError`` for what its bytes are, ``UnreadableNowError`` where it cannot be opened or read
        now, and ``SourceUnavailableError`` where there is no room to unpack it.
        """
        handle = self._free.pop() if self._free else self._new()
        size, is_odd, is_large = 0, False, False
        decoder = codecs.getincrementaldecoder("utf-8")("strict")
        os.lseek(handle, 0, os.SEEK_SET)
        try:
            for chunk in _chunks(path, key):
                # A chunk without a line's end is part of a line longer than any.
                is_odd = is_odd or (len(chunk) == _CHUNK and b"\n" not in chunk)
                is_odd = is_odd or not _is_text(chunk, decoder)
                size += len(chunk)
                if size > MOST_BYTES:
                    msg = f"{key}: it unpacks to more than {MOST_BYTES >> 30} GB, which Cloudflare never writes."
                    raise SourceError(msg)
                if size > _LARGE and not is_large:
                    handle, is_large = self._to_disk(handle), True
                _write(handle, chunk)
            os.ftruncate(handle, size)
        except SourceError:
            self._free.append(handle)
            raise
        except OSError as error:
            self._free.append(handle)
            msg = f"{key}: there is no room to unpack it ({error.strerror}). Make room below {tempfile.gettempdir()}."
            raise SourceUnavailableError(msg) from None
        return Unpacked(handle, size, is_odd or bool(decoder.getstate()[0]))

    def write(self, lines: Iterator[bytes]) -> Unpacked:
        """A file of these lines."""
        handle, size = (self._free.pop() if self._free else self._new()), 0
        os.lseek(handle, 0, os.SEEK_SET)
        for line in lines:
            _write(handle, line)
            size += len(line)
        os.ftruncate(handle, size)
        return Unpacked(handle, size, is_odd=False)

    def give_back(self, unpacked: Unpacked) -> None:
        """Its file may be used for another object."""
        self._free.append(unpacked.handle)

    @property
    def held(self) -> int:
        """Bytes that the files hold now; the system does not count them as this process's memory."""
        return sum(os.fstat(file.fileno()).st_size for file in self._files)

    def close(self) -> None:
        """Let go of all memory."""
        for file in self._files:
            file.close()

    def _new(self) -> int:
        # Linux only; elsewhere a file that has no name either.
        file: IO[bytes] = (
            os.fdopen(os.memfd_create("log"), "w+b")
            if hasattr(os, "memfd_create")
            else tempfile.TemporaryFile()  # noqa: SIM115  # closed with the slots
        )
        self._files.append(file)
        return file.fileno()

    def _to_disk(self, handle: int) -> int:
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the slots
        self._files.append(file)
        held = os.lseek(handle, 0, os.SEEK_CUR)
        for at in range(0, held, _CHUNK):
            _write(file.fileno(), os.pread(handle, min(_CHUNK, held - at), at))
        self._free.append(handle)
        return file.fileno()


def lines_of(unpacked: Unpacked, longest: int) -> Iterator[tuple[int, bytes | None]]:
    """Every line with its number from 1; ``None`` for one longer than ``longest`` bytes."""
    with os.fdopen(os.dup(unpacked.handle), "rb") as stream:
        stream.seek(0)
        number = 0
        while line := stream.readline(longest + 1):
            number += 1
            if len(line) > longest and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = stream.readline(_CHUNK)
                yield number, None
            else:
                yield number, line.rstrip(b"\r\n")


def _chunks(path: Path, key: str) -> Iterator[bytes]:
    """The bytes in whole chunks, unpacked where they are gzip, whatever the object is called."""
    try:
        with path.open("rb") as plain:
            is_packed = plain.read(2) == _GZIP
            plain.seek(0)
            # isal has no type stubs that fit its C classes.
            stream: IO[bytes] = igzip.open(plain, "rb") if is_packed else plain  # type: ignore[no-untyped-call]
            while chunk := stream.read(_CHUNK):
                yield chunk
    except EOFError:
        msg = f"{key}: the gzip object is cut off, or something follows its end. Deliver it again."
        raise SourceError(msg) from None
    except (_UNPACK_ERROR, zlib.error, gzip.BadGzipFile) as error:
        clause = str(error).split("\n", 1)[0][:120] or type(error).__name__
        msg = f"{key}: the object cannot be unpacked ({clause}). Deliver it again."
        raise SourceError(msg) from None
    except OSError as error:
        msg = f"{key}: it cannot be read now ({error.strerror or type(error).__name__}). It is tried at the next look."
        raise UnreadableNowError(msg) from None


def _is_text(chunk: bytes, decoder: codecs.IncrementalDecoder) -> bool:
    """Whether what came so far is UTF-8; a character may go on in the next chunk."""
    if chunk.isascii() and not decoder.getstate()[0]:
        return True
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError:
        return False
    return True


def _write(handle: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(handle, view) :]
