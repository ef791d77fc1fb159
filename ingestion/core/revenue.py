"""Revenue rows from CSV text. Pure.

Columns: ``tenant, service_start, service_end, amount, currency, invoice_id`` and, where one invoice
has several lines for the same days, ``line_id``. ``service_end`` is the day after the last one, so a
month is 2026-04-01 to 2026-05-01. The amount is net of tax and discount; a credit note is negative.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import chain

from finops.core.amounts import EXACT, MONEY_QUANTUM, AmountError, parse_amount
from finops.core.slugs import slug_of
from ingestion.core.csv_sieve import BrokenRow, sieve
from ingestion.core.delivery import Reject, RevenueLine, RevenueReading

COLUMNS = ("tenant", "service_start", "service_end", "amount", "currency", "invoice_id")
OPTIONAL = ("line_id",)
SHOWN_IN_REJECTS = (*COLUMNS, *OPTIONAL)

_CURRENCY = re.compile(r"[A-Z]{3}")
_MIDNIGHT = re.compile(r"[T ]00:00(:00(\.0+)?)?(Z|\+00:00)?$")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MAX_DAYS = 3700
_MAX_DECIMALS = -int(MONEY_QUANTUM.as_tuple().exponent)


class RevenueHeaderError(ValueError):
    """The first line is not that of a revenue file; the message completes "<file>: the first line …"."""


class _RowError(ValueError):
    """What is wrong with one row, as a sentence."""


def read_revenue(lines: Iterable[str], file: str) -> RevenueReading:
    """Every row of the file, read or put aside. Raises ``RevenueHeaderError``.

    A row that repeats the invoice, tenant, days and line of an earlier one is put aside, because
    counting it twice and dropping it would both be guesses.
    """
    queue = iter(lines)
    first = next(queue, "")
    header = [re.sub(r"[ -]+", "_", name.strip().lower()) for name in next(csv.reader([first]), [])]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        msg = f"lacks the column {missing[0]}; a revenue file has {', '.join(COLUMNS)}"
        raise RevenueHeaderError(msg)
    good: dict[tuple[str, ...], tuple[RevenueLine, int]] = {}
    rejects: list[Reject] = []
    rows = 0
    for row in sieve(chain([first], queue), header, lambda _: None):
        if row.fields and not any(field.strip() for field in row.fields):
            continue
        rows += 1
        values = dict(zip(header, (field.strip() for field in row.fields), strict=False))
        try:
            if isinstance(row, BrokenRow):
                raise _RowError(row.reason)
            line = _line(values)
            key = _key(line)
            if key in good:
                msg = (
                    f"The row repeats the invoice, tenant and days of line {good[key][1]}: "
                    "give both a line_id if both count."
                )
                raise _RowError(msg)
        except _RowError as error:
            rejects.append(_reject(file, row.line, str(error), values))
            continue
        good[key] = (line, row.line)
    return RevenueReading(tuple(line for line, _ in good.values()), tuple(rejects), rows)


def _key(line: RevenueLine) -> tuple[str, ...]:
    days = (str(line.service_start), str(line.service_end))
    return (line.invoice_id, line.tenant, *days, line.line_id)


def _line(values: Mapping[str, str]) -> RevenueLine:
    tenant = slug_of(values["tenant"])
    if not tenant:
        msg = "The column tenant is empty or has no letter or digit."
        raise _RowError(msg)
    start, end = _day(values, "service_start"), _day(values, "service_end")
    if end <= start:
        msg = (
            f"The service ends ({end}) before it lasts a day from {start}: "
            "service_end is the day after the last one."
        )
        raise _RowError(msg)
    if end - start > timedelta(days=_MAX_DAYS):
        msg = f"The service from {start} to {end} lasts longer than ten years."
        raise _RowError(msg)
    try:
        amount = parse_amount(values["amount"])
    except AmountError as error:
        msg = f"The column amount {error}: {values['amount']!r}."
        raise _RowError(msg) from None
    exponent = int(EXACT.normalize(amount).as_tuple().exponent)
    if -exponent > _MAX_DECIMALS or amount.adjusted() > 9:
        msg = f"The column amount has more than {_MAX_DECIMALS} decimals or ten digits: {amount}."
        raise _RowError(msg)
    currency = values["currency"].upper()
    if not _CURRENCY.fullmatch(currency):
        msg = f"The column currency is not a currency of three letters: {currency!r}."
        raise _RowError(msg)
    if not values["invoice_id"]:
        msg = "The column invoice_id is empty, so a second delivery could not be recognised."
        raise _RowError(msg)
    if len(values["invoice_id"]) > 100 or len(values.get("line_id", "")) > 100:
        msg = "The column invoice_id or line_id is longer than 100 characters."
        raise _RowError(msg)
    return RevenueLine(
        tenant, start, end, amount, currency, values["invoice_id"], values.get("line_id", "")
    )


def _day(values: Mapping[str, str], name: str) -> date:
    # A time of midnight, as spreadsheets and databases print days, is the day.
    text = _MIDNIGHT.sub("", values[name])
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        msg = f"The column {name} is not a day written YYYY-MM-DD: {values[name]!r}."
        raise _RowError(msg) from None


def _reject(file: str, line: int, reason: str, values: Mapping[str, str]) -> Reject:
    try:
        amount = parse_amount(values.get("amount", ""))
    except AmountError:
        amount = None
    text = ", ".join(
        f"{name}={values.get(name, '')}" for name in SHOWN_IN_REJECTS if values.get(name)
    )
    return Reject(file, line, reason, text, amount, values.get("currency", "").upper()[:3])
