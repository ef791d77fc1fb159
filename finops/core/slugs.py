"""Names as slugs: one tenant, one slug, however its name is spelt. Pure."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

MAX_SLUG = 63
_MARK = 8


def slug_of(text: str) -> str:
    """``Acme Corp``, ``acme_corp`` and ``ACME-CORP`` as ``acme-corp``; empty where nothing is left.

    Accents fold (``Müller`` is ``muller``). Where letters of another script or the end of a long name
    would be lost, a short mark of the whole name keeps two names apart.
    """
    folded = unicodedata.normalize("NFKD", text.strip()).casefold()
    letters = "".join(char for char in folded if not unicodedata.combining(char))
    slug = re.sub(r"[^a-z0-9]+", "-", letters).strip("-")
    is_lossy = any(char.isalnum() and not char.isascii() for char in letters)
    if not is_lossy and len(slug) <= MAX_SLUG:
        return slug
    mark = sha256(letters.encode(errors="replace")).hexdigest()[:_MARK]
    return f"{slug[: MAX_SLUG - _MARK - 1].rstrip('-')}-{mark}".strip("-")
