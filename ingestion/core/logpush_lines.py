"""One line of Cloudflare's ``http_requests`` log, read strictly: sound, or put aside with a reason. Pure.

The engine reads whole objects quickly and can only say that a line is not sound; this module says which and
why, and writes the sound ones in the one form that the engine then takes. Source: Cloudflare, Logs, "HTTP
requests" (fields), "Log Output Options" (time formats), "Subrequests" (merging).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NoReturn

from ingestion.core.cache_said import HEADERS, mended

COUNTS = (
    "EdgeResponseBytes",
    "CacheResponseBytes",
    "OriginResponseStatus",
    "WorkerCPUTime",
    "WorkerWallTimeUs",
    "WorkerSubrequestCount",
)
"""Whole numbers; a job may write them as digits in a string."""

TEXTS = (
    "RayID",
    "ParentRayID",
    "EdgeStartTimestamp",
    "ZoneName",
    "ClientRequestHost",
    "ClientRequestPath",
    "ClientRequestURI",
    "ClientRequestSource",
    "CacheCacheStatus",
    "WorkerScriptName",
    "WorkerSubrequest",
)
FIELDS = (*COUNTS, *TEXTS)
"""All that is ever read of a line, besides ``Subrequests`` and one of its ``ResponseHeaders``."""

NESTED = "Subrequests"
MOST_DIGITS = 12
"""Of a count: below 10 to the 12th, a terabyte in one response."""

LONGEST_LINE = 2 << 20
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
_SECONDS, _NANOSECONDS = range(9, 11), range(18, 20)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_DIGITS = re.compile(rf"|0|[1-9][0-9]{{0,{MOST_DIGITS - 1}}}", re.ASCII)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class LineError(Exception):
    """A line that cannot be counted; the message is a clause that names the field."""


@dataclass(frozen=True)
class Bounds:
    """Which times are believed: up to ``latest``, and on no day whose keys are gone (``closed``).

    ``kept`` says in words how long keys are kept.
    """

    latest: datetime
    closed: frozenset[date] = field(default_factory=frozenset)
    kept: str = "48 h"


def event_seconds(value: object) -> int:
    """A time in any of the job's formats as whole seconds since 1970. Raises ``LineError``.

    RFC 3339 text, seconds (``unix``) or nanoseconds (``unixnano``), as a number or as digits in a string. A
    text without an offset is UTC.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str):
        if text.isascii() and text.isdecimal():
            if len(text) in _NANOSECONDS:
                return int(text) // 1_000_000_000
            if len(text) in _SECONDS:
                return int(text)
        elif found := _MOMENT.fullmatch(text):
            offset = "+00:00" if found[3] in (None, "Z") else found[3]
            with suppress(ValueError, OverflowError):
                moment = datetime.fromisoformat(f"{found[1]}T{found[2]}{offset}")
                return int(moment.timestamp())
    msg = "EdgeStartTimestamp is no time in a form that Logpush writes (rfc3339, unix, unixnano)"
    raise LineError(msg)


def sound_line(text: str, bounds: Bounds) -> str | None:
    """The line in the engine's form, ``None`` for a blank one. Raises ``LineError``."""
    if not text.strip():
        return None
    if len(text) > LONGEST_LINE:
        msg = f"the line is longer than {LONGEST_LINE >> 20} MB"
        raise LineError(msg)
    found = _parsed(text)
    kept = _sound(found, bounds)
    nested = found.get(NESTED)
    if isinstance(nested, Mapping):
        nested = [nested]
    if isinstance(nested, list) and nested:
        kept[NESTED] = [_nested(one, kept, bounds, at) for at, one in enumerate(nested)]
    return json.dumps(kept)


def shown_fields(text: str) -> dict[str, str]:
    """Of a line that was put aside: the fields that may be shown; none where it is no JSON object."""
    try:
        found = _parsed(text)
    except LineError:
        return {}
    names = ("RayID", "EdgeStartTimestamp", "ZoneName", "ClientRequestHost", *COUNTS)
    return {name: str(found[name])[:80] for name in names if name in found}


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=_first_wins, parse_constant=_no_constant)
        if _SURROGATE.search(text):
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        msg = "the line is no JSON, or only a part of one"
        raise LineError(msg) from None
    if not isinstance(found, dict):
        msg = "the line is no JSON object"
        raise LineError(msg)
    return found


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """As the engine reads a key that stands twice."""
    return dict(reversed(pairs))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _sound(found: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name in TEXTS:
        value = found.get(name)
        if name == "EdgeStartTimestamp" or value is None:
            continue
        if isinstance(value, dict | list) or str(value).startswith(("[", "{")):
            msg = f"{name} is no text"
            raise LineError(msg)
        kept[name] = value if isinstance(value, str | bool) else str(value)
    if not kept.get("RayID"):
        msg = "RayID is missing"
        raise LineError(msg)
    if found.get("EdgeStartTimestamp") in (None, ""):
        msg = "EdgeStartTimestamp is missing"
        raise LineError(msg)
    seconds = event_seconds(found["EdgeStartTimestamp"])
    _refuse_time(seconds, bounds)
    kept["EdgeStartTimestamp"] = seconds
    for name in COUNTS:
        value = found.get(name)
        if value is not None:
            kept[name] = _count(name, value)
    if (headers := mended(found.get(HEADERS))) is not None:
        kept[HEADERS] = headers
    return kept


def _refuse_time(seconds: int, bounds: Bounds) -> None:
    if seconds < EARLIEST.timestamp():
        msg = f"EdgeStartTimestamp lies before {EARLIEST.year}"
        raise LineError(msg)
    if seconds > bounds.latest.timestamp():
        msg = "EdgeStartTimestamp lies in the future"
        raise LineError(msg)
    if datetime.fromtimestamp(seconds, UTC).date() in bounds.closed:
        msg = (
            f"EdgeStartTimestamp lies later back than {bounds.kept}: whether the line was counted before "
            "is no longer known"
        )
        raise LineError(msg)


def _count(name: str, value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and _DIGITS.fullmatch(text):
        return text
    if isinstance(text, str) and re.fullmatch(r"-[0-9]+", text):
        msg = f"{name} is negative"
    elif isinstance(text, str) and text.isascii() and text.isdecimal():
        msg = f"{name} is too large to be true"
    else:
        msg = f"{name} is no whole number"
    raise LineError(msg)


def _nested(found: object, parent: Mapping[str, Any], bounds: Bounds, place: int) -> dict[str, Any]:
    """A merged subrequest: what it does not say itself, its parent says for it."""
    if not isinstance(found, dict):
        msg = f"{NESTED}[{place}] is no JSON object"
        raise LineError(msg)
    given = {
        name: parent[name]
        for name in ("EdgeStartTimestamp", "ZoneName", "ClientRequestHost")
        if name in parent
    }
    try:
        return _sound({**given, **{k: v for k, v in found.items() if v is not None}}, bounds)
    except LineError as error:
        msg = f"{NESTED}[{place}]: {error}"
        raise LineError(msg) from None
