"""What a price list may say: tiers as text, refusals, overlaps, and which price holds. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from itertools import pairwise

from finops.core.amounts import EXACT, AmountError, parse_amount, plain
from ingestion.core.meters import METERS
from ingestion.core.pricing import Price, PriceError, Rounding, Tier

WHOLE_MONTH = "What is included, tiers, rounding up, fees and minimums belong to whole months: write the 1st of one."

_TIER = re.compile(r"above\s+(\S+)\s*:\s*(\S+)", re.IGNORECASE)
_CURRENCY = re.compile(r"[A-Z]{3}")
_PRICE_PLACES, _QUANTITY_PLACES = 8, 4
_PLACES = {
    "unit_price": _PRICE_PLACES,
    "included": _QUANTITY_PLACES,
    "monthly_fee": _PRICE_PLACES,
    "minimum_charge": _PRICE_PLACES,
}
_MOST_UNITS = 2**63 - 1
"""What a column holds (``finops.money``), in units of its last place; also the largest ``unit_size``."""


def parse_tiers(text: str) -> tuple[Tier, ...]:
    """Tiers from lines such as ``above 10240: 0.085``; empty lines do not count. Raises ``PriceError``."""
    tiers = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _TIER.fullmatch(line.strip())
        try:
            if match is None:
                msg = "is no tier"
                raise AmountError(msg)
            tiers.append(Tier(parse_amount(match[1]), parse_amount(match[2])))
        except AmountError:
            msg = f"Line {number}, {line.strip()!r}, is no tier: write it as above 10240: 0.085."
            raise PriceError(msg) from None
    return tuple(tiers)


def tiers_text(tiers: Iterable[Tier]) -> str:
    """The inverse of ``parse_tiers``: one line a tier."""
    return "\n".join(f"above {plain(tier.above)}: {plain(tier.unit_price)}" for tier in tiers)


def price_text(price: Price) -> str:
    """The price in one line, as in ``0.3 USD per million requests after 10``."""
    unit_price = f"{plain(price.unit_price)} {price.currency} per {price.unit}"
    parts = [f"{unit_price} after {plain(price.included)}" if price.included else unit_price]
    parts += [f"{plain(tier.unit_price)} above {plain(tier.above)}" for tier in price.tiers]
    if price.rounding is Rounding.UP:
        parts.append("rounded up")
    if price.monthly_fee:
        parts.append(f"plus {plain(price.monthly_fee)} a month")
    if price.minimum_charge:
        parts.append(f"at least {plain(price.minimum_charge)} a month")
    return ", ".join(parts)


def problems_of(price: Price) -> list[tuple[str, str]]:
    """Field and sentence of everything that forbids this price; fields are named as in ``Price``."""
    found: list[tuple[str, str]] = []
    meter = METERS.get(price.meter)
    if meter is None or meter.provider != price.provider:
        found.append(("meter", f"{price.provider} has no meter {price.meter!r} here."))
    if not _CURRENCY.fullmatch(price.currency):
        found.append(("currency", "Write three capital letters (ISO 4217), for example USD."))
    if not 1 <= price.unit_size <= _MOST_UNITS:
        found.append(
            ("unit_size", f"A unit holds 1 or more of what is counted, at most {_MOST_UNITS}.")
        )
    for name, places in _PLACES.items():
        value: Decimal = getattr(price, name)
        found += [(name, sentence) for sentence in _problems_of_size(value, places)]
        if value.is_finite() and value < 0:
            found.append((name, "This cannot be negative: give a credit as a line of the bill."))
    found += _problems_of_tiers(price.tiers)
    if not price.source.strip():
        found.append(("source", "Name the vendor's page or the contract that says so."))
    if price.valid_until is not None and price.valid_until <= price.valid_from:
        found.append(
            ("valid_until", "The price must end after it begins; it does not hold on its end.")
        )
    found += [
        (name, WHOLE_MONTH)
        for name, day in (("valid_from", price.valid_from), ("valid_until", price.valid_until))
        if day is not None and not may_change_on(price, day)
    ]
    return found


def may_change_on(price: Price, day: date) -> bool:
    """Whether the price may begin or end on ``day``: what counts per month holds for whole months only."""
    counts_per_month = (
        price.tiers
        or price.included
        or price.monthly_fee
        or price.minimum_charge
        or price.rounding is Rounding.UP
    )
    return day.day == 1 or not counts_per_month


def overlapping(price: Price, others: Iterable[Price]) -> Price | None:
    """The first of ``others`` that holds on a day of ``price``, for the same meter and account."""
    for other in others:
        if _scope(other) != _scope(price):
            continue
        ends_before = price.valid_until is not None and price.valid_until <= other.valid_from
        begins_after = other.valid_until is not None and other.valid_until <= price.valid_from
        is_empty = other.valid_until is not None and other.valid_until <= other.valid_from
        if not (ends_before or begins_after or is_empty):
            return other
    return None


def overlap_sentence(other: Price) -> str:
    """Why a price that overlaps ``other`` is refused, and what to do."""
    until = "on" if other.valid_until is None else f"until {other.valid_until}"
    whom = f"account {other.account}" if other.account else "everyone"
    title = METERS[other.meter].title if other.meter in METERS else other.meter
    return (
        f"There is a price of “{title}” for {whom} from {other.valid_from} {until} "
        f"({price_text(other)}): change that entry, or choose days without one."
    )


def contract_or_list(candidates: Iterable[Price], account: str) -> Price | None:
    """Of prices that hold on one day: the contract price of ``account``, else the list price."""
    by_account = {price.account: price for price in candidates}
    return by_account.get(account) or by_account.get("")


def _scope(price: Price) -> tuple[str, str, str]:
    return price.provider, price.meter, price.account


def _problems_of_tiers(tiers: tuple[Tier, ...]) -> list[tuple[str, str]]:
    for tier in tiers:
        for sentence in (
            *_problems_of_size(tier.above, _QUANTITY_PLACES),
            *_problems_of_size(tier.unit_price, _PRICE_PLACES),
        ):
            return [("tiers", sentence)]
    bounds = [Decimal(0), *(tier.above for tier in tiers)]
    if any(high <= low for low, high in pairwise(bounds)):
        return [("tiers", "Each tier must begin above the one before it, the first above 0.")]
    if any(tier.unit_price < 0 for tier in tiers):
        return [("tiers", "A tier's price cannot be negative.")]
    return []


def _problems_of_size(value: Decimal, places: int) -> list[str]:
    largest = Decimal(_MOST_UNITS).scaleb(-places, EXACT)
    if not value.is_finite() or not -largest <= value <= largest:
        return [f"{value} is more than the list can hold: choose another unit."]
    if value != round(value, places):
        return [f"{value} has more than {places} decimals: choose a larger unit."]
    return []
