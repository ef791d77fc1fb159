"""Whether an object's key may be used at all. Pure."""

from __future__ import annotations

LONGEST = 1024
"""Bytes, what S3 allows."""


def problem_with(key: str) -> str:
    """One sentence on what is wrong with the key; empty where nothing is."""
    if any(part in {"", ".", ".."} for part in key.split("/")):
        return f"{key[:200]!r}: the key leads out of its folder or has an empty part: the object is not read."
    if not key.isprintable():
        return f"{key[:200]!r}: the key holds control characters: the object is not read."
    if len(key.encode(errors="replace")) > LONGEST:
        return f"{key[:80]!r}…: the key is longer than {LONGEST} bytes: the object is not read."
    return ""
