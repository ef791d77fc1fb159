"""What a cache status says: served from the cache or not, why not, and when the words changed. Pure.

Sources: Cloudflare, "Cloudflare cache responses" and its changelog; RFC 9211 (Cache-Status), parsed as RFC
9651 structured fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import http_sf

from finops.core.amounts import ratio

UNKNOWN = "unknown"
SERVED = frozenset({"hit", "stale", "updating", "revalidated", "stream_hit"})
"""Statuses of responses whose body came from the cache."""

CAUSES: dict[str, str] = {
    "hit": "in the cache",
    "stale": "in the cache though expired: the origin did not answer",
    "updating": "in the cache though expired: it is being fetched anew",
    "revalidated": "in the cache: the origin said that it is unchanged",
    "stream_hit": "in the cache while it was still being filled",
    "miss": "not in the cache yet",
    "expired": "in the cache, but too old to be served",
    "bypass": "the origin or the request forbids caching (Cache-Control, Set-Cookie, Authorization)",
    "dynamic": "not cacheable by default, and no rule makes it so",
    "ignored": "the cache was told to look away",
    "deferred": "the cache left the answer to the origin",
    UNKNOWN: "answered before the cache: by a Worker, a firewall rule or a redirect",
}
"""Status → why the cache answered so."""

FORWARD_CAUSES: dict[str, str] = {
    "bypass": "it was told not to look",
    "method": "the method of the request may not be answered from a cache",
    "uri-miss": "it held nothing for the address",
    "vary-miss": "it held the address, but for other headers of the request (Vary)",
    "miss": "it held nothing that fits",
    "request": "it held it, but the request asked for a fresh one",
    "stale": "it held it, but too old to be served",
    "partial": "it held only a part of it",
    "other": "a reason that RFC 9211 does not know",
}
"""Why a cache went forward (``fwd`` of RFC 9211, section 2.2) → in words."""


@dataclass(frozen=True)
class SemanticChange:
    """A day from which a status means something else; nothing is compared across it unseen."""

    on: datetime
    sentence: str
    source: str


_CHANGELOG = "https://developers.cloudflare.com/changelog/post"

SEMANTIC_CHANGES: tuple[SemanticChange, ...] = (
    SemanticChange(
        datetime(2026, 2, 26, tzinfo=UTC),
        "From 26 February 2026 stale-while-revalidate works in the background: what was revalidated or "
        "miss is updating or hit.",
        f"{_CHANGELOG}/2026-02-26-async-stale-while-revalidate/",
    ),
    SemanticChange(
        datetime(2026, 5, 26, tzinfo=UTC),
        "From 26 May 2026 every response that may not be cached is bypass; part of it was miss.",
        f"{_CHANGELOG}/2026-05-26-bypass-status-for-uncacheable-responses/",
    ),
)
"""Cloudflare's dated changes of what its statuses mean, oldest first."""


def crosses_change(start: datetime, end: datetime) -> tuple[SemanticChange, ...]:
    """The changes that lie within [start, end): figures before and after them are not comparable."""
    return tuple(change for change in SEMANTIC_CHANGES if start < change.on < end)


@dataclass(frozen=True)
class CacheRatios:
    """Shares of what the cache saw; ``None`` where it saw nothing. Statuses in ``unknown`` are no part."""

    looked_up: Decimal
    unknown: Decimal
    hit: Decimal | None
    bypass: Decimal | None


def cache_ratios(by_status: Mapping[str, Decimal]) -> CacheRatios:
    """Hit and bypass ratio of requests or bytes by cache status; ``unknown`` is out of the denominator."""
    amounts: dict[str, Decimal] = {}
    for status, amount in by_status.items():
        name = status.lower() or UNKNOWN
        name = UNKNOWN if name == "none" else name
        amounts[name] = amounts.get(name, Decimal(0)) + amount
    unknown = amounts.pop(UNKNOWN, Decimal(0))
    whole = sum(amounts.values(), Decimal(0))
    served = sum((amount for name, amount in amounts.items() if name in SERVED), Decimal(0))
    bypassed = amounts.get("bypass", Decimal(0))
    return CacheRatios(whole, unknown, ratio(served, whole), ratio(bypassed, whole))


def cause(status: str) -> str:
    """Why the cache answered with this status, in words."""
    name = status.lower()
    return CAUSES.get("unknown" if name in ("", "none") else name, f"Cloudflare says {name}")


def largest_cause(by_status: Mapping[str, Decimal]) -> str:
    """The status that kept most answers out of the cache; empty where the cache served all it looked up."""
    missed = {
        status: amount
        for status, amount in by_status.items()
        if amount and status.lower() not in {*SERVED, UNKNOWN, "none", ""}
    }
    return max(sorted(missed), key=lambda status: missed[status], default="")


# --- RFC 9211 ----------------------------------------------------------------------------------------


class CacheStatusError(ValueError):
    """A ``Cache-Status`` value that is none; the message is one sentence."""


@dataclass(frozen=True)
class CacheHop:
    """What one cache on the way said. Times are in seconds; ``None`` where it did not say.

    ``hit`` means that it answered without going forward; ``forwarded`` says why it did (``miss``,
    ``bypass`` …), with the status that came back.
    """

    cache: str
    hit: bool = False
    forwarded: str = ""
    forward_status: int | None = None
    ttl: int | None = None
    stored: bool = False
    collapsed: bool = False
    key: str = ""
    detail: str = ""


def parse_cache_status(value: str) -> tuple[CacheHop, ...]:
    """A ``Cache-Status`` field value: a list, the cache next to the origin first. Raises ``CacheStatusError``.

    Parameters of unknown names are left aside, as RFC 9211 asks; one of a wrong type counts as not said.
    """
    try:
        members: Any = http_sf.parse(value.encode(), tltype="list")
    except (http_sf.StructuredFieldError, ValueError) as error:
        msg = f"This is no Cache-Status value as RFC 9211 has it ({str(error)[:100]})."
        raise CacheStatusError(msg) from None
    return tuple(_hop(member) for member in members)


def _hop(member: Any) -> CacheHop:
    name, given = member
    if not isinstance(name, str | http_sf.Token):
        msg = "This is no Cache-Status value as RFC 9211 has it (a cache is named by a token or string)."
        raise CacheStatusError(msg)
    return CacheHop(
        cache=str(name),
        hit=given.get("hit") is True,
        forwarded=_text(given.get("fwd")),
        forward_status=_whole(given.get("fwd-status")),
        ttl=_whole(given.get("ttl")),
        stored=given.get("stored") is True,
        collapsed=given.get("collapsed") is True,
        key=_text(given.get("key")),
        detail=_text(given.get("detail")),
    )


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | http_sf.Token) else ""


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
