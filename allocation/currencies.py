"""Amounts of other currencies in the reporting currency: the rates of a month, in one place, and what has none.

An open month has the average of its published days, a closed month the rates that were frozen at its close. Where a
rate is missing nothing is added, and ``CurrencyNotes.missing`` names what is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TypeVar

from django.conf import settings
from django.db.models import Sum

from allocation import books
from allocation.core.figures import Granularity, Slice
from allocation.core.pnl import CostFact, RevenueFact, UncertainFact
from allocation.frozen_rates import frozen
from finops import clock
from finops.core.amounts import EXACT, ZERO
from finops.core.fx import MissingRateError, MonthRate, month_average
from finops.core.periods import Window, add_months, month_start, parse_month
from finops.fx import quotes_of
from ingestion.invoices import SettledSource, settled_sources
from ingestion.models import LoadTotal, RevenueRow

_Fact = TypeVar("_Fact", CostFact, RevenueFact, UncertainFact)
_Read = Callable[[Slice, Granularity | None], Iterable[_Fact]]


@dataclass(frozen=True)
class Converted:
    """What of a window's figures was converted: amounts in ``base``, and the rate."""

    rate: MonthRate
    cost: Decimal
    revenue: Decimal


@dataclass(frozen=True)
class Missing:
    """Amounts that are in no figure, because no rate from ``currency`` is known for the month."""

    currency: str
    month: date
    cost: Decimal
    revenue: Decimal


@dataclass(frozen=True)
class CurrencyNotes:
    """What a page says about other currencies; ``settled`` are invoices that were paid at rates of their own."""

    converted: tuple[Converted, ...] = ()
    missing: tuple[Missing, ...] = ()
    settled: tuple[SettledSource, ...] = ()


def rates_for(
    months: Sequence[date], currencies: Collection[str], to: str
) -> dict[tuple[date, str], MonthRate]:
    """Month and currency → its rate into ``to``; a pair without a rate is not in it.

    The one place that knows whether a month's rates are frozen.
    """
    through = books.closed_through()
    found: dict[tuple[date, str], MonthRate] = {}
    open_months = [month for month in months if through is None or month > through]
    for month in set(months) - set(open_months):
        for (base, quote), rate in frozen(month).items():
            if quote == to and base in currencies:
                found[month, base] = MonthRate(
                    base, quote, month, rate, 1, month, month, False, "frozen at the close"
                )
    if not open_months or not currencies:
        return found
    quotes = quotes_of(open_months, {*currencies, to})
    today = clock.today()
    for month in open_months:
        for currency in currencies:
            try:
                found[month, currency] = month_average(quotes, currency, to, month, today=today)
            except MissingRateError:
                continue
    return found


def foreign_currencies(currency: str) -> list[str]:
    """The currencies that any bill or revenue has beside ``currency``; one query."""
    bills = LoadTotal.objects.exclude(billing_currency=currency).order_by()
    revenue = RevenueRow.objects.exclude(currency=currency).order_by()
    both = bills.values_list("billing_currency").union(revenue.values_list("currency"))
    return sorted(name for (name,) in both)


def in_one_currency(
    slice_: Slice, granularity: Granularity | None, read: _Read[_Fact], foreign: Sequence[str]
) -> Iterable[_Fact]:
    """What ``read`` gives in the slice's currency, and in the others, converted exactly, month by month."""
    yield from read(slice_, granularity)
    if not foreign:
        return
    rates = rates_for(_months(slice_), foreign, slice_.currency)
    for currency in foreign:
        for fact in read(replace(slice_, currency=currency), granularity or "month"):
            rate = rates.get((_month_of(fact.column), currency))
            if rate is not None:
                yield _converted(fact, rate.rate, granularity)


def settled_parts(
    slice_: Slice, granularity: Granularity | None, read: _Read[CostFact], foreign: Sequence[str]
) -> Iterable[CostFact]:
    """What settled invoices cost beside the month's average: amount times (rate paid less average)."""
    if not foreign:
        return
    for month, difference in settled_slices(slice_):
        for fact in read(month, granularity or "month"):
            yield _converted(fact, difference, granularity)


def settled_slices(slice_: Slice) -> Iterable[tuple[Slice, Decimal]]:
    """Each month of each settled invoice, and by how much the rate paid is above the average that converts it.

    Where no average is known nothing was converted, and the whole rate paid is the difference.
    """
    sources = [one for one in settled_sources() if one.settled_currency == slice_.currency]
    if not sources:
        return
    currencies = {one.currency for one in sources}
    rates = rates_for(_months(slice_), currencies, slice_.currency)
    window = slice_.window
    for one in sources:
        for month in set(_months(slice_)) & set(one.months):
            average = rates.get((month, one.currency))
            difference = EXACT.subtract(one.rate, average.rate if average else ZERO)
            if difference:
                days = Window(max(month, window.start), min(add_months(month, 1), window.end))
                part = replace(
                    slice_,
                    window=days,
                    currency=one.currency,
                    sources=(one.source_id,),
                    basis="restated",
                )
                yield part, difference


