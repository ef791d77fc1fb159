"""What of a request's path may be kept: its first segments, without what names a person or opens a door. Pure.

A path may hold ids, mail addresses and tokens. A segment that looks like one becomes ``{id}``, so that paths
of one kind are one prefix and nothing personal reaches the lake.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from finops.core.redaction import is_sensitive_name

MASK = "{id}"
OTHER = "other"
"""Stands for the prefixes beyond the limit; no path begins without a slash."""

ROOT = "/"
_LONGEST_SEGMENT = 48
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}\Z", re.ASCII)
_ATOM = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9._~+,!()*' {}-]*", re.ASCII)
_DIGIT = re.compile(r"[0-9]", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]{8,}", re.ASCII)
_VERSION = re.compile(r"v?[0-9]{1,3}", re.ASCII | re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_OPENS_A_DOOR = re.compile(
    r"(?:^|[^a-z])(?:resets?|invit\w*|verif\w*|confirm\w*|unsubscribe|magic|activat\w*|login|signin"
    r"|shares?|oauth\w*|otp|codes?|keys?)(?:[^a-z]|$)",
    re.IGNORECASE,
)


def path_prefix(path: str, depth: int) -> str:
    """The first ``depth`` segments of ``path``, masked; ``/`` for none.

    A query, a fragment and parameters behind a semicolon are no part of it. Applied to its own result it
    changes nothing.
    """
    plain = re.split(r"[?#;]", path, maxsplit=1)[0]
    kept: list[str] = []
    before = ""
    for raw in plain.split("/"):
        if not raw:
            continue
        if len(kept) == depth:
            break
        kept.append(_segment(raw, before))
        before = raw
    return ROOT + "/".join(kept)


def _segment(raw: str, before: str) -> str:
    if raw == MASK:
        return MASK
    text = unquote(raw)
    if before and (is_sensitive_name(before) or _OPENS_A_DOOR.search(before)):
        return MASK
    if len(text) > _LONGEST_SEGMENT or not _PLAIN.fullmatch(text) or is_sensitive_name(text):
        # What is not plain holds an @, an =, a control character or another script.
        return MASK if not text.isalpha() or len(text) > _LONGEST_SEGMENT else text
    ending = _EXTENSION.search(text)
    stem = text[: ending.start()] if ending and ending.start() else text
    if MASK in stem:
        return text
    if _UUID.search(stem) or any(_is_id(atom) for atom in _ATOM.findall(stem)):
        return MASK + (ending[0] if ending and ending.start() else "")
    return text


def _is_id(atom: str) -> bool:
    """Whether a run of letters and digits is rather an id than a word: ``7831``, ``9f86d081``, ``x7Kq92Lm``."""
    digits = len(_DIGIT.findall(atom))
    if not digits:
        return len(atom) > 24
    if _VERSION.fullmatch(atom):
        return False
    return digits == len(atom) or bool(_HEX.fullmatch(atom)) or (len(atom) >= 8 and digits >= 2)
