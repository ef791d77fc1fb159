"""Usage as a client sends it, record by record: each is taken as it stands or refused with a reason. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from finops.core.amounts import EXACT, AmountError, parse_amount
from finops.core.slugs import MAX_SLUG, slug_of
from finops.core.tokens import holds_token
from ingestion.core.usage import METRICS, UsageFact

DIMENSIONS: dict[str, int] = {
    "account": 100,
    "zone": 255,
    "host": 255,
    "path_prefix": 500,
    "cache_status": 40,
    "script": 255,
    "bucket": 255,
    "storage_class": 40,
}
"""What a record may tell apart, with the longest text of each."""

FIELDS = ("record_id", "hour", "metric", "quantity", "tenant", *DIMENSIONS, "is_sampled")
MAX_RECORD_ID = 128
DECIMALS = 4
QUANTITY = rf"^[0-9]{{1,14}}(\.[0-9]{{1,{DECIMALS}}})?$"
"""How a quantity is written: 0 or more, below 10^14."""
AHEAD = timedelta(hours=1)
"""How far a clock may run ahead of ours."""

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_QUANTITY_END = Decimal(10) ** 14
_HOUR = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.0{1,9})?)?(?:Z|[+-]\d{2}:\d{2})", re.ASCII
)
_QUANTITY = re.compile(QUANTITY, re.ASCII)
_RECORD_ID = re.compile(rf"[!-~]{{1,{MAX_RECORD_ID}}}")


@dataclass(frozen=True)
class SentRecord:
    """One record that can be taken; ``tenant`` is a slug, or empty where nobody is named."""

    index: int
    record_id: str
    tenant: str
    fact: UsageFact


@dataclass(frozen=True)
class RefusedRecord:
    """One record that cannot; ``reason`` is a sentence, ``mark`` is the same for the same record."""

    index: int
    record_id: str
    reason: str
    mark: str
    columns: Mapping[str, str]


class _RefusedError(Exception):
    """Why one record cannot be taken: a sentence."""


def read_records(
    items: Sequence[object], *, now: datetime, tenants: Collection[str] | None
) -> tuple[list[SentRecord], list[RefusedRecord]]:
    """Read ``items``; one that cannot be read never stops the others.

    ``tenants`` are the slugs that the sender may name, each record then naming one; ``None`` is any, or none.
    """
    taken, refused = [], []
    for index, item in enumerate(items):
        try:
            taken.append(_read(index, item, now, tenants))
        except _RefusedError as error:
            refused.append(refuse(index, item, str(error)))
    return taken, refused


def refuse(index: int, item: object, reason: str) -> RefusedRecord:
    """``item`` as it is put aside."""
    known = item if isinstance(item, Mapping) else {"record": item}
    columns = {_text(name): _text(value) for name, value in known.items()}
    mark = sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:32]
    return RefusedRecord(index, columns.get("record_id", "")[:MAX_RECORD_ID], reason, mark, columns)


def _text(value: object) -> str:
    """What was sent, as text that every database can hold."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode().replace("\0", "�")


def _read(index: int, item: object, now: datetime, tenants: Collection[str] | None) -> SentRecord:
    if not isinstance(item, Mapping):
        msg = "It is not an object: send one object for each record."
        raise _RefusedError(msg)
    unknown = sorted(_text(name) for name in item if name not in FIELDS)
    if unknown:
        msg = f"There is no field {unknown[0][:60]}: known are {', '.join(FIELDS)}."
        raise _RefusedError(msg)
    if any(isinstance(value, str) and holds_token(value) for value in item.values()):
        msg = "It holds a token of this API: a token belongs into the header Authorization only."
        raise _RefusedError(msg)
    record_id = _required(item, "record_id")
    if not _RECORD_ID.fullmatch(record_id):
        msg = f"record_id must have 1 to {MAX_RECORD_ID} printable ASCII characters without blanks."
        raise _RefusedError(msg)
    is_sampled = item.get("is_sampled")
    if is_sampled is None:
        is_sampled = False
    if not isinstance(is_sampled, bool):
        msg = "is_sampled must be true or false."
        raise _RefusedError(msg)
    fact = UsageFact(
        hour=_hour(_required(item, "hour"), now),
        metric=_metric(_required(item, "metric")),
        quantity=_quantity(_required(item, "quantity")),
        is_sampled=is_sampled,
        **{name: _dimension(item, name, longest) for name, longest in DIMENSIONS.items()},
    )
    return SentRecord(index, record_id, _tenant(item, tenants), fact)


