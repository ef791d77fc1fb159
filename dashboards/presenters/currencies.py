"""What a page says of amounts in other currencies: converted at which rate, or left out and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from allocation.currencies import Converted, CurrencyNotes, Missing
from dashboards import numbers
from finops.core.amounts import plain, to_cents

_MOST = 3
_RATE_DIGITS = Decimal("0.0001")


@dataclass(frozen=True)
class CurrencySentences:
    """Quiet ones for what was converted, warnings for what is in no figure."""

    converted: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def sentences(notes: CurrencyNotes, currency: str) -> CurrencySentences:
    """``notes`` in words; the newest months first, and how many more there are."""
    # What rounds to nothing is behind no figure that anybody sees; downloads name it all the same.
    seen = [one for one in notes.converted if to_cents(one.cost) or to_cents(one.revenue)]
    newest = sorted(seen, key=lambda one: (one.rate.month, one.rate.base), reverse=True)
    converted = [_converted(one) for one in newest[:_MOST]]
    if len(newest) > _MOST:
        left = numbers.counted(len(newest) - _MOST, "more month")
        converted.append(f"{left} with other currencies: the API's pnl names each rate.")
    converted += [
        f"{one.supplier} invoice {one.invoice_id} counts at the rate that was paid, {plain(one.rate)} "
        f"{one.settled_currency} for 1 {one.currency}."
        for one in notes.settled[:_MOST]
    ]
    return CurrencySentences(
        tuple(converted), tuple(_missing(one, currency) for one in notes.missing[:_MOST])
    )


def _converted(one: Converted) -> str:
    rate = one.rate
    text = plain(rate.rate.quantize(_RATE_DIGITS)) if rate.rate >= 1 else plain(rate.rate)
    return f"Of which {_amounts(one, rate.base)} at {text} ({rate.basis})."


def _missing(one: Missing, currency: str) -> str:
    return (
        f"{_amounts(one, one.currency)} of {one.month:%b %Y} is in no figure: no rate from {one.currency} to "
        f"{currency} is known. An admin adds it under Exchange rates, or loads a file of rates."
    )


def _amounts(one: Converted | Missing, currency: str) -> str:
    parts = [
        f"{numbers.money(amount)} {currency} of {name}"
        for name, amount in (("cost", one.cost), ("revenue", one.revenue))
        if amount
    ]
    return " and ".join(parts)


def rate_notes(notes: CurrencyNotes, currency: str) -> tuple[str, ...]:
    """Every rate behind the figures of a download, exact, and what is in none of them; one sentence each."""
    return (
        *(
            f"Exchange rate: 1 {one.rate.base} = {plain(one.rate.rate)} {currency}, {one.rate.basis}"
            f"{f' ({one.rate.source})' if one.rate.source else ''}: {_amounts(one, one.rate.base)}."
            for one in notes.converted
        ),
        *(
            f"Exchange rate: 1 {one.currency} = {plain(one.rate)} {one.settled_currency}, the rate that {one.supplier} "
            f"invoice {one.invoice_id} was paid at."
            for one in notes.settled
        ),
        *(
            f"In no figure: {_amounts(one, one.currency)} of {one.month:%b %Y}, because no rate from {one.currency} to "
            f"{currency} is known."
            for one in notes.missing
        ),
    )
