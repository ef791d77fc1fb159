"""Amounts of other currencies in the reporting currency: the rates of a month, in one place, and what has none.

An open month has the average of its published days, a closed month the rates that were frozen at its close, and for a
currency that had none then the one that froze when its first amount came. Where a rate is missing nothing is added, and
``CurrencyNotes.missing`` names what is left out.
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
from allocation.close_models import FrozenRate
from allocation.core.figures import Basis, Granularity, Slice
from allocation.core.pnl import CostFact, RevenueFact, UncertainFact
from allocation.frozen_rates import rates_of_closed, settlements_of_closed
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
    months: Sequence[date], currencies: Collection[str], to: str, *, basis: Basis = "restated"
) -> dict[tuple[date, str], MonthRate]:
    """Month and currency → its rate into ``to``; a pair without a rate is not in it.

    The one place that knows whether a month's rates are frozen. On the ``basis`` "reported" a closed month has only
    the rates that it was closed with.
    """
    through = books.closed_through()
    found: dict[tuple[date, str], MonthRate] = {}
    open_months = [month for month in months if through is None or month > through]
    closed = set(months) - set(open_months)
    if closed and currencies:
        known = rates_of_closed(closed, to, at_close=basis == "reported")
        for (month, base), one in known.items():
            if base in currencies:
                found[month, base] = frozen_rate(month, base, to, one.rate, is_late=one.is_late)
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


def frozen_rate(
    month: date, base: str, quote: str, rate: Decimal, *, is_late: bool = False
) -> MonthRate:
    """A closed month's rate as months' rates are told."""
    when = (
        "frozen after the close, when the first amount came" if is_late else "frozen at the close"
    )
    return MonthRate(base, quote, month, rate, 1, month, month, False, when)


def foreign_currencies(currency: str) -> list[str]:
    """The currencies that any bill, revenue or report has beside ``currency``; one query."""
    bills = LoadTotal.objects.exclude(billing_currency=currency).order_by()
    revenue = RevenueRow.objects.exclude(currency=currency).order_by()
    # A revenue row that changed its currency since, and a bill that retention removed.
    frozen = FrozenRate.objects.exclude(base=currency).order_by()
    both = bills.values_list("billing_currency").union(
        revenue.values_list("currency"), frozen.values_list("base")
    )
    return sorted(name for (name,) in both)


def in_one_currency(
    slice_: Slice, granularity: Granularity | None, read: _Read[_Fact], foreign: Sequence[str]
) -> Iterable[_Fact]:
    """What ``read`` gives in the slice's currency, and in the others, converted exactly, month by month."""
    yield from read(slice_, granularity)
    if not foreign:
        return
    rates = rates_for(_months(slice_), foreign, slice_.currency, basis=slice_.basis)
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
    """Each month of each settled invoice, and by how much the rate paid is above the one that converts the month.

    Where no rate of the month is known nothing was converted, and the whole rate paid is the difference. A closed
    month on the basis "reported" knows the settlements of its close, and no later ones.
    """
    found = list(settlements(slice_))
    if not found:
        return
    currencies = {one.currency for _, one in found}
    rates = rates_for(_months(slice_), currencies, slice_.currency, basis=slice_.basis)
    window = slice_.window
    for month, one in found:
        average = rates.get((month, one.currency))
        difference = EXACT.subtract(one.rate, average.rate if average else ZERO)
        if difference:
            days = Window(max(month, window.start), min(add_months(month, 1), window.end))
            yield (
                replace(slice_, window=days, currency=one.currency, sources=(one.source_id,)),
                difference,
            )


def settlements(slice_: Slice) -> Iterable[tuple[date, SettledSource]]:
    """The months of the slice with the invoices that count in them at the rate that was paid."""
    months = _months(slice_)
    closed: list[date] = []
    if slice_.basis == "reported":
        through = books.closed_through()
        closed = [month for month in months if through is not None and month <= through]
        for month, held in settlements_of_closed(closed).items() if closed else ():
            for one in held:
                if one.settled_currency == slice_.currency:
                    yield month, one
    live = sorted(set(months) - set(closed))
    if not live:
        return
    for one in settled_sources():
        if one.settled_currency == slice_.currency:
            for month in sorted(set(live) & set(one.months)):
                yield month, one


def _converted(fact: _Fact, rate: Decimal, granularity: Granularity | None) -> _Fact:
    column = fact.column if granularity else ""
    return replace(fact, column=column, amount=EXACT.multiply(fact.amount, rate))


def _month_of(column: str) -> date:
    return parse_month(column[:7])


def _months(slice_: Slice) -> list[date]:
    return list(slice_.window.each_month())


def notes(
    slice_: Slice,
    costs: _Read[CostFact],
    revenue: _Read[RevenueFact],
    booked: Iterable[Converted | Missing] = (),
) -> CurrencyNotes:
    """What of the slice's window was converted, and what could not be.

    ``booked`` is the same of what the window bears of earlier months, whose rates are those of these months.
    """
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
    rates = rates_for(_months(slice_), foreign, slice_.currency, basis=slice_.basis)
    found: list[Converted | Missing] = [*booked]
    paid = _paid(slice_, costs) if any(key not in rates for key in keys) else {}
    for key in keys:
        cost_, revenue_ = spent.get(key, ZERO), earned.get(key, ZERO)
        if not cost_ and not revenue_:
            continue
        if key in rates:
            found.append(Converted(rates[key], cost_, revenue_))
        else:
            left = EXACT.subtract(cost_, paid.get(key, ZERO))
            if left or revenue_:
                found.append(Missing(key[1], key[0], left, revenue_))
    names = {currency for (_, currency) in keys}
    names |= {one.rate.base if isinstance(one, Converted) else one.currency for one in found}
    settled = {one.source_id: one for _, one in settlements(slice_) if one.currency in names}
    return CurrencyNotes(
        converted=_merged(one for one in found if isinstance(one, Converted)),
        missing=tuple(
            sorted(
                (one for one in found if isinstance(one, Missing)),
                key=lambda one: (one.month, one.currency),
            )
        ),
        settled=tuple(settled.values()),
    )


def _paid(slice_: Slice, costs: _Read[CostFact]) -> dict[tuple[date, str], Decimal]:
    """What settled invoices cost by month and currency: it counts at the rate paid, so no average is missed."""
    found: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for part, _ in settled_slices(slice_):
        for cost in costs(part, "month"):
            key = _month_of(cost.column), part.currency
            found[key] = EXACT.add(found[key], cost.amount)
    return found


def _merged(found: Iterable[Converted]) -> tuple[Converted, ...]:
    """One line for each month, currency and rate: what the month has, and what a later one bears of it."""
    sums: dict[tuple[date, str, Decimal], Converted] = {}
    for one in found:
        key = one.rate.month, one.rate.base, one.rate.rate
        held = sums.get(key)
        sums[key] = (
            one
            if held is None
            else Converted(
                held.rate, EXACT.add(held.cost, one.cost), EXACT.add(held.revenue, one.revenue)
            )
        )
    return tuple(one for _, one in sorted(sums.items()) if one.cost or one.revenue)


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
