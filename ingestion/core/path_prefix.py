"""What of a request's path may be kept: its first segments, without what names a person or opens a door. Pure.

A path may hold ids, addresses and tokens. A segment that is not plainly made of words becomes ``{id}``, so
that paths of one kind are one prefix. In doubt it is masked: a word that is lost costs less than a token kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from itertools import pairwise
from urllib.parse import unquote

from finops.core.redaction import Redactor, is_sensitive_name

MASK = "{id}"
NAMES_FOLLOW = ("users", "u", "accounts", "customers", "members", "profiles", "people")
"""Segments that people's names stand behind, by default."""
OTHER = "other"
"""Stands for the prefixes beyond the limit; no path begins without a slash."""

ROOT = "/"
_LONGEST_SEGMENT = 48
_LONGEST_WORD = 20
_LONG_WORD = 8
"""Letters from which on a word is asked whether its letters follow each other as in words."""
_EXTENSION = re.compile(r"\.(?:[a-z]{1,4}[0-9]?|[a-z]{5}|m3u8)\Z", re.ASCII | re.IGNORECASE)
_ATOM = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9._~+,!()*' {}-]*", re.ASCII)
_WORD = re.compile(r"[a-z]+|[A-Z]+|[A-Z][a-z]+", re.ASCII)
_NUMBER = re.compile(r"v?[0-9]{1,3}", re.ASCII | re.IGNORECASE)
_NO_WORD = re.compile(r"[bcdfghjklmnpqrstvwxz]{5}|[aeiouy]{5}")
_FOLLOWERS = (
    "abcdfghiklmnprstuvwxy babcdefgijlmnoprstuy cacdefhiklmnoprstuvwy "
    "dabcdefgijklmnoprstuvwxy eabcdefghijklmnopqrstuvwxyz facdefilnoprstuy "
    "gacdefghilmnoprstuvyz hadeilmnorstuy iabcdefgklmnopqrstvxz jaeopu kabdegilnoprstuwy "
    "labcdefgiklmnoprstuvyz mabcdefiklmnopstuy nabcdefghijklmnoprstuvwyz "
    "oabcdefgiklmnoprstuvwxy pacdefghiklmnoprstuwy qu rabcdefghiklmnoprstuvwyz "
    "sacdefghiklmnopqrstuvwy tabcdefghilmnoprstuvwyz uabcdefgilmnoprst vaegimos wadehilnors "
    "xaceilpst yabcdegilmnoprstw zaeio"
)
"""Each letter with those that follow it in more than a few words; of random letters every third pair is none."""
_PAIRS = frozenset(row[0] + following for row in _FOLLOWERS.split() for following in row[1:])
_PATTERNS = Redactor()
_OPENS_A_DOOR = re.compile(
    r"(?:^|[^a-z])(?:resets?|invit\w*|verif\w*|confirm\w*|unsubscribe|magic|activat\w*|login|signin"
    r"|shares?|oauth\w*|otp|codes?|keys?)(?:[^a-z]|$)",
    re.IGNORECASE,
)


def path_prefix(path: str, depth: int, names_follow: Collection[str] = ()) -> str:
    """The first ``depth`` segments of ``path``, masked; ``/`` for none.

    What stands behind a segment of ``names_follow`` (lower case) is masked in any case, as ``john.smith`` in
    ``/users/john.smith``; what has an ending too, as its picture may bear the name.

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
        is_name = unquote(before).lower() in names_follow
        kept.append(MASK if is_name else _segment(raw, before))
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
        return MASK if not text.isalpha() or len(text) > _LONGEST_WORD else text
    ending = _EXTENSION.search(text)
    stem = text[: ending.start()] if ending and ending.start() else text
    if stem == MASK:
        return text
    if _is_address(text):
        return MASK
    if _is_id(stem):
        return MASK + text[len(stem) :]
    return text if _PATTERNS.text(text) == text else MASK


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_id(stem: str) -> bool:
    """Whether a segment is rather an id than words: ``7831``, ``9f86d081``, ``x7Kq92Lm``, ``123-45``.

    Words are in one case or begin with a capital; beside them stands at most one number of three digits.
    """
    atoms = _ATOM.findall(stem)
    numbers = [atom for atom in atoms if _NUMBER.fullmatch(atom)]
    return len(numbers) > 1 or not all(_is_word(atom) for atom in atoms if atom not in numbers)


def _is_word(atom: str) -> bool:
    if not _WORD.fullmatch(atom) or len(atom) > _LONGEST_WORD:
        return False
    if len(atom) < _LONG_WORD:
        return True
    word = atom.lower()
    return not _NO_WORD.search(word) and all(one + two in _PAIRS for one, two in pairwise(word))
