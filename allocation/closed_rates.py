"""What amounts of closed months are worth, as reported and as known now; and the rates that freeze after a close.

A currency that first comes up after the close has no frozen rate. Its amounts count at the rate of the month that they
belong to, because that is when they were caused (IAS 21.21 and 21.22: the rate of the transaction's date, for which a
month's average may stand), as it is published when they are first booked; from then on that rate stands, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from decimal import Decimal

from django.db.models import DateField
from django.db.models.functions import TruncMonth

from allocation.close_models import ClosedMonth, LateRate
from allocation.core.closing import Rates, is_closed
from allocation.frozen_rates import rates_of_closed, settlements_of_closed
from allocation.models import PnlMonth, RecognisedRevenue
from finops import clock
from finops.core.amounts import plain
from finops.core.fx import MissingRateError, month_average
from finops.core.periods import add_months
from finops.fx import quotes_of
from ingestion.invoices import settled_sources


def reported_rates(months: Collection[date]) -> Rates:
    """What amounts of these closed months were worth when they were closed."""
    quotes = _quotes(months)
    settled = {
        (month, one.source_id, one.currency): one.rate
        for month, found in settlements_of_closed(months).items()
        for one in found
        if one.settled_currency == quotes[month]
    }
    return Rates(quotes, _rates(quotes, at_close=True), settled)


def restated_rates(months: Collection[date]) -> Rates:
    """What amounts of these closed months are worth as is known now."""
    quotes = _quotes(months)
    settled = {
        (month, one.source_id, one.currency): one.rate
        for one in settled_sources()
        for month in months
        if one.settled_currency == quotes[month]
    }
    return Rates(quotes, _rates(quotes, at_close=False), settled)


def freeze_late(*, through: date, months: Collection[date] | None = None) -> list[date]:
    """Freeze the rates of amounts that have none in closed months (all, or ``months``); the months that got one.

    Call it in the transaction that holds the books and books what the rates change.
    """
    wanted = _foreign(through, months)
    if not wanted:
        return []
    closes = _closes(wanted)
    to = {month: close.reporting_currency for month, close in closes.items()}
    known = _rates(to, at_close=False)
    lacking = {
        month: {name for name in names if name != to[month] and (month, name) not in known}
        for month, names in wanted.items()
    }
    lacking = {month: names for month, names in lacking.items() if names}
    if not lacking:
        return []
    quotes = quotes_of(sorted(lacking), {*to.values()}.union(*lacking.values()))
    now, today = clock.now(), clock.today()
    rows = []
    for month, names in sorted(lacking.items()):
        for name in sorted(names):
            try:
                rate = month_average(quotes, name, to[month], month, today=today)
            except MissingRateError:
                continue
            rows.append(
                LateRate(
                    closed=closes[month],
                    month=month,
                    base=name,
                    quote=to[month],
                    rate=plain(rate.rate),
                    source=f"{rate.basis}, {rate.days} published days: {rate.source}"[:200],
                    frozen_at=now,
                )
            )
    LateRate.objects.bulk_create(rows)
    return sorted({row.month for row in rows})


def _foreign(through: date, months: Collection[date] | None) -> dict[date, set[str]]:
    """Closed month → the currencies of its amounts as known now: what is known no more needs no rate."""
    costs = PnlMonth.objects.filter(month__lte=through)
    revenue = RecognisedRevenue.objects.filter(day__lt=add_months(through, 1))
    if months is not None:
        costs = costs.filter(month__in=list(months))
        revenue = revenue.filter(day__gte=min(months), day__lt=add_months(max(months), 1))
    dated = revenue.annotate(month=TruncMonth("day", output_field=DateField()))
    found: dict[date, set[str]] = defaultdict(set)
    for pairs in (
        costs.order_by().values_list("month", "billing_currency").distinct(),
        dated.order_by().values_list("month", "currency").distinct(),
    ):
        for month, name in pairs:
            found[month].add(name)
    return dict(found)


def _closes(months: Collection[date]) -> dict[date, ClosedMonth]:
    """Each closed month → the close that closed it: its own, or the next one's where it had no figures."""
    standing = list(ClosedMonth.objects.filter(reopened_at__isnull=True).order_by("month"))
    return {
        month: next(close for close in standing if is_closed(month, close.month))
        for month in months
    }


def _quotes(months: Collection[date]) -> dict[date, str]:
    return {month: close.reporting_currency for month, close in _closes(months).items()}


def _rates(quotes: dict[date, str], *, at_close: bool) -> dict[tuple[date, str], Decimal]:
    found: dict[tuple[date, str], Decimal] = {}
    for to in sorted(set(quotes.values())):
        mine = [month for month, quote in quotes.items() if quote == to]
        for key, one in rates_of_closed(mine, to, at_close=at_close).items():
            found[key] = one.rate
    return found
