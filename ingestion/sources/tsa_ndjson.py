"""Time-stamp tokens as a stamping service logs them: NDJSON files, gzip or not, one record a line.

A line is a token, as ``POST /api/v1/tsa/tokens`` takes it, or a tenant's number of assets, as
``POST /api/v1/tsa/assets`` does; one with the field ``assets`` is the latter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from finops.logs import redact
from ingestion.core.delivery import Problem, SourceError
from ingestion.core.object_keys import problem_with
from ingestion.core.tsa import (
    Aside,
    AssetsRecord,
    RefusedError,
    TokenBatch,
    TokenRecord,
    assets_of,
    token_of,
)
from ingestion.core.tsa_tenants import TenantRules
from ingestion.locations.base import Location, SourceUnavailableError, UnreadableNowError
from ingestion.registry import TokenObject
from ingestion.unpacking import Slots, lines_of

_SUFFIXES = (".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz")
_LONGEST_LINE = 4 << 10
_LINES_AT_ONCE = 5000
_SHOWN = 200


class TsaNdjson:
    """Reads files of records; the place is the source."""

    id = "tsa_ndjson"
    title = "Time-stamp tokens (NDJSON)"
    service_provider_name = "TSA"
    produces = "tokens"

    def objects(self, location: Location) -> Iterator[TokenObject | Problem]:
        """Every file of records."""
        for entry in location.entries():
            if not entry.key.lower().endswith(_SUFFIXES):
                continue
            problem = problem_with(entry.key)
            yield Problem(problem) if problem else TokenObject(entry)

    def read_tokens(
        self,
        location: Location,
        objects: Sequence[TokenObject],
        *,
        rules: TenantRules,
        now: datetime,
        advance: Callable[[int], None],
    ) -> Iterator[TokenBatch]:
        """Pieces of some thousand lines; a file is read to its end with its last one.

        Raises ``SourceUnavailableError``.
        """
        slots = Slots()
        try:
            for one in objects:
                yield from _file(location, one, slots, rules=rules, now=now, advance=advance)
        finally:
            slots.close()


def _file(
    location: Location,
    one: TokenObject,
    slots: Slots,
    *,
    rules: TenantRules,
    now: datetime,
    advance: Callable[[int], None],
) -> Iterator[TokenBatch]:
    key = one.entry.key
    try:
        with location.passing(one.entry, advance) as path:
            unpacked = slots.unpack(path, key)
    except SourceUnavailableError:
        raise
    except (UnreadableNowError, OSError) as error:
        yield TokenBatch(later=(str(error),))
        return
    except SourceError as error:
        yield TokenBatch(asides=(Aside(key, str(error)),), objects=(one.name,))
        return
    piece = _Piece(key, rules, now)
    for number, line in lines_of(unpacked, _LONGEST_LINE):
        piece.add(number, line)
        if piece.lines == _LINES_AT_ONCE:
            yield piece.batch()
            piece = _Piece(key, rules, now)
    slots.give_back(unpacked)
    yield replace(piece.batch(), objects=(one.name,), bytes=one.entry.size)


class _Piece:
    """Some lines of a file."""

    def __init__(self, key: str, rules: TenantRules, now: datetime) -> None:
        self.key, self.rules, self.now = key, rules, now
        self.lines = 0
        self.tokens: list[TokenRecord] = []
        self.assets: list[AssetsRecord] = []
        self.asides: list[Aside] = []

    def add(self, number: int, line: bytes | None) -> None:
        """One line; a blank one is none."""
        if line is not None and not line.strip():
            return
        self.lines += 1
        try:
            if line is None:
                msg = f"The line is longer than {_LONGEST_LINE >> 10} kB."
                raise RefusedError(msg)
            item = _object(line)
            if isinstance(item, dict) and "assets" in item:
                self.assets.append(assets_of(item, index=number, now=self.now))
            else:
                token = token_of(item, index=number, now=self.now)
                account = token.account or self.rules.account
                self.tokens.append(replace(token, account=account, place=f"{self.key}:{number}"))
        except RefusedError as error:
            shown = (line or b"")[:_SHOWN].decode("utf-8", "replace").replace("\0", "␀")
            self.asides.append(Aside(self.key, str(error), number, redact(shown)))

    def batch(self) -> TokenBatch:
        """What came of them."""
        return TokenBatch(tuple(self.tokens), tuple(self.assets), tuple(self.asides))


def _object(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        msg = "The line is not JSON: write one object on each line."
        raise RefusedError(msg) from None


SOURCE = TsaNdjson()
