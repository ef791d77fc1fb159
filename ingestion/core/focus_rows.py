"""What is wrong with one FOCUS row, in words. Pure: the slow path beside the engine's own reading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from finops.core.amounts import AmountError, parse_amount
from finops.core.focus import ChargeCategory
from ingestion.core import focus_columns as focus
from ingestion.core.aws_cur_rows import moment
from ingestion.core.tags import TagsError, parse_map

_UTC = re.compile(r"(\+00:?00| UTC)$")
_CURRENCY = re.compile(r"[A-Z]{3}")
NULL = "null"
"""How some exports print a missing value, in either case."""

UNKNOWN_CURRENCY = "XXX"
"""ISO 4217: no currency. For the amount of a row whose currency cannot be read."""


def row_problem(row: Mapping[str, str]) -> str | None:
    """One sentence that says why ``row`` cannot be read, or ``None``.

    ``row`` maps FOCUS names to their texts; absent and empty are alike. The sentence quotes values in full:
    whoever shows it redacts first and cuts then.
    """
    if any("\0" in text for text in row.values()):
        return "The row holds a NUL character."
    for number in focus.NUMBERS:
        text = text_of(row, number.source)
        if not text and number.source != focus.COST:
            continue
        try:
            value = parse_amount(text)
        except AmountError as error:
            return f"The column {number.source} {error}: {text!r}."
        if abs(value) >= (focus.MAX_COST if number.is_cost else focus.MAX_QUANTITY):
            return f"The column {number.source} is larger than any bill: {text!r}."
    category = text_of(row, focus.CATEGORY)
    if category not in set(ChargeCategory):
        known = ", ".join(ChargeCategory)
        return f"The column {focus.CATEGORY} is {category!r}, and FOCUS knows {known}."
    currency = text_of(row, focus.CURRENCY)
    if not _CURRENCY.fullmatch(currency.upper()):
        return f"The column {focus.CURRENCY} is not a currency of three letters: {currency!r}."
    try:
        parse_map(text_of(row, focus.TAGS))
    except TagsError as error:
        return f"The column {focus.TAGS} {error}."
    if billing_month(text_of(row, focus.PERIOD)) is None:
        return f"The column {focus.PERIOD} is not a time in UTC: {text_of(row, focus.PERIOD)!r}."
    return _period_problem(row)


def _period_problem(row: Mapping[str, str]) -> str | None:
    moments = {name: _moment(text_of(row, name)) for name in (focus.START, focus.END)}
    for name, found in moments.items():
        if found is None:
            return f"The column {name} is not a time in UTC: {text_of(row, name)!r}."
    first, last = moments[focus.START], moments[focus.END]
    if first is None or last is None or last <= first:
        return f"The charge period ends before it has begun: {first} to {last}."
    if first.year < focus.FIRST_YEAR or last > datetime(focus.LAST_YEAR, 1, 1):  # noqa: DTZ001  # both naive
        return f"The charge period is outside the years of any bill: {first} to {last}."
    return None


def billing_month(text: str) -> date | None:
    """The month of a BillingPeriodStart as its first day, ``None`` where it cannot be read."""
    found = _moment(text)
    if found is None or not focus.FIRST_YEAR <= found.year < focus.LAST_YEAR:
        return None
    return found.date().replace(day=1)


def row_amount(row: Mapping[str, str]) -> Decimal | None:
    """The row's BilledCost where it can be read: it still belongs to the source total."""
    try:
        value = parse_amount(text_of(row, focus.COST))
    except AmountError:
        return None
    return value if abs(value) < focus.MAX_COST else None


def row_currency(row: Mapping[str, str]) -> str:
    """The row's currency, or ``UNKNOWN_CURRENCY`` where it names none that can be read."""
    currency = text_of(row, focus.CURRENCY).upper()
    return currency if _CURRENCY.fullmatch(currency) else UNKNOWN_CURRENCY


def row_provider(row: Mapping[str, str]) -> str:
    """Whose charge the row is, as the engine reads it of a sound row; empty where it names nobody."""
    names = (text_of(row, name) for name in focus.COLUMNS[0].sources)
    found = next(filter(None, names), "")
    return focus.PROVIDERS.get(found, found)


def text_of(row: Mapping[str, str], name: str) -> str:
    """The trimmed text of a column, empty where there is none or it says ``null``."""
    text = (row.get(name) or "").strip()
    return "" if text.lower() == NULL else text


def _moment(text: str) -> datetime | None:
    return moment(_UTC.sub("Z", text))
