"""Every byte of a delivery is checked before any of it is read: whole, unpacked, UTF-8.

The engine itself reads a file that is not UTF-8 without a word, so nothing is left to it.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from isal import igzip, isal_zlib

from ingestion.core.delivery import SourceError, SourceFile

_CHUNK = 1 << 20
_UNPACK_ERROR: Any = isal_zlib.error  # its stub calls this class an instance
MAX_HEADER_BYTES = 1 << 20


@dataclass(frozen=True)
class FileFacts:
    """What checking a file found out.

    ``text_bytes`` is its size unpacked, ``lines`` the number of its physical lines, the header's
    included, ``header`` its first row that is not blank; ``has_nul`` says that it holds a NUL, which
    no database takes as text.
    """

    sha256: str
    bytes: int
    text_bytes: int
    lines: int
    has_nul: bool
    header: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it: a chunk that a smaller refresh left over."""
        return not self.header


def is_packed(path: Path) -> bool:
    """Whether the name says gzip."""
    return path.name.endswith(".gz")


@contextmanager
def open_unpacked(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where its name ends in ``.gz``."""
    if is_packed(path) and path.stat().st_size:
        # isal has no type stubs that fit its C classes.
        opened: IO[bytes] = igzip.open(path, "rb")  # type: ignore[no-untyped-call]
        with opened as stream:
            yield stream
    else:
        with path.open("rb") as stream:
            yield stream


def verify(file: SourceFile, advance: Callable[[int], None] | None = None) -> FileFacts:
    """Read ``file`` to its end. Raises ``SourceError`` with one sentence that names it.

    ``advance`` is told how many packed bytes were hashed. An empty file is whole: a chunk that a
    smaller refresh left over is emptied by AWS.
    """
    digest, size = _digest(file, advance)
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    lines, text_bytes, head, last, nul = 0, 0, b"", b"\n", False
    try:
        with open_unpacked(file.path) as stream:
            while chunk := stream.read(_CHUNK):
                if len(head) < MAX_HEADER_BYTES:
                    head += chunk[: MAX_HEADER_BYTES - len(head)]
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    line = lines + chunk[: max(error.start, 0)].count(b"\n") + 1
                    raise SourceError(_not_utf8(file, line)) from None
                lines += chunk.count(b"\n")
                text_bytes += len(chunk)
                last = chunk[-1:]
                nul = nul or b"\0" in chunk
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                raise SourceError(_not_utf8(file, lines + 1)) from None
    except EOFError:
        msg = (
            f"{file.key}: the gzip file is cut off, or something follows its end. Deliver it again."
        )
        raise SourceError(msg) from None
    except (_UNPACK_ERROR, zlib.error, OSError) as error:
        msg = f"{file.key}: the file cannot be unpacked ({_first_clause(error)}). Deliver it again."
        raise SourceError(msg) from None
    header = _header(head)
    if lines == 0 and b"\r" in head:
        msg = f"{file.key}: its lines end in CR alone. Save it with line feeds, then load again."
        raise SourceError(msg)
    if not header and head.strip() and head.strip() != codecs.BOM_UTF8:
        msg = f"{file.key}: its first line is blank or too long to be a header. Deliver it again."
        raise SourceError(msg)
    return FileFacts(digest, size, text_bytes, lines + (last != b"\n"), nul, header)


def _digest(file: SourceFile, advance: Callable[[int], None] | None) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    if file.path.exists() and not file.path.is_file():
        msg = f"{file.key}: this is no regular file. Deliver it, then load again."
        raise SourceError(msg)
    try:
        with file.path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                if advance:
                    advance(len(chunk))
    except FileNotFoundError:
        msg = (
            f"{file.key}: the file is missing; the manifest names it. Deliver it, then load again."
        )
        raise SourceError(msg) from None
    except OSError as error:
        msg = f"{file.key}: the file cannot be opened ({error.strerror})."
        raise SourceError(msg) from None
    return digest.hexdigest(), size


def _header(head: bytes) -> tuple[str, ...]:
    text = head.decode("utf-8", errors="ignore").removeprefix("\ufeff")
    if not text.split("\n", 1)[0].strip():
        return ()
    try:
        return tuple(next(csv.reader(io.StringIO(text, newline=""), strict=False), []))
    except csv.Error:
        return ()


def _not_utf8(file: SourceFile, line: int) -> str:
    return f"{file.key}: line {line} is not UTF-8 text. Export it as UTF-8, then load again."


def _first_clause(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:120] or type(error).__name__
