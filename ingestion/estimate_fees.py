"""What is due without any use: the fee of a contract in a month in which nobody used it."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction

from django.db.models import Q

from finops.core.amounts import LAKE_QUANTUM, split_by_weights, to_lake
from finops.core.periods import Window, add_months
from ingestion.core.charge_line import ChargeLine
from ingestion.core.estimates import About, fee_line
from ingestion.core.frontier import Covers
from ingestion.core.pricing import Price, cost, decimal_of
from ingestion.core.tsa_contract import METER as TOKENS
from ingestion.estimate_rates import Rates
from ingestion.metered_registry import metered
from ingestion.price_models import PriceListEntry
from ingestion.tsa_contracts import current_contracts

_DAY = timedelta(days=1)

Standing = dict[date, list[tuple[str, str]]]
"""Month → meters and accounts whose price asks for something also where nothing is used."""


def standing_fees(first: date, this: date) -> Standing:
    """The fees of agreed prices in the months from ``first`` to ``this``, both included.

    A list price is nobody's agreement, so it asks for nothing. Fees of meters that nothing counts come with the bill.
    """
    agreed = [
        (TOKENS, one.account, one.valid_from, one.valid_until)
        for one in current_contracts()
        if one.fee
    ]
    counted = {meter for source in metered().values() for meter in source.meters}
    rows = PriceListEntry.objects.filter(
        Q(monthly_fee__gt=0) | Q(minimum_charge__gt=0), meter__in=counted
    ).exclude(account="")
    behind = add_months(this, 1)
    agreed += [
        (meter, account, start, min(end or behind, behind))
        for meter, account, start, end in rows.order_by("pk").values_list(
            "meter", "account", "valid_from", "valid_until"
        )
    ]
    found: dict[date, set[tuple[str, str]]] = defaultdict(set)
    for meter, account, start, end in agreed:
        if max(start, first) < min(end, behind):
            for month in Window(max(start, first), min(end, behind)).each_month():
                found[month].add((meter, account))
    return {month: sorted(about) for month, about in found.items()}


def fee_lines(
    month: date, about: list[tuple[str, str]], *, covers: Covers, rates: Rates, now: datetime
) -> list[ChargeLine]:
    """A line for each day of ``month`` that is over and on no bill, of fees without any use.

    Where there is use, or is expected to be, its average price holds the fee. The whole month's lines sum to the
    fee exactly.
    """
    lines: list[ChargeLine] = []
    for meter, account in about:
        if rates.expected(meter, rates.pool(meter, account), month):
            continue
        cover = covers.of(meter, account, month)
        for day, price, share in _shares(month, meter, account, rates):
            start = datetime.combine(day, time(), UTC)
            if start + _DAY > now:
                break
            for first, end in cover.rest_of(start, start + _DAY):
                part = Fraction((end - first) // timedelta(microseconds=1), 86_400_000_000)
                amount = to_lake(decimal_of(share * part))
                if amount:
                    lines.append(
                        fee_line(
                            About(meter, account),
                            first,
                            end,
                            amount=amount,
                            currency=price.currency,
                        )
                    )
    return lines


def _shares(
    month: date, meter: str, account: str, rates: Rates
) -> list[tuple[date, Price, Fraction]]:
    """Each day's share of the fee of the price that holds on it."""
    days = list(Window.of_month(month).each_day())
    split: dict[Price, list[Fraction]] = {}
    found: list[tuple[date, Price, Fraction]] = []
    for place, day in enumerate(days):
        price = rates.price(meter, account, day)
        if price is None:
            continue
        if price not in split:
            whole = to_lake(cost(price, 0))
            split[price] = [
                Fraction(part)
                for part in split_by_weights(whole, [1] * len(days), quantum=LAKE_QUANTUM)
            ]
        found.append((day, price, split[price][place]))
    return found
