"""The chain of the audit log: each entry's hash covers the entry and the hash before it. Pure.

Whoever changes, removes or inserts an entry breaks the chain from there on. Source: the hash chain of RFC 6962
(Certificate Transparency) in its simplest form, without a tree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

GENESIS = "0" * 64
"""What stands for the hash before the first entry."""


@dataclass(frozen=True)
class Entry:
    """What is hashed of one entry; ``at`` is ISO 8601 in UTC, ``before`` and ``after`` are canonical JSON."""

    number: int
    at: str
    actor: str
    actor_id: int | None
    verb: str
    target: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True)
class Link:
    """An entry as it is stored, with the hashes that chain it."""

    entry: Entry
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class Head:
    """The number and the hash of the newest entry, or of the last one that somebody wrote down elsewhere."""

    number: int = 0
    hash: str = GENESIS


@dataclass(frozen=True)
class Broken:
    """Where the chain breaks first; ``sentence`` says how."""

    number: int
    sentence: str


def canonical(value: Any) -> str:
    """``value`` as JSON in one way only: keys in order, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def entry_hash(entry: Entry, previous_hash: str) -> str:
    """SHA-256 over the entry and the hash before it, as lower-case hex."""
    text = canonical([previous_hash, asdict(entry)])
    return hashlib.sha256(text.encode()).hexdigest()


def first_broken(
    links: Iterable[Link], *, head: Head, known: Iterable[Head] = ()
) -> tuple[int, Broken | None]:
    """How many entries hold, and where the chain breaks first; ``links`` come in the order of their numbers.

    ``head`` is what the table of the head says, ``known`` are heads that were written down elsewhere: a chain
    that was made anew, whole, agrees with itself, but not with those.
    """
    wanted = {one.number: one.hash for one in known if one.number}
    last = Head()
    for link in links:
        number = last.number + 1
        if link.entry.number != number:
            return last.number, Broken(number, f"Entry {number} is missing.")
        if link.previous_hash != last.hash:
            return last.number, Broken(
                number, f"Entry {number} does not follow from the one before it."
            )
        if entry_hash(link.entry, link.previous_hash) != link.hash:
            return last.number, Broken(number, f"Entry {number} was changed after it was written.")
        if wanted.pop(number, link.hash) != link.hash:
            return last.number, Broken(number, f"Entry {number} is not the one that was known.")
        last = Head(number, link.hash)
    if last != head:
        return last.number, Broken(
            last.number + 1, f"The log ends with entry {last.number}, its head says {head.number}."
        )
    if wanted:
        number = min(wanted)
        return last.number, Broken(number, f"Entry {number}, which was known, is missing.")
    return last.number, None
