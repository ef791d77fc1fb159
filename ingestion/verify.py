"""Every byte of a delivery is checked: whole, unpacked, UTF-8. Nothing is left to the engine.

``inspect`` takes the digest and the header; ``Checked`` checks the unpacked bytes as they are read, once,
by whoever reads them; ``verify`` does both for files that are read otherwise. What a file held counts
only when its last byte was checked: until then nothing of it is visible to anybody.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import zlib
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from isal import igzip, isal_zlib

from ingestion.core.delivery import SourceError, SourceFile

_CHUNK = 4 << 20
_HEAD = 1 << 16
_LINE_FEED = 10
_UNPACK_ERROR: Any = isal_zlib.error  # its stub calls this class an instance
MAX_HEADER_BYTES = 1 << 20
_PARQUET_MARK = b"PAR1"


@dataclass(frozen=True)
class FileFacts:
    """What checking a file found out.

    ``header`` is its first row that is not blank, or the columns of a Parquet file. After a full check
    ``text_bytes`` is its size unpacked, ``lines`` the number of its physical lines or, in Parquet, rows
    (the header's included), and ``has_nul`` says that it holds a NUL, which no database takes as text;
    before it they are 0 and ``False``.
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


def is_parquet(path: Path) -> bool:
    """Whether the name says Parquet."""
    return path.name.endswith(".parquet")


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


class Checked(io.RawIOBase):
    """The unpacked bytes of a text file, checked as they pass; a reader may take it as a file.

    The next bytes are unpacked and checked while a reader is busy with those before them. ``problem``
    holds the ``SourceError`` that a read raised, because readers written in C may raise another in its
    place. ``facts`` are whole once ``drain`` came to the end.
    """

    def __init__(self, file: SourceFile, facts: FileFacts) -> None:
        import numpy as np  # noqa: PLC0415  # loaded with the engine, not with the app

        super().__init__()
        self._flags = np.empty(_CHUNK, np.bool_)
        self._file = file
        self._facts = facts
        self._opened = open_unpacked(file.path)
        self._stream = self._opened.__enter__()
        self._begun = b""
        self._last = b"\n"
        self._lines = self._bytes = 0
        self._has_nul = self._has_cr = False
        self.problem: SourceError | None = None
        self._pool = ThreadPoolExecutor(1, "unpack")
        self._ahead = self._pool.submit(self._next)
        self._left = b""

    def readable(self) -> bool:
        """A file that can be read."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes. Raises ``SourceError`` with one sentence that names the file."""
        if not self._left:
            self._left = self._ahead.result()
            if self.problem:
                raise self.problem
            self._ahead = self._pool.submit(self._next)
        if size < 0 or size >= len(self._left):
            chunk, self._left = self._left, b""
        else:
            chunk, self._left = self._left[:size], self._left[size:]
        return chunk

    def _next(self) -> bytes:
        chunk = b""
        try:
            chunk = self._stream.read(_CHUNK)
            self._check(chunk)
        except EOFError:
            self._refuse(
                "the gzip file is cut off, or something follows its end. Deliver it again."
            )
        except (_UNPACK_ERROR, zlib.error, OSError) as error:
            self._refuse(f"the file cannot be unpacked ({_first_clause(error)}). Deliver it again.")
        return chunk

    def drain(self) -> FileFacts:
        """Check what nobody read, and say what the file held. Raises ``SourceError``."""
        chunk = self.read(_CHUNK)
        while chunk:
            chunk = self.read(_CHUNK)
        if self._lines == 0 and self._has_cr:
            self._refuse("its lines end in CR alone. Save it with line feeds, then load again.")
            raise self.problem or AssertionError
        return replace(
            self._facts,
            text_bytes=self._bytes,
            lines=self._lines + (self._last != b"\n"),
            has_nul=self._has_nul,
        )

    def close(self) -> None:
        """Close the file beneath."""
        if not self.closed:
            self._pool.shutdown(cancel_futures=True)
            self._opened.__exit__(None, None, None)
        super().close()

    def _check(self, chunk: bytes) -> None:
        import numpy as np  # noqa: PLC0415

        if self._begun or not chunk.isascii():
            text = self._begun + chunk
            cut = _whole_characters(text)
            text, self._begun = text[:cut], text[cut:]
            if not _is_utf8(text) or (self._begun and not chunk):
                self._refuse_bytes(text + self._begun)
                return
        if chunk:
            # Threads of a reader go on while numpy counts, and it is several times faster than bytes.
            values = np.frombuffer(chunk, np.uint8)
            flags = np.equal(values, _LINE_FEED, out=self._flags[: len(chunk)])
            self._lines += int(np.count_nonzero(flags))
            self._bytes += len(chunk)
            self._last = chunk[-1:]
            self._has_nul = self._has_nul or not values.min()
            self._has_cr = self._has_cr or (self._lines == 0 and b"\r" in chunk)

    def _refuse_bytes(self, text: bytes) -> None:
        try:
            text.decode()
        except UnicodeDecodeError as error:
            line = self._lines + text[: error.start].count(b"\n") + 1
            self._refuse(f"line {line} is not UTF-8 text. Export it as UTF-8, then load again.")

    def _refuse(self, sentence: str) -> None:
        self.problem = SourceError(f"{self._file.key}: {sentence}")


def _whole_characters(chunk: bytes) -> int:
    """How many of the bytes are characters that do not go on in the next chunk, where it is UTF-8."""
    for back in range(1, min(len(chunk), 4) + 1):
        byte = chunk[-back]
        if byte >= 0xC0:
            needed = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(chunk) - back if back < needed else len(chunk)
        if byte < 0x80:
            break
    return len(chunk)


def _is_utf8(text: bytes) -> bool:
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app

    ends = pa.py_buffer(array("i", [0, len(text)]))
    try:
        pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(text)]).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def inspect(file: SourceFile, advance: Callable[[int], None] | None = None) -> FileFacts:
    """Digest, size and header of ``file``. Raises ``SourceError`` with one sentence that names it.

    ``advance`` is told how many packed bytes were hashed. An empty file is whole: a chunk that a
    smaller refresh left over is emptied by AWS.
    """
    digest, size = _digest(file, advance)
    if is_parquet(file.path):
        return _parquet_facts(file, digest, size)
    head = b""
    try:
        with open_unpacked(file.path) as stream:
            while len(head) < MAX_HEADER_BYTES and b"\n" not in head.strip(b"\r\n"):
                chunk = stream.read(_HEAD)
                if not chunk:
                    break
                head += chunk
    except (EOFError, _UNPACK_ERROR, zlib.error, OSError):
        # The full check says what is wrong, and where; an unreadable header is no empty file.
        with Checked(file, FileFacts(digest, size, 0, 0, False, ())) as checked:
            checked.drain()
    header = _header(head)
    if not header and head.strip() and head.strip() != codecs.BOM_UTF8:
        with Checked(file, FileFacts(digest, size, 0, 0, False, ())) as checked:
            checked.drain()
        msg = f"{file.key}: its first line is blank or too long to be a header. Deliver it again."
        raise SourceError(msg)
    return FileFacts(digest, size, 0, 0, False, header)