def _converted(fact: _Fact, rate: Decimal, granularity: Granularity | None) -> _Fact:
    column = fact.column if granularity else ""
    return replace(fact, column=column, amount=EXACT.multiply(fact.amount, rate))


def _month_of(column: str) -> date:
    return parse_month(column[:7])


def _months(slice_: Slice) -> list[date]:
    return list(slice_.window.each_month())


def notes(slice_: Slice, costs: _Read[CostFact], revenue: _Read[RevenueFact]) -> CurrencyNotes:
    """What of the slice's window was converted, and what could not be."""
    foreign = foreign_currencies(slice_.currency)
    if not foreign:
        return CurrencyNotes()
    spent: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    earned: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for currency in foreign:
        mine = replace(slice_, currency=currency)
        for cost in costs(mine, "month"):
            key = _month_of(cost.column), currency
            spent[key] = EXACT.add(spent[key], cost.amount)
        for part in revenue(mine, "month"):
            key = _month_of(part.column), currency
            earned[key] = EXACT.add(earned[key], part.amount)
    keys = sorted({*spent, *earned})
    rates = rates_for(_months(slice_), foreign, slice_.currency)
    found = [
        (key, spent.get(key, ZERO), earned.get(key, ZERO))
        for key in keys
        if spent.get(key) or earned.get(key)
    ]
    settled = [
        one
        for one in settled_sources()
        if one.settled_currency == slice_.currency
        and any(currency == one.currency for (_, currency), _, _ in found)
    ]
    without = [(key, cost, earning) for key, cost, earning in found if key not in rates]
    paid = _paid(slice_, costs) if without and settled else {}
    missing = [
        Missing(key[1], key[0], EXACT.subtract(cost, paid.get(key, ZERO)), earning)
        for key, cost, earning in without
    ]
    return CurrencyNotes(
        converted=tuple(Converted(rates[key], *rest) for key, *rest in found if key in rates),
        missing=tuple(one for one in missing if one.cost or one.revenue),
        settled=tuple(settled),
    )


def _paid(slice_: Slice, costs: _Read[CostFact]) -> dict[tuple[date, str], Decimal]:
    """What settled invoices cost by month and currency: it counts at the rate paid, so no average is missed."""
    found: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for part, _ in settled_slices(slice_):
        for cost in costs(part, "month"):
            key = _month_of(cost.column), part.currency
            found[key] = EXACT.add(found[key], cost.amount)
    return found


@dataclass(frozen=True)
class FxDifference:
    """What a settled invoice cost beside the average of its service month, in the settlement's currency."""

    supplier: str
    invoice_id: str
    month: date
    currency: str
    amount: Decimal
    settled_rate: Decimal
    average_rate: Decimal | None
    settled_currency: str

    @property
    def difference(self) -> Decimal | None:
        """Positive where the payment was dearer than the average; ``None`` where no average is known."""
        if self.average_rate is None:
            return None
        return EXACT.multiply(self.amount, EXACT.subtract(self.settled_rate, self.average_rate))


def fx_differences(billing_period: date | None = None) -> list[FxDifference]:
    """The named residual "exchange differences" of a billing period or of all, by settled invoice, on billed cost."""
    sources = {
        one.source_id: one
        for one in settled_sources()
        if one.settled_currency == settings.REPORTING_CURRENCY
    }
    if not sources:
        return []
    totals = LoadTotal.objects.filter(load__state="current", load__source__in=list(sources))
    if billing_period is not None:
        totals = totals.filter(load__billing_period=month_start(billing_period))
    rows = totals.order_by("load__billing_period", "load__source").values_list(
        "load__billing_period", "load__source"
    )
    found = [
        (month, sources[source], total)
        for month, source, total in rows.annotate(total=Sum("allocated") + Sum("unallocated"))
        if total
    ]
    months = sorted({month for month, _, _ in found})
    currencies = {one.currency for _, one, _ in found}
    rates = rates_for(months, currencies, settings.REPORTING_CURRENCY) if months else {}
    return [
        FxDifference(
            one.supplier,
            one.invoice_id,
            month,
            one.currency,
            total,
            one.rate,
            average.rate if (average := rates.get((month, one.currency))) else None,
            one.settled_currency,
        )
        for month, one, total in found
    ]
