"""Texts that spreadsheets would run. Pure. Source: OWASP, "CSV Injection"."""

from __future__ import annotations

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def defused(text: str) -> str:
    """A text that a spreadsheet would run as a formula, made harmless by an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
