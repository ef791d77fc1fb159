"""The average price of a month, by meter, account and day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from finops.core.amounts import EXACT
from finops.core.periods import add_months, month_start
from ingestion.core.estimates import AverageRate
from ingestion.core.frontier import Covers
from ingestion.core.meters import AWS, METERS
from ingestion.core.pricing import Price, average_rate, marginal_rate
from ingestion.core.projection import expected_month
from ingestion.core.tsa_contract import METER as TOKENS
from ingestion.estimate_models import BilledMeter
from ingestion.estimate_usage import Usage
from ingestion.price_models import PriceListEntry
from ingestion.prices import edge_price_at, price_at
from ingestion.selectors import current_bills
from ingestion.tsa_contracts import contract_price

_DAY = timedelta(days=1)


class Rates:
    """Rates for one estimate; each is computed once. ``problems`` are sentences on what has no price.

    A price counts for a billed account and its month: at AWS the payer's, whose tiers and free gigabytes all
    its accounts share. The month's quantity is what bills and logs know of it, and what is expected of the rest.
    """

    def __init__(self, usage: Usage, covers: Covers, months: Sequence[date]) -> None:
        days = usage.days
        self._usage = usage
        self._covers = covers
        self._agreed: dict[tuple[str, date], Price | None] = {}
        self._payers = _payers()
        self._contracts = _contracts()
        self._metered: dict[tuple[str, str], dict[date, Decimal]] = defaultdict(dict)
        for (meter, account, day), quantity in days.items():
            of_pool = self._metered[meter, self.pool(meter, account)]
            of_pool[day] = EXACT.add(of_pool.get(day, Decimal(0)), quantity)
        self._billed = self._billed_days(
            {meter for meter, _, _ in days}, [add_months(months[0], -1), *months]
        )
        self._months: dict[tuple[str, str, date], Fraction] = {}
        self._problems: dict[date, dict[str, str]] = {}

    def problems_of(self, month: date) -> tuple[str, ...]:
        """One sentence for each meter that has no price on some day of ``month``."""
        return tuple(self._problems.get(month, {}).values())

    def of(self, meter: str, account: str, day: datetime) -> AverageRate | None:
        """Money per one of ``meter`` on ``day``: its price at what the whole month is expected to use."""
        pool = self.pool(meter, account)
        price = self.price(meter, account, day.date())
        if price is None:
            missing = "contract" if meter == TOKENS else "price"
            where = (
                "enter it under TSA contracts" if meter == TOKENS else "add one to the price list"
            )
            sentence = f"{METERS[meter].title} has no {missing} on {day:%Y-%m-%d}: {where}."
            self._problems.setdefault(month_start(day.date()), {}).setdefault(meter, sentence)
            return None
        expected = self.expected(meter, pool, month_start(day.date()))
        rate = average_rate(price, expected)
        if rate is None:
            return None
        return AverageRate(rate, price.currency, marginal_rate(price, expected))

    def expected(self, meter: str, pool: str, month: date) -> Fraction:
        """What the month is expected to use of ``meter``, over all accounts of ``pool``."""
        key = (meter, pool, month)
        if key not in self._months:
            self._months[key] = self._expected(meter, pool, month)
        return self._months[key]

    def _expected(self, meter: str, pool: str, month: date) -> Fraction:
        through, since = self._usage.complete.get(meter), self._usage.since.get(meter)
        known: dict[date, Decimal] = {}
        partial: dict[date, Decimal] = {}
        for day, quantity in self._metered[meter, pool].items():
            whole = through is not None and _end_of(day) <= through
            (known if whole else partial)[day] = quantity
        begun = min((day for day, quantity in known.items() if quantity), default=None)
        if begun is not None and through is not None:
            # A day without usage is known, too, from the first one with usage on.
            day = begun
            while _end_of(day) <= through:
                known.setdefault(day, Decimal(0))
                day += _DAY
        known |= self._billed.get((meter, pool), {})
        unused = None
        if since is not None and through is not None and since <= month:
            unused = begun or (through.date() if not partial else min(partial))
        return expected_month(known, month, at_least=partial, unused_until=unused)

    def price(self, meter: str, account: str, day: date) -> Price | None:
        """The price of ``meter`` for ``account`` on ``day``, or the one of who pays for it."""
        if meter == "edge_bytes":
            return edge_price_at(account, day)
        if meter == TOKENS:
            # What tokens cost is agreed with the TSA: a retail list price says nothing of it.
            key = (account, month_start(day))
            if key not in self._agreed:
                self._agreed[key] = contract_price(account, day)
            return self._agreed[key]
        provider, pool = METERS[meter].provider, self.pool(meter, account)
        price = price_at(provider, meter, account, day)
        if account != pool and (price is None or not price.account):
            price = price_at(provider, meter, pool, day) or price
        return price

    def pool(self, meter: str, account: str) -> str:
        """The account whose month the price counts for."""
        if METERS[meter].provider != AWS:
            return account
        if account in self._payers:
            return self._payers[account]
        # Before the first bill the only account with a contract is the one that pays, as far as anybody told.
        payers = set(self._payers.values()) or self._contracts.get(meter, set())
        return next(iter(payers)) if len(payers) == 1 else account

    def _billed_days(
        self, meters: set[str], months: Sequence[date]
    ) -> dict[tuple[str, str], dict[date, Decimal]]:
        """Quantities of days that bills cover to their end."""
        found: dict[tuple[str, str], dict[date, Decimal]] = defaultdict(dict)
        unknown: set[tuple[str, str, date]] = set()
        loads = current_bills().filter(billing_period__in=months)
        rows = BilledMeter.objects.filter(load__in=loads, meter__in=meters)
        for meter, account, day, quantity in rows.values_list(
            "meter", "account", "day", "quantity"
        ):
            pool = self.pool(meter, account)
            if not self._covers.holds_day(meter, account, day):
                continue
            if quantity is None:
                unknown.add((meter, pool, day))
                continue
            of_pool = found[meter, pool]
            of_pool[day] = EXACT.add(of_pool.get(day, Decimal(0)), quantity)
        for meter, pool, day in unknown:
            found[meter, pool].pop(day, None)
        return found


def _payers() -> dict[str, str]:
    """Account → the account that pays for it, of the newest bill of AWS that has lines of it."""
    loads = current_bills().filter(totals__service_provider_name=AWS, bill_read__isnull=False)
    payers: dict[str, str] = {}
    for load in loads.distinct().select_related("bill_read").order_by("billing_period", "pk"):
        if len(load.billing_accounts) == 1:
            payers |= dict.fromkeys(load.bill_read.accounts, load.billing_accounts[0])
    return payers


def _contracts() -> dict[str, set[str]]:
    """Meter of AWS → the accounts that the price list has a contract of."""
    found: dict[str, set[str]] = defaultdict(set)
    rows = PriceListEntry.objects.filter(provider=AWS).exclude(account="")
    for meter, account in rows.order_by().values_list("meter", "account").distinct():
        found[meter].add(account)
    return found


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) + _DAY
