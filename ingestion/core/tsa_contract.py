"""A contract with a TSA: how much of it is used, what a month costs, what one token more costs. Pure.

A contract sells a number of tokens for a time of whole months. Its arithmetic is that of the price list
(``ingestion.core.pricing``): over the whole time it is one price whose fee includes the commitment, and of a
month it is a price with the part of the fee that its days bear and with what of the commitment is left.
Months add up to the whole exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from finops.core.amounts import EXACT, MONEY_QUANTUM, split_by_weights, to_money
from finops.core.periods import add_months
from ingestion.core.meters import TSA
from ingestion.core.price_rules import problems_of
from ingestion.core.pricing import Price, Tier, cost, decimal_of, marginal_rate

METER = "tsa_tokens"
_MOST = 10**14
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Contract:
    """``commitment`` tokens for ``fee`` from ``valid_from`` until, and without, ``valid_until`` (firsts of months).

    Beyond it one token costs ``overage_price``, or what ``tiers`` say, whose bounds count tokens beyond the
    commitment. Amounts are in ``currency``. ``account`` is whose tokens it covers, empty for all without a
    contract of their own. ``version`` is the id of its row.
    """

    name: str
    valid_from: date
    valid_until: date
    commitment: int
    fee: Decimal
    overage_price: Decimal
    tiers: tuple[Tier, ...] = ()
    currency: str = "EUR"
    account: str = ""
    service_provider_name: str = TSA
    version: int = 0

    def holds_on(self, day: date) -> bool:
        """Whether ``day`` lies in it."""
        return self.valid_from <= day < self.valid_until

    @property
    def whole(self) -> Price:
        """The whole time as one price."""
        return self._price(self.valid_from, self.valid_until, self.fee, self.commitment, self.tiers)

    def _price(
        self, start: date, end: date, fee: Decimal, included: int, tiers: tuple[Tier, ...]
    ) -> Price:
        unit_price, rest = self.overage_price, tiers
        while rest and rest[0].above <= 0:
            unit_price, rest = rest[0].unit_price, rest[1:]
        return Price(
            provider=TSA,
            meter=METER,
            account=self.account,
            currency=self.currency,
            unit="token",
            unit_size=1,
            unit_price=unit_price,
            tiers=rest,
            included=Decimal(included),
            monthly_fee=fee,
            valid_from=start,
            valid_until=end,
            source=f"Contract {self.name}",
            version=self.version,
        )


@dataclass(frozen=True)
class Utilisation:
    """``tokens`` so far against ``expected``, the commitment prorated to now.

    ``share`` is tokens ÷ expected, ``used`` tokens ÷ commitment; ``None`` where there is nothing to divide by.
    """

    tokens: int
    expected: Fraction
    share: Fraction | None
    used: Fraction | None


def utilisation(contract: Contract, tokens: int, now: datetime) -> Utilisation:
    """How much of the contract is used: tokens of its time so far ÷ (commitment × elapsed share of its time)."""
    start, end = (
        datetime.combine(day, time(), UTC) for day in (contract.valid_from, contract.valid_until)
    )
    moment = min(max(now, start), end)
    elapsed = Fraction(
        (moment - start) // _SECOND,
        (end - start) // _SECOND,
    )
    expected = contract.commitment * elapsed
    return Utilisation(
        tokens,
        expected,
        Fraction(tokens) / expected if expected else None,
        Fraction(tokens, contract.commitment) if contract.commitment else None,
    )


def month_price(contract: Contract, month: date, tokens_before: int) -> Price:
    """The contract as a price of one month, after ``tokens_before`` tokens in its earlier months.

    Its fee is the part that the month's days bear, its included quantity what is left of the commitment;
    where that is used up, tiers begin where the earlier months left them. Costs of months add up to the
    cost of the whole, exactly.
    """
    end = add_months(month, 1)
    beyond = max(tokens_before - contract.commitment, 0)
    tiers = tuple(
        Tier(EXACT.subtract(tier.above, Decimal(beyond)), tier.unit_price)
        for tier in contract.tiers
    )
    return contract._price(
        month,
        end,
        EXACT.subtract(_fee_until(contract, end), _fee_until(contract, month)),
        max(contract.commitment - tokens_before, 0),
        tiers,
    )


def _fee_until(contract: Contract, day: date) -> Decimal:
    """What of the fee the days before ``day`` bear, to 8 decimals: differences of these add up to the fee."""
    days = (contract.valid_until - contract.valid_from).days
    gone = min(max((day - contract.valid_from).days, 0), days)
    return to_money(decimal_of(Fraction(contract.fee) * gone / days))


def month_to_date_cost(price: Price, tokens: int, projected: int) -> Decimal:
    """What ``tokens`` of an open month cost at the average rate that the month is expected to end with.

    ``projected`` is the expected number at its end; where it is ``tokens``, this is the month's cost. In
    the price's currency, to 8 decimals.
    """
    whole = cost(price, max(projected, tokens))
    if projected <= tokens:
        return to_money(whole)
    return to_money(decimal_of(Fraction(whole) * tokens / projected))


def by_tenant(amount: Decimal, tokens: Mapping[str, int]) -> dict[str, Decimal]:
    """``amount`` by tokens, in units of 1e-8; the parts add up to it. Nothing where nobody has a token."""
    if not any(tokens.values()):
        return {}
    weights = list(tokens.values())
    parts = split_by_weights(amount, weights, quantum=MONEY_QUANTUM)
    return dict(zip(tokens, parts, strict=True))


def value_of_saving(price: Price, tokens: int) -> Fraction:
    """What one token saved is worth, at the marginal rate: 0 while the commitment is not used up."""
    return marginal_rate(price, max(tokens - 1, 0))


def problems_of_contract(contract: Contract) -> list[tuple[str, str]]:
    """Field and sentence of everything that forbids this contract; fields are named as in ``Contract``."""
    found: list[tuple[str, str]] = []
    if not contract.name.strip():
        found.append(("name", "Give it the name that people know it by."))
    if not contract.service_provider_name.strip():
        found.append(("service_provider_name", "Name who answers the requests."))
    if contract.valid_until <= contract.valid_from:
        found.append(("valid_until", "The contract must end after it begins."))
    found += [
        (name, "Commitment, fee and tiers belong to whole months: write the 1st of one.")
        for name in ("valid_from", "valid_until")
        if getattr(contract, name).day != 1
    ]
    if not 0 <= contract.commitment < _MOST:
        found.append(("commitment", "Write a number of tokens from 0, below 10^14."))
        return found
    names = {"monthly_fee": "fee", "unit_price": "overage_price", "included": "commitment"}
    raw = Price(
        provider=TSA,
        meter=METER,
        currency=contract.currency,
        unit="token",
        unit_size=1,
        unit_price=contract.overage_price,
        tiers=contract.tiers,
        included=Decimal(contract.commitment),
        monthly_fee=contract.fee,
        valid_from=date(2000, 1, 1),
        source="-",
    )
    return [*found, *((names.get(name, name), text) for name, text in problems_of(raw))]


def overlapping_contract(contract: Contract, others: Iterable[Contract]) -> Contract | None:
    """The first of ``others`` of the same account that holds on a day of ``contract``."""
    for other in others:
        if other.account == contract.account and not (
            contract.valid_until <= other.valid_from or other.valid_until <= contract.valid_from
        ):
            return other
    return None
