"""What the raw values of a log line mean: one clean name for each host, zone, status and script. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import partial

from ingestion.core.cache_status import UNKNOWN
from ingestion.core.path_prefix import path_prefix

UNREADABLE = "(unreadable)"
_HOST = re.compile(r"[a-z0-9_.-]{1,253}", re.ASCII)
_STATUS = re.compile(r"[a-z_]{1,30}", re.ASCII)
_SCRIPT = re.compile(r"[A-Za-z0-9_.:-]{1,100}", re.ASCII)
_PORT = re.compile(r":[0-9]{1,5}\Z", re.ASCII)


def host_name(raw: str) -> str:
    """A host or zone in lower case, without port and last point; other scripts in their ASCII form."""
    name = _PORT.sub("", raw.strip().lower()).rstrip(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return UNREADABLE
    return name if not name or _HOST.fullmatch(name) else UNREADABLE


def cache_status(raw: str) -> str:
    """The status in lower case; ``unknown`` for none and for what is no status."""
    name = raw.lower()
    return name if _STATUS.fullmatch(name) and name != "none" else UNKNOWN


def script_name(raw: str) -> str:
    """The Worker's name, empty for none."""
    return raw if not raw or _SCRIPT.fullmatch(raw) else UNREADABLE


def meanings(
    path_depth: int, names_follow: Collection[str] = ()
) -> dict[str, Callable[[str], str]]:
    """For each dimension of the log the function from a raw value to its meaning."""
    return {
        "zone": host_name,
        "host": host_name,
        "path": partial(path_prefix, depth=path_depth, names_follow=frozenset(names_follow)),
        "status": cache_status,
        "script": script_name,
    }
