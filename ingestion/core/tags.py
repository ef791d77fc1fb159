"""Tags as one map: the three spellings AWS uses for one key become one key. Pure.

CUR 2.0 prints ``resource_tags`` (``{"user_cost_center": …}``) and ``tags``
(``{"resourceTags/user:CostCenter": …}``); people call the tag ``CostCenter``. All three are
``cost_center`` here. Source: AWS Data Exports, "resource_tags" and "tags" columns of CUR 2.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_SURROGATE = re.compile(r"\\u[dD][89abAB]")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ACRONYM = re.compile(r"(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_RESOURCE_PREFIX = re.compile(r"^resource_?tags[/:_]", re.IGNORECASE)
_USER_PREFIX = re.compile(r"^user[:_]", re.IGNORECASE)


class TagsError(ValueError):
    """A text that is no map of tags; the message completes "the column …"."""


def _is_text(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


class _Pairs(list[tuple[str, object]]):
    """The pairs of a JSON object, in order, repeated keys kept."""


def normalise_key(key: str) -> str:
    """``CostCenter``, ``user_cost_center`` and ``resourceTags/user:CostCenter`` as ``cost_center``.

    Keys made by AWS keep their mark (``aws:createdBy`` is ``aws_created_by``), and so do other
    prefixes (``iamPrincipal/team`` is ``iam_principal_team``).
    """
    bare = _USER_PREFIX.sub("", _RESOURCE_PREFIX.sub("", key.strip(), count=1), count=1)
    snake = _ACRONYM.sub("_", _CAMEL.sub("_", bare)).lower()
    return _SEPARATORS.sub("_", snake).strip("_") or _SEPARATORS.sub("_", key.lower()).strip("_")


def parse_map(text: str | None) -> dict[str, str]:
    """One map column as printed in a CSV file; empty, ``""`` and ``{}`` are no tags.

    Values that are not texts keep their JSON spelling; ``null`` is dropped. Raises ``TagsError``.
    """
    if text is None or text.strip() in {"", "{}", '""'}:
        return {}
    try:
        value = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        msg = "is not a JSON object"
        raise TagsError(msg) from None
    if _SURROGATE.search(text) and not _is_text(value):
        msg = "holds half a character"
        raise TagsError(msg)
    if not isinstance(value, _Pairs):
        msg = "is not a JSON object"
        raise TagsError(msg)
    tags: dict[str, str] = {}
    for key, item in value:
        if item is not None:
            # A key given twice: the first one counts, as Spark reads it.
            tags.setdefault(key, item if isinstance(item, str) else json.dumps(item))
    return tags


def merge(tags: Mapping[str, str], resource_tags: Mapping[str, str]) -> dict[str, str]:
    """Both columns as one map of normalised keys, sorted.

    ``tags`` wins over ``resource_tags``, because the latter has lost case and punctuation; among keys
    that collide after normalising, the first in alphabetical order wins. Empty values are no tag.
    """
    merged: dict[str, str] = {}
    for source in (tags, resource_tags):
        for key in sorted(source):
            name, value = normalise_key(key), source[key].strip()
            if name and value:
                merged.setdefault(name, value)
    return dict(sorted(merged.items()))


def canonical(tags: Mapping[str, str]) -> str:
    """Tags as one JSON text: equal maps have equal texts, so the engine can group by it."""
    return json.dumps(dict(sorted(tags.items())), ensure_ascii=False, separators=(",", ":"))
