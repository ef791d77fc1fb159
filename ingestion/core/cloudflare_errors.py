"""What an answer of Cloudflare's API says when it refuses. Pure.

HTTP 200 may carry errors, and data beside errors are not whole. Source:
developers.cloudflare.com/analytics/graphql-api/errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

MOST_SKEW = timedelta(minutes=10)
"""How far this machine's clock may stand from the API's before windows mean something else."""

_TEXT_LIMIT = 160


class Trouble(StrEnum):
    """Why there is no answer. ``BUSY`` and ``DOWN`` pass; all others stay until a person acts."""

    TOKEN = "token"  # noqa: S105  # the name of a trouble
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    SCHEMA = "schema"
    RANGE = "range"
    BUSY = "busy"
    DOWN = "down"
    OTHER = "other"


PASSING = frozenset({Trouble.BUSY, Trouble.DOWN})


@dataclass(frozen=True)
class Refusal:
    """One refusal: its kind, what the API said, how long to wait, and the fields that it does not know."""

    trouble: Trouble
    said: str = ""
    wait: timedelta | None = None
    unknown: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether another try may succeed."""
        return self.trouble in PASSING


_UNKNOWN = re.compile(
    r"(?:unknown field|cannot query field|unknown arg(?:ument)?)\s*[\"'`]?([A-Za-z_][A-Za-z0-9_]*)",
    re.IGNORECASE,
)
_WAIT = re.compile(r"try again (?:after|in) (\d{1,4}) ?(second|minute|hour)s?", re.IGNORECASE)
_UNITS = {"second": 1, "minute": 60, "hour": 3600}
# In this order: the first that is found decides.
_WORDS: tuple[tuple[Trouble, tuple[str, ...]], ...] = (
    (Trouble.BUSY, ("rate limiter", "rate limit", "budget depleted", "too many requests")),
    (
        Trouble.TOKEN,
        ("authentication error", "invalid api token", "token expired", "invalid access token"),
    ),
    (Trouble.FORBIDDEN, ("not authorized", "does not have access", "not available for your plan")),
    (Trouble.RANGE, ("older than", "time range", "wider than", "limit must be", "maximum limit")),
    (Trouble.DOWN, ("internal server error", "timed out", "timeout", "unavailable", "try again")),
)


def refusal_of_errors(errors: Sequence[Any]) -> Refusal:
    """What the ``errors`` of a GraphQL answer, or of the REST envelope, say."""
    texts = [
        str(error.get("message", "")) if isinstance(error, Mapping) else str(error)
        for error in errors
    ]
    unknown = tuple(dict.fromkeys(name for text in texts for name in _UNKNOWN.findall(text)))
    said = short(next((text for text in texts if text), "no reason given"))
    if unknown:
        return Refusal(Trouble.SCHEMA, said, unknown=unknown)
    every = " ".join(texts).lower()
    for trouble, words in _WORDS:
        if any(word in every for word in words):
            return Refusal(trouble, said, _said_wait(every))
    return Refusal(Trouble.OTHER, said)


def refusal_of_status(
    status: int, body: object, retry_after: str = "", now: datetime | None = None
) -> Refusal:
    """What an HTTP status other than 200 says, with the envelope's errors where there are any."""
    errors = body.get("errors") if isinstance(body, Mapping) else None
    inner = refusal_of_errors(errors) if isinstance(errors, Sequence) and errors else None
    said = inner.said if inner else ""
    if status == 429 or (inner and inner.trouble is Trouble.BUSY):
        wait = _header_wait(retry_after, now) or (inner.wait if inner else None)
        return Refusal(Trouble.BUSY, said, wait)
    if status >= 500:
        return Refusal(Trouble.DOWN, said or f"HTTP {status}", _header_wait(retry_after, now))
    by_status = {401: Trouble.TOKEN, 403: Trouble.FORBIDDEN, 404: Trouble.MISSING}
    if status in by_status:
        return Refusal(by_status[status], said)
    return inner or Refusal(Trouble.OTHER, f"HTTP {status}")


def _said_wait(text: str) -> timedelta | None:
    match = _WAIT.search(text)
    return timedelta(seconds=int(match[1]) * _UNITS[match[2].lower()]) if match else None


def _header_wait(text: str, now: datetime | None) -> timedelta | None:
    """``Retry-After`` (RFC 9110, 10.2.3): seconds or a date."""
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 86_400))
    moment = http_date(text)
    return max(moment - now, timedelta()) if moment and now else None


def http_date(text: str) -> datetime | None:
    """A date of an HTTP header in UTC; ``None`` for anything else."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def skew_problem(offset: timedelta | None) -> str:
    """A sentence where the API's clock less this machine's is too much; empty where not, or not known."""
    if offset is None or abs(offset) <= MOST_SKEW:
        return ""
    minutes = int(abs(offset).total_seconds() // 60)
    word = "ahead of" if offset < timedelta() else "behind"
    return f"This machine's clock is {minutes:,} minutes {word} Cloudflare's: set it; nothing was read."


def short(text: str) -> str:
    """One line of what a vendor said, cut."""
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_LIMIT else f"{line[: _TEXT_LIMIT - 1]}…"