def verify(file: SourceFile, advance: Callable[[int], None] | None = None) -> FileFacts:
    """``inspect``, and every byte checked. Raises ``SourceError``."""
    facts = inspect(file, advance)
    if is_parquet(file.path):
        return facts
    with Checked(file, facts) as checked:
        return checked.drain()


def _parquet_facts(file: SourceFile, digest: str, size: int) -> FileFacts:
    """Columns, types and rows from the footer; without one, the file was cut off."""
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app
    import pyarrow.parquet as pq  # noqa: PLC0415

    if size == 0:
        return FileFacts(digest, 0, 0, 0, False, ())
    with file.path.open("rb") as stream:
        begins = stream.read(4)
        stream.seek(-4, io.SEEK_END) if size >= 8 else None
        ends = stream.read(4)
    if begins != _PARQUET_MARK or ends != _PARQUET_MARK:
        msg = f"{file.key}: the Parquet file is cut off or is none. Deliver it again."
        raise SourceError(msg)
    try:
        about = pq.ParquetFile(file.path)
        schema, rows = about.schema_arrow, about.metadata.num_rows
        about.close()
    except (pa.ArrowException, OSError) as error:
        msg = f"{file.key}: the Parquet file cannot be read ({_first_clause(error)}). Deliver it again."
        raise SourceError(msg) from None
    return FileFacts(digest, size, size, rows + 1, False, tuple(schema.names))


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


def _first_clause(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:120] or type(error).__name__
