"""What is wrong with one CUR row, in words. Pure: the slow path beside the engine's own reading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from finops.core.amounts import AmountError, parse_amount
from ingestion.core import aws_cur_columns as cur
from ingestion.core.tags import TagsError, parse_map

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?Z?", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}")
MONTHLY = timedelta(days=7)
"""A line whose usage spans more than this is monthly: its usage dates are its charge period."""


def row_problem(row: Mapping[str, str]) -> str | None:
    """One sentence that says why ``row`` cannot be read, or ``None``.

    It quotes the value in full: whoever shows it redacts first and cuts then, because a secret that is
    cut in two is not recognised.

    ``row`` maps canonical column names to their texts; absent and empty are alike.
    """
    if any("\0" in text for text in row.values()):
        return "The row holds a NUL character."
    kind = row.get(cur.LINE_TYPE, "").strip()
    for number in cur.NUMBERS:
        text = row.get(number.source, "").strip()
        if text and (not number.types or kind in number.types):
            try:
                value = parse_amount(text)
            except AmountError as error:
                return f"The column {number.source} {error}: {text!r}."
            if abs(value) >= (cur.MAX_COST if number.is_cost else cur.MAX_QUANTITY):
                return f"The column {number.source} is larger than any bill: {text!r}."
    for column in (cur.TAGS, cur.RESOURCE_TAGS):
        try:
            parse_map(row.get(column))
        except TagsError as error:
            return f"The column {column} {error}."
    currency = row.get(cur.CURRENCY, "").strip()
    if currency and not _CURRENCY.fullmatch(currency):
        return f"The column {cur.CURRENCY} is not a currency of three letters: {currency!r}."
    return _period_problem(row)


def row_amount(row: Mapping[str, str], column: str = cur.COST) -> Decimal | None:
    """The row's cost where it can be read: it still belongs to the source total.

    A row that is a share of another one costs nothing again.
    """
    text = row.get(column, "").strip()
    if row.get(cur.SPLIT_PARENT, "").strip():
        return Decimal(0)
    if not text:
        return Decimal(0)
    try:
        value = parse_amount(text)
    except AmountError:
        return None
    return value if abs(value) < cur.MAX_COST else None


def row_currency(row: Mapping[str, str]) -> str:
    """The row's currency, or the default where it names none that can be read."""
    currency = row.get(cur.CURRENCY, "").strip()
    return currency.upper() if _CURRENCY.fullmatch(currency) else cur.DEFAULT_CURRENCY


def _period_problem(row: Mapping[str, str]) -> str | None:
    interval = row.get(cur.INTERVAL, "").strip()
    start, end = row.get(cur.USAGE_START, "").strip(), row.get(cur.USAGE_END, "").strip()
    if interval:
        left, _, right = interval.partition("/")
        problem = _span_problem(cur.INTERVAL, left, right)
        first, last = moment(start), moment(end)
        is_month = first is not None and last is not None and last - first > MONTHLY
        return _span_problem(cur.USAGE_START, start, end) if is_month and not problem else problem
    if not start:
        return f"Neither {cur.INTERVAL} nor {cur.USAGE_START} says when the charge was made."
    return _span_problem(cur.USAGE_START, start, end or start)


def _span_problem(column: str, start: str, end: str) -> str | None:
    first, last = moment(start), moment(end)
    if first is None or last is None:
        return f"The column {column} is not a time in UTC: {f'{start}/{end}'!r}."
    if first.year < cur.FIRST_YEAR or last > datetime(cur.LAST_YEAR, 1, 1):  # noqa: DTZ001  # both naive
        return f"The column {column} is outside the years of any bill: {f'{start}/{end}'!r}."
    if last < first:
        return f"The column {column} ends before it starts: {f'{start}/{end}'!r}."
    return None


def moment(text: str) -> datetime | None:
    """A time in UTC as providers print it, naive; ``None`` where it is none."""
    if not _MOMENT.fullmatch(text.strip()):
        return None
    try:
        return datetime.fromisoformat(text.strip().removesuffix("Z"))
    except ValueError:
        return None
