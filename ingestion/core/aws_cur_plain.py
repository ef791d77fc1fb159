"""Texts that are sound at first sight, judged once per distinct text instead of once per line. Pure.

What is called plain here passes the checks of ``aws_cur_rows.row_problem`` and of the engine's filter on
its column; the reverse does not hold: what is not plain is looked at line by line. Whether a charge period
lies in the years of bills is judged from the typed lines.
"""

from __future__ import annotations

from collections.abc import Iterable

from ingestion.core.aws_cur_rows import moment
from ingestion.core.tags import TagsError, parse_map

AMOUNT = (
    r"^(?:|-?[0-9]{1,9}(?:\.[0-9]{1,30})?|-?[0-9](?:\.[0-9]{1,20})?E(?:-[12]?[0-9]|-3[0-8]|[0-8]))$"
)
"""No text, or an amount far below any limit, as AWS prints them; for RE2."""

CURRENCY = r"^(?:|[A-Za-z]{3})$"
"""No text, or a currency; for RE2."""

MANY = 20_000
"""More distinct times than this in one chunk are not worth judging one by one."""


def are_intervals(texts: Iterable[str]) -> bool:
    """Whether each text is empty or ``start/end`` with the end not before the start."""
    for text in texts:
        if text:
            left, _, right = text.partition("/")
            start, end = moment(left), moment(right)
            is_bare = left == left.strip() and right == right.strip()
            if start is None or end is None or end < start or not is_bare:
                return False
    return True


def are_moments(texts: Iterable[str]) -> bool:
    """Whether each text is empty or a time in UTC."""
    return all(not text or (moment(text) is not None and text == text.strip()) for text in texts)


def is_readable_map(text: str) -> bool:
    """Whether a text of a map column can be read, and can be kept by a database."""
    try:
        parse_map(text)
    except TagsError:
        return False
    return "\0" not in text
