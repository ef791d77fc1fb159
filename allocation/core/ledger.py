"""From exact rows of the lake to ledger rows with 8 decimals, and what rounding left. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from allocation.core.accrual import days_of, shares
from finops.core.amounts import EXACT, MONEY_QUANTUM, ZERO, to_money
from finops.core.periods import month_start

_QUANTITY = Decimal("0.0001")
_MAX_QUANTITY = Decimal("9e14")


MAX_SUM = Decimal("9e10")
"""The database's money ends at 9.2e10; a bill beyond that is damaged."""


class LedgerKey(NamedTuple):
    """What a ledger row is about; ``tenant`` is a slug, empty where nobody bears it."""

    tenant: str
    environment: str
    product: str
    team: str
    method: str
    confidence: Decimal
    service_provider_name: str
    service_category: str
    service_name: str
    region_id: str
    charge_category: str
    billing_currency: str
    granularity: str


class LedgerAmounts(NamedTuple):
    """The measures of a ledger row."""

    billed_cost: Decimal
    effective_cost: Decimal
    list_cost: Decimal | None
    consumed_quantity: Decimal | None
    consumed_unit: str
    lines: int


class PnlKey(NamedTuple):
    """What a row of the small P&L tables is about; ``when`` is a day or the first of a month."""

    when: date
    tenant: str
    service_provider_name: str
    service_category: str
    charge_category: str
    billing_currency: str
    confidence: Decimal


PnlAmounts = tuple[Decimal, Decimal, int]
"""Billed cost, effective cost, charge lines."""


@dataclass(frozen=True)
class Ledger:
    """A load's rows for all tables.

    ``exact`` and ``rounded`` are billed cost before and after rounding, by currency and provider.
    """

    days: Sequence[tuple[date, LedgerKey, LedgerAmounts]]
    months: Sequence[tuple[date, LedgerKey, LedgerAmounts]]
    pnl_days: Sequence[tuple[PnlKey, PnlAmounts]]
    pnl_months: Sequence[tuple[PnlKey, PnlAmounts]]
    exact: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    rounded: dict[tuple[str, str], Decimal] = field(default_factory=dict)


def build_ledger(
    rows: Iterable[Sequence[Any]],
    billing_period: date,
    key_of: Callable[[tuple[Any, ...]], LedgerKey] = LedgerKey._make,
) -> Ledger:
    """``rows`` as ``allocation.core.sql.daily`` gives them: day, until, key columns, measures.

    Where something shorter stands for the key columns, ``key_of`` makes the key of it.

    Each measure is rounded once, on its day; monthly lines are accrued over their days after that.
    Months and the P&L table are sums of rounded days, so that a month is exactly its days.
    """
    exact: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    rounded: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    # A bill has few keys and many days: a key is made, and hashed, once, and stands as its number.
    numbers: dict[tuple[Any, ...], int] = {}
    keys: list[LedgerKey] = []
    small: list[int] = []
    small_numbers: dict[tuple[Any, ...], int] = {}
    # An accrued line may fall on a day that has a row of the same key.
    days: dict[tuple[date, int], LedgerAmounts] = {}
    months: dict[tuple[date, int], LedgerAmounts] = {}
    pnl_days: dict[tuple[date, int], PnlAmounts] = {}
    pnl_months: dict[tuple[date, int], PnlAmounts] = {}
    for row in rows:
        about = tuple(row[_KEY:_BILLED])
        number = numbers.get(about)
        if number is None:
            number = numbers[about] = len(keys)
            keys.append(key_of(about))
            small.append(small_numbers.setdefault(_pnl_columns(keys[-1]), len(small_numbers)))
        whole = _amounts(row)
        whose = keys[number].billing_currency, keys[number].service_provider_name
        exact[whose] = EXACT.add(exact[whose], row[_BILLED])
        rounded[whose] = EXACT.add(rounded[whose], whole.billed_cost)
        for day, amounts in _accrued(row[0], row[1], whole, billing_period):
            month = month_start(day)
            for sums, when in ((days, day), (months, month)):
                known = sums.get((when, number))
                sums[when, number] = _add(known, amounts) if known else amounts
            for totals, when in ((pnl_days, day), (pnl_months, month)):
                billed, effective, lines = totals.get((when, small[number]), _NOTHING)
                totals[when, small[number]] = (
                    EXACT.add(billed, amounts.billed_cost),
                    EXACT.add(effective, amounts.effective_cost),
                    lines + amounts.lines,
                )
    columns = list(small_numbers)
    return Ledger(
        days=[(day, keys[number], amounts) for (day, number), amounts in days.items()],
        months=[(month, keys[number], amounts) for (month, number), amounts in months.items()],
        pnl_days=[(PnlKey(day, *columns[one]), sums) for (day, one), sums in pnl_days.items()],
        pnl_months=[(PnlKey(day, *columns[one]), sums) for (day, one), sums in pnl_months.items()],
        exact=dict(exact),
        rounded=dict(rounded),
    )


