"""Suppliers' invoices from CSV text: one row for each line of an invoice. Pure.

``docs/reference/invoices.md`` says what each column means.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import TypeVar

from finops.core.amounts import EXACT, MONEY_QUANTUM, AmountError, parse_amount
from finops.core.focus import ChargeCategory, ServiceCategory
from finops.core.slugs import slug_of
from ingestion.core.csv_sieve import BrokenRow, sieve
from ingestion.core.delivery import Reject
from ingestion.core.invoices import Bill, Line, line_problems, total_problem

COLUMNS = (
    *("supplier", "invoice_id", "issued_on", "currency", "description", "service_name"),
    *("service_start", "service_end", "amount"),
)
OPTIONAL = (
    *("due_on", "service_category", "charge_category", "quantity", "unit", "meter", "account"),
    *("tenant", "environment", "team", "invoice_total", "settled_rate", "settled_currency"),
    "settled_on",
)
OF_INVOICE = (
    *("issued_on", "due_on", "currency", "invoice_total"),
    *("settled_rate", "settled_currency", "settled_on"),
)
"""What must be the same in every row of an invoice."""

_Name = TypeVar("_Name", ServiceCategory, ChargeCategory)
_CURRENCY = re.compile(r"[A-Z]{3}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LENGTHS = {
    "supplier": 100,
    "invoice_id": 100,
    "description": 300,
    "service_name": 100,
    "unit": 40,
    "account": 100,
}
_LAST_DAY = date(2200, 1, 1)


class InvoiceHeaderError(ValueError):
    """The first line is not that of an invoice file; the message completes "<file>: the first line …"."""


class _RowError(ValueError):
    """What is wrong with one row, as a sentence."""


@dataclass(frozen=True)
class InvoiceReading:
    """What reading a file gave; ``rows`` counts every row of it."""

    bills: tuple[Bill, ...]
    rejects: tuple[Reject, ...]
    rows: int


@dataclass(frozen=True)
class _Row:
    number: int
    values: Mapping[str, str]
    line: Line
    about: Mapping[str, object]


def read_invoices(lines: Iterable[str], file: str) -> InvoiceReading:
    """Every row of the file, read or put aside. Raises ``InvoiceHeaderError``.

    An invoice whose rows do not sum to its ``invoice_total`` is put aside whole: a row is missing or wrong, and
    which one would be a guess.
    """
    queue = iter(lines)
    first = next(queue, "")
    header = [re.sub(r"[ -]+", "_", name.strip().lower()) for name in next(csv.reader([first]), [])]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        msg = f"lacks the column {missing[0]}; an invoice file has {', '.join(COLUMNS)}"
        raise InvoiceHeaderError(msg)
    if double := next((name for name in header if name and header.count(name) > 1), ""):
        msg = f"names the column {double} twice"
        raise InvoiceHeaderError(msg)
    found: dict[tuple[str, str], list[_Row]] = defaultdict(list)
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
            read = _row(row.line, values)
            same = found[values["supplier"].casefold(), values["invoice_id"]]
            if same:
                _refuse_other(read, same[0])
        except _RowError as error:
            rejects.append(_reject(file, row.line, str(error), values))
            continue
        same.append(read)
    bills = []
    for same in found.values():
        if not same:
            continue
        bill = _bill(same)
        problem = total_problem([line.amount for line in bill.lines], bill.total, bill.currency)
        if problem:
            sentence = f"Invoice {bill.invoice_id}: {problem}"
            rejects += [_reject(file, row.number, sentence, row.values) for row in same]
        else:
            bills.append(bill)
    rejects.sort(key=lambda reject: reject.line)
    return InvoiceReading(tuple(bills), tuple(rejects), rows)


def _bill(rows: list[_Row]) -> Bill:
    return Bill(lines=tuple(row.line for row in rows), **rows[0].about)  # type: ignore[arg-type]  # see _row


def _refuse_other(row: _Row, first: _Row) -> None:
    for name in OF_INVOICE:
        if row.values.get(name, "") != first.values.get(name, ""):
            msg = (
                f"The column {name} says {row.values.get(name, '')!r}, and line {first.number} of the same "
                f"invoice says {first.values.get(name, '')!r}."
            )
            raise _RowError(msg)


def _row(number: int, values: Mapping[str, str]) -> _Row:
    for name in ("supplier", "invoice_id", "description", "service_name"):
        if not values[name]:
            msg = f"The column {name} is empty."
            raise _RowError(msg)
    for name, length in _LENGTHS.items():
        if len(values.get(name, "")) > length:
            msg = f"The column {name} is longer than {length} characters."
            raise _RowError(msg)
        if any(ord(char) < 32 or ord(char) == 127 for char in values.get(name, "")):
            msg = f"The column {name} holds a control character."
            raise _RowError(msg)
    currency = values["currency"].upper()
    settled_currency = values.get("settled_currency", "").upper()
    for name, text in (("currency", currency), ("settled_currency", settled_currency)):
        if not _CURRENCY.fullmatch(text) and (text or name == "currency"):
            msg = f"The column {name} is not a currency of three letters: {text[:20]!r}."
            raise _RowError(msg)
    line = Line(
        description=values["description"],
        service_name=values["service_name"],
        service_category=_one_of(values, "service_category", ServiceCategory, "Other"),
        charge_category=_one_of(values, "charge_category", ChargeCategory, "Usage"),
        service_start=_day(values, "service_start"),
        service_end=_day(values, "service_end"),
        amount=_amount(values, "amount"),
        meter=values.get("meter", ""),
        account=values.get("account", ""),
        tenant=_slug(values, "tenant"),
        environment=_slug(values, "environment"),
        team=_slug(values, "team"),
        quantity=_amount(values, "quantity", decimals=4, digits=14)
        if values.get("quantity")
        else None,
        unit=values.get("unit", ""),
    )
    if problems := line_problems(line):
        raise _RowError(problems[0][1])
    about = {
        "supplier": values["supplier"],
        "invoice_id": values["invoice_id"],
        "issued_on": _day(values, "issued_on"),
        "currency": currency,
        "total": _amount(values, "invoice_total") if values.get("invoice_total") else None,
        "due_on": _day(values, "due_on") if values.get("due_on") else None,
        "settled_rate": _rate(values) if values.get("settled_rate") else None,
        "settled_currency": settled_currency,
        "settled_on": _day(values, "settled_on") if values.get("settled_on") else None,
    }
    return _Row(number, values, line, about)


def _one_of(values: Mapping[str, str], name: str, names: type[_Name], default: str) -> _Name:
    text = values.get(name) or default
    for member in names:
        if member.value.casefold() == text.casefold():
            return member
    msg = f"The column {name} is none of {', '.join(member.value for member in names)}: {text[:40]!r}."
    raise _RowError(msg)


def _slug(values: Mapping[str, str], name: str) -> str:
    text = values.get(name, "")
    slug = slug_of(text)
    if text and not slug:
        msg = f"The column {name} has no letter or digit: {text[:40]!r}."
        raise _RowError(msg)
    return slug


def _rate(values: Mapping[str, str]) -> Decimal:
    rate = _amount(values, "settled_rate", decimals=10)
    if rate <= 0:
        msg = f"The column settled_rate is not above 0: {rate}."
        raise _RowError(msg)
    return rate


def _amount(
    values: Mapping[str, str],
    name: str,
    *,
    decimals: int = -int(MONEY_QUANTUM.as_tuple().exponent),
    digits: int = 10,
) -> Decimal:
    try:
        amount = parse_amount(values[name])
    except AmountError as error:
        msg = f"The column {name} {error}: {values[name][:40]!r}."
        raise _RowError(msg) from None
    exponent = int(EXACT.normalize(amount).as_tuple().exponent)
    if -exponent > decimals or amount.adjusted() > digits - 1:
        msg = f"The column {name} has more than {decimals} decimals or {digits} digits: {amount}."
        raise _RowError(msg)
    return amount


def _day(values: Mapping[str, str], name: str) -> date:
    try:
        if not _DAY.fullmatch(values[name]):
            raise ValueError
        day = date.fromisoformat(values[name])
    except ValueError:
        msg = f"The column {name} is not a day written YYYY-MM-DD: {values[name][:40]!r}."
        raise _RowError(msg) from None
    if not date(1990, 1, 1) <= day <= _LAST_DAY:
        msg = f"The column {name} is a day that no invoice is about: {day}."
        raise _RowError(msg)
    return day


def _reject(file: str, line: int, reason: str, values: Mapping[str, str]) -> Reject:
    try:
        amount = parse_amount(values.get("amount", ""))
    except AmountError:
        amount = None
    text = ", ".join(
        f"{name}={values.get(name, '')}" for name in (*COLUMNS, *OPTIONAL) if values.get(name)
    )
    return Reject(file, line, reason, text, amount, values.get("currency", "").upper()[:3])
