"""Exchange rates from CSV text as the European Central Bank publishes it, and in a long form. Pure.

Wide: ``Date,USD,JPY,…``, units of each currency for one euro, ``N/A`` where none was published. Source: ECB, "Euro
foreign exchange reference rates", eurofxref-hist.csv. Long: ``day,base,quote,rate``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import chain

from finops.core.amounts import EXACT, AmountError, parse_amount
from finops.core.fx import Quote
from ingestion.core.csv_sieve import BrokenRow, sieve
from ingestion.core.delivery import Reject

LONG = ("day", "base", "quote", "rate")
_CURRENCY = re.compile(r"[A-Z]{3}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NONE = {"", "N/A", "NA", "-"}
_MAX_DECIMALS = 10
_FIRST, _LAST = date(1990, 1, 1), date(2200, 1, 1)


class RatesHeaderError(ValueError):
    """The first line is not that of a file of rates; the message completes "<file>: the first line …"."""


class _CellError(ValueError):
    """What is wrong with one rate, as a sentence."""


@dataclass(frozen=True)
class RatesReading:
    """What reading a file gave; a row of which one cell is bad gives its other rates."""

    quotes: tuple[Quote, ...]
    rejects: tuple[Reject, ...]
    rows: int


def read_rates(lines: Iterable[str], file: str) -> RatesReading:
    """Every rate of the file, read or put aside. Raises ``RatesHeaderError``."""
    queue = iter(lines)
    first = next(queue, "")
    header = [name.strip() for name in next(csv.reader([first]), [])]
    small = [name.lower() for name in header]
    is_long = all(name in small for name in LONG)
    currencies = [name.upper() for name in header[1:]]
    if not is_long and (
        not small
        or small[0] not in ("date", "day")
        or not any(map(_CURRENCY.fullmatch, currencies))
    ):
        msg = (
            "is neither Date and a column for each currency, as the European Central Bank writes it, nor "
            f"{', '.join(LONG)}"
        )
        raise RatesHeaderError(msg)
    names = small if is_long else [small[0], *currencies]
    quotes: dict[tuple[date, str, str], Quote] = {}
    rejects: list[Reject] = []
    rows = 0
    for row in sieve(chain([first], queue), names, lambda _: None):
        if row.fields and not any(field.strip() for field in row.fields):
            continue
        rows += 1
        values = dict(zip(names, (field.strip() for field in row.fields), strict=False))
        if isinstance(row, BrokenRow):
            rejects.append(_reject(file, row.line, row.reason, {}))
            continue
        reasons = []
        for cell in _cells(values, file, is_long=is_long):
            if isinstance(cell, str):
                reasons.append(cell)
                continue
            key = (cell.day, cell.base, cell.quote)
            if key in quotes and quotes[key].rate != cell.rate:
                reasons.append(f"{cell.base} to {cell.quote} stands there twice for {cell.day}.")
                continue
            quotes[key] = cell
        if reasons:
            rejects.append(_reject(file, row.line, " ".join(reasons), values))
    return RatesReading(tuple(quotes.values()), tuple(rejects), rows)


def _cells(values: Mapping[str, str], file: str, *, is_long: bool) -> Iterator[Quote | str]:
    """The rates of a row; a sentence in place of each that cannot be read."""
    try:
        if is_long:
            yield _quote(
                _day(values["day"]),
                values["base"].upper(),
                values["quote"].upper(),
                values["rate"],
                file,
            )
            return
        names = iter(values)
        day = _day(values[next(names)])
    except _CellError as error:
        yield str(error)
        return
    for name in names:
        if not _CURRENCY.fullmatch(name) or values[name].upper() in _NONE:
            continue  # the ECB's lines end with a comma
        try:
            yield _quote(day, "EUR", name, values[name], file)
        except _CellError as error:
            yield str(error)


def _quote(day: date, base: str, quote: str, text: str, file: str) -> Quote:
    for name in (base, quote):
        if not _CURRENCY.fullmatch(name):
            msg = f"{name[:20]!r} is not a currency of three letters."
            raise _CellError(msg)
    if base == quote:
        msg = f"A rate from {base} to itself says nothing."
        raise _CellError(msg)
    try:
        rate: Decimal = parse_amount(text)
    except AmountError as error:
        msg = f"The rate from {base} to {quote} {error}: {text[:40]!r}."
        raise _CellError(msg) from None
    decimals = -int(EXACT.normalize(rate).as_tuple().exponent)
    if rate <= 0 or decimals > _MAX_DECIMALS or rate.adjusted() > 11:
        msg = (
            f"The rate from {base} to {quote} must be above 0 with {_MAX_DECIMALS} decimals and 12 digits at most: "
            f"{text[:40]}."
        )
        raise _CellError(msg)
    return Quote(day, base, quote, rate, file)


def _day(text: str) -> date:
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        msg = f"The day is not written YYYY-MM-DD: {text[:40]!r}."
        raise _CellError(msg) from None
    if not _FIRST <= day <= _LAST:
        msg = f"No rate is known for {day}."
        raise _CellError(msg)
    return day


def _reject(file: str, line: int, reason: str, values: Mapping[str, str]) -> Reject:
    text = ", ".join(f"{name}={value}" for name, value in values.items() if value)
    return Reject(file, line, reason, text, None, "")