_NOTHING: PnlAmounts = (ZERO, ZERO, 0)


def _pnl_columns(key: LedgerKey) -> tuple[Any, ...]:
    return (
        key.tenant,
        key.service_provider_name,
        key.service_category,
        key.charge_category,
        key.billing_currency,
        key.confidence,
    )


def _accrued(
    start: date, until: date | None, whole: LedgerAmounts, billing_period: date
) -> Iterable[tuple[date, LedgerAmounts]]:
    """A row over its days; the lines are counted on the first."""
    if until is None or not (whole.billed_cost or whole.effective_cost or whole.list_cost):
        return [(start, whole)]
    days = days_of(start, until, billing_period)
    if len(days) == 1:
        return [(days[0], whole)]

    def over(amount: Decimal | None, quantum: Decimal) -> Sequence[Decimal | None]:
        return [None] * len(days) if amount is None else shares(amount, len(days), quantum)

    billed = shares(whole.billed_cost, len(days), MONEY_QUANTUM)
    effective = shares(whole.effective_cost, len(days), MONEY_QUANTUM)
    listed = over(whole.list_cost, MONEY_QUANTUM)
    quantity = over(whole.consumed_quantity, _QUANTITY)
    return [
        (
            day,
            LedgerAmounts(
                billed[number],
                effective[number],
                listed[number],
                quantity[number],
                whole.consumed_unit,
                whole.lines if number == 0 else 0,
            ),
        )
        for number, day in enumerate(days)
    ]


def spread_uncertain(rows: Iterable[Sequence[Any]], billing_period: date) -> list[tuple[Any, ...]]:
    """``rows`` as ``allocation.core.sql.uncertain`` gives them, without ``until``: rounded and accrued."""
    spread: list[tuple[Any, ...]] = []
    for start, until, *about, billed, effective, lines in rows:
        whole = LedgerAmounts(to_money(billed), to_money(effective), None, None, "", int(lines))
        spread += [
            (day, *about, part.billed_cost, part.effective_cost, part.lines)
            for day, part in _accrued(start, until, whole, billing_period)
        ]
    return spread


_KEY, _BILLED = 2, -6
"""Where the key columns and the measures of a row of ``allocation.core.sql.daily`` begin."""


def _amounts(row: Sequence[Any]) -> LedgerAmounts:
    billed, effective, listed, quantity, unit, lines = row[_BILLED:]
    return LedgerAmounts(
        to_money(billed),
        to_money(effective),
        None if listed is None else to_money(listed),
        _quantity(quantity),
        str(unit or ""),
        int(lines),
    )


def _quantity(value: Decimal | None) -> Decimal | None:
    if value is None or abs(value) > _MAX_QUANTITY:
        return None
    return value.quantize(_QUANTITY)


def _add(one: LedgerAmounts, other: LedgerAmounts) -> LedgerAmounts:
    same_unit = one.consumed_unit == other.consumed_unit
    quantities = (one.consumed_quantity, other.consumed_quantity)
    lists = [value for value in (one.list_cost, other.list_cost) if value is not None]
    return LedgerAmounts(
        EXACT.add(one.billed_cost, other.billed_cost),
        EXACT.add(one.effective_cost, other.effective_cost),
        EXACT.add(lists[0], lists[1]) if len(lists) == 2 else (lists[0] if lists else None),
        _quantity(EXACT.add(quantities[0], quantities[1]))
        if same_unit and quantities[0] is not None and quantities[1] is not None
        else None,
        one.consumed_unit if same_unit else "",
        one.lines + other.lines,
    )
