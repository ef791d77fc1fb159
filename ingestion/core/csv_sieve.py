"""Part a damaged CSV file into rows that can be read and rows that cannot. Pure.

The engine reads a whole file or none of it. Where it stumbles, this slow path walks the file record by
record, keeps the sound rows together with their line numbers, and names what is wrong with the others.
A quote that is never closed must not swallow the rest of the file: only its own line is put aside.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TextIO

MAX_RECORD_LINES = 200
MAX_RECORD_CHARS = 1_000_000
csv.field_size_limit(MAX_RECORD_CHARS + 1)


@dataclass(frozen=True)
class SoundRow:
    """A row with as many fields as the header, and the line it starts on (the header is line 1)."""

    line: int
    fields: tuple[str, ...]


@dataclass(frozen=True)
class BrokenRow:
    """A row to put aside; ``fields`` is empty where they could not even be told apart."""

    line: int
    reason: str
    fields: tuple[str, ...]
    chars: int


def sieve(
    lines: Iterable[str],
    header: list[str],
    check: Callable[[Mapping[str, str]], str | None],
) -> Iterator[SoundRow | BrokenRow]:
    """Every row after the header, sound or broken, in file order.

    ``lines`` are the physical lines of the file, the header's included. ``check`` says what is wrong
    with the values of a row, or ``None``.
    """
    queue = _Lines(lines)
    next(_records(queue, len(header)), None)
    for line, fields, chars in _records(queue, len(header)):
        if len(fields) != len(header):
            yield BrokenRow(line, _shape_problem(fields, chars, len(header)), (), chars)
            continue
        reason_or_none = check(dict(zip(header, fields, strict=True)))
        if reason_or_none is None:
            yield SoundRow(line, fields)
        else:
            yield BrokenRow(line, reason_or_none, fields, chars)


def _shape_problem(fields: tuple[str, ...], chars: int, width: int) -> str:
    if chars > MAX_RECORD_CHARS:
        return f"The row is longer than {MAX_RECORD_CHARS:,} characters."
    if fields:
        return f"The row has {len(fields)} fields where the header has {width}."
    return "The row has a quote or a line end out of place."


def bounded_lines(stream: TextIO) -> Iterator[str]:
    """The lines of ``stream``; of one that no record may be as long as, only the start.

    A file that unpacks to one endless line must not fill the memory.
    """
    limit = MAX_RECORD_CHARS + 1
    while text := stream.readline(limit):
        rest = text if len(text) == limit else ""
        while rest and not rest.endswith("\n"):
            rest = stream.readline(limit)
        yield text


class _Lines:
    """Physical lines with look-ahead that can be taken back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._ahead: list[str] = []
        self.number = 0

    def peek(self, count: int) -> list[str]:
        """Up to ``count`` lines that come next, without taking them."""
        missing = count - len(self._ahead)
        if missing > 0:
            self._ahead.extend(islice(self._lines, missing))
        return self._ahead[:count]

    def take(self, count: int) -> None:
        """Step over ``count`` lines that were peeked at."""
        del self._ahead[:count]
        self.number += count


def _records(queue: _Lines, width: int) -> Iterator[tuple[int, tuple[str, ...], int]]:
    while first := queue.peek(1):
        line = queue.number + 1
        text, taken = first[0], 1
        if text.count('"') % 2:
            text, taken = _join_open_quote(queue, width)
        queue.take(taken)
        if not text.strip("\r\n"):
            continue
        if text.count('"') % 2 or len(text) > MAX_RECORD_CHARS:
            yield line, (), len(text)
        else:
            yield line, _fields(text), len(text)


def _join_open_quote(queue: _Lines, width: int) -> tuple[str, int]:
    """The record that starts here with an open quote: its text and how many lines it spans.

    A join counts only where it closes the quote *and* gives the header's number of fields;
    otherwise the first line stands alone and the next one starts afresh.
    """
    text = ""
    for taken, candidate in enumerate(queue.peek(MAX_RECORD_LINES), start=1):
        text += candidate
        if len(text) > MAX_RECORD_CHARS:
            break
        if text.count('"') % 2 == 0:
            if len(_fields(text)) == width:
                return text, taken
            break
    return queue.peek(1)[0], 1


def _fields(text: str) -> tuple[str, ...]:
    """The fields of one record; none where the text is no record."""
    try:
        return tuple(next(csv.reader(io.StringIO(text, newline=""), strict=False), []))
    except csv.Error:
        return ()