def _required(item: Mapping[object, object], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        what = "is missing" if value is None else "must be text in quotes"
        example = {"quantity": "1250.5", "hour": "2026-04-30T13:00:00Z"}.get(name, "")
        msg = f"{name} {what}{f', for example {chr(34)}{example}{chr(34)}' if example else ''}."
        raise _RefusedError(msg)
    return value


def _hour(text: str, now: datetime) -> datetime:
    try:
        if not _HOUR.fullmatch(text):
            raise ValueError
        hour = datetime.fromisoformat(text).astimezone(UTC)
        if hour.minute or hour.second:
            raise ValueError
    except (ValueError, OverflowError):
        msg = "hour must be a whole hour in UTC, as 2026-04-30T13:00:00Z."
        raise _RefusedError(msg) from None
    if hour < _EARLIEST:
        msg = f"hour lies before {_EARLIEST:%Y}: check the clock that wrote it."
        raise _RefusedError(msg)
    if hour > now + AHEAD:
        msg = "hour lies in the future: check the clock that wrote it."
        raise _RefusedError(msg)
    return hour


def _metric(text: str) -> str:
    if text not in METRICS:
        msg = f"There is no metric {text[:60]!a}: known are {', '.join(METRICS)}."
        raise _RefusedError(msg)
    return text


def _quantity(text: str) -> Decimal:
    try:
        value = parse_amount(text)
    except AmountError as error:
        msg = f"quantity {error}: write a decimal, for example 1250.5."
        raise _RefusedError(msg) from None
    if value < 0:
        msg = "quantity is negative: usage is 0 or more."
        raise _RefusedError(msg)
    if value >= _QUANTITY_END:
        msg = "quantity is larger than any hour's usage (14 digits before the point)."
        raise _RefusedError(msg)
    scaled = EXACT.scaleb(value, DECIMALS)
    if scaled != scaled.to_integral_value():
        msg = f"quantity has more than {DECIMALS} decimals: choose a smaller unit, or round it."
        raise _RefusedError(msg)
    if not _QUANTITY.fullmatch(text):
        msg = (
            f"quantity must be plain digits, for example 1250.5: at most 14, a point and {DECIMALS}, "
            "without sign, exponent or blanks."
        )
        raise _RefusedError(msg)
    return value


def _optional(item: Mapping[object, object], name: str) -> str:
    """A text that may be absent; null says the same."""
    value = item.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        msg = f"{name} must be text in quotes."
        raise _RefusedError(msg)
    return value


def _dimension(item: Mapping[object, object], name: str, longest: int) -> str:
    value = _optional(item, name)
    if len(value) > longest:
        msg = f"{name} has {len(value)} characters: {longest} are the limit."
        raise _RefusedError(msg)
    if not value.isprintable():
        msg = f"{name} holds characters that cannot be shown: leave them out."
        raise _RefusedError(msg)
    return value


def _tenant(item: Mapping[object, object], tenants: Collection[str] | None) -> str:
    value = _optional(item, "tenant")
    if value and (len(value) > MAX_SLUG or slug_of(value) != value):
        msg = (
            f"tenant must be a slug of lower-case letters, digits and hyphens: {slug_of(value)!a}?"
        )
        raise _RefusedError(msg)
    if tenants is not None and value not in tenants:
        msg = "The owner of this token may send usage of their own tenants only: name one of them as tenant."
        raise _RefusedError(msg)
    return value
