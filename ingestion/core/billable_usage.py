"""Cloudflare's own account of what will be billed, day by day (FOCUS shape). Pure.

Two forms are read: version 2 (``billable/usage``, FOCUS 1.3, restricted, costs not filled yet) and version 1
(``billable-usage``, pay-as-you-go). Source: developers.cloudflare.com/api, Billing, Usage (both alpha).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from finops.core.amounts import ratio
from ingestion.core.cloudflare_errors import Refusal, Trouble, short
from ingestion.core.cloudflare_graphql import AnswerError, Aside
from ingestion.core.cloudflare_rest import result_of

MOST_DAYS = 31
"""Of one call, both ends included."""
_MOST_RECORDS = 100_000
_LARGEST = Decimal(9) * 10**14
_LARGEST_COST = Decimal(10) ** 9
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


@dataclass(frozen=True)
class BillableRecord:
    """One metric on one UTC day of one account. Costs are ``None`` where Cloudflare tells none.

    ``metric_id`` is ``x_BillableMetricId`` (version 2) or the service's name (version 1); ``zone`` and
    ``sub_account`` (a subscription or contract) are empty where usage is not told apart by them.
    """

    account: str
    day: date
    metric_id: str
    metric_name: str
    family: str
    quantity: Decimal
    unit: str
    zone: str = ""
    sub_account: str = ""
    billed_cost: Decimal | None = None
    currency: str = ""


def windows(first: date, last: date) -> list[tuple[date, date]]:
    """The days from ``first`` to ``last``, both included, in calls of at most ``MOST_DAYS`` days."""
    found = []
    while first <= last:
        end = min(last, first + timedelta(days=MOST_DAYS - 1))
        found.append((first, end))
        first = end + timedelta(days=1)
    return found


def read_billable(
    body: object, *, account: str, first: date, last: date
) -> tuple[tuple[BillableRecord, ...], tuple[Aside, ...]]:
    """The records of an answer, and those that cannot be read. Raises ``AnswerError``.

    Of what is told several times (corrections, regions) of one day quantities and costs are added up.
    """
    result = result_of(body)
    if not isinstance(result, list):
        raise AnswerError(Refusal(Trouble.SCHEMA, "the billable usage is no list"))
    if len(result) > _MOST_RECORDS:
        raise AnswerError(Refusal(Trouble.OTHER, f"it has more than {_MOST_RECORDS:,} records"))
    found, asides = [], []
    for number, entry in enumerate(result, start=1):
        try:
            found.append(_record(entry, account, first, last))
        except ValueError as error:
            asides.append(Aside(f"billable usage record {number}", f"{error}"))
    return tuple(_added_up(found)), tuple(asides)


def _record(entry: object, account: str, first: date, last: date) -> BillableRecord:
    if not isinstance(entry, Mapping):
        msg = "it is no object"
        raise ValueError(msg)
    name = _text(entry, "x_BillableMetricName", "ServiceName")
    metric = _text(entry, "x_BillableMetricId", "ServiceName")
    if not metric:
        msg = "it has neither x_BillableMetricId nor ServiceName"
        raise ValueError(msg)
    told = _text(entry, "BillingAccountId")
    if told and told != account:
        msg = "its BillingAccountId is another account's"
        raise ValueError(msg)
    day = _day(entry.get("ChargePeriodStart"))
    if not first <= day <= last:
        msg = f"its day {day} was not asked for"
        raise ValueError(msg)
    cost = entry.get("BilledCost")
    currency = _text(entry, "BillingCurrency").upper()
    if cost is not None and not _CURRENCY.fullmatch(currency):
        msg = "it has a BilledCost and no BillingCurrency"
        raise ValueError(msg)
    return BillableRecord(
        account,
        day,
        metric,
        name or metric,
        _text(entry, "x_ProductFamilyName", "ServiceFamilyName"),
        _number(entry, "ConsumedQuantity", _LARGEST),
        _text(entry, "ConsumedUnit"),
        _text(entry, "x_ZoneId", "ZoneId"),
        _text(entry, "SubAccountId", "SubscriptionId"),
        None if cost is None else _number(entry, "BilledCost", _LARGEST_COST),
        "" if cost is None else currency,
    )


def _text(entry: Mapping[str, object], *names: str) -> str:
    for name in names:
        value = entry.get(name)
        if isinstance(value, str) and value.strip():
            return short(value.strip())[:120]
    return ""


def _day(value: object) -> date:
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        msg = "its ChargePeriodStart is no time"
        raise ValueError(msg) from None
    return aware.date()


def _number(entry: Mapping[str, object], name: str, largest: Decimal) -> Decimal:
    value = entry.get(name)
    try:
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise InvalidOperation
        number = Decimal(value)
    except InvalidOperation:
        msg = f"its {name} is no number"
        raise ValueError(msg) from None
    if not number.is_finite() or abs(number) >= largest:
        msg = f"its {name} is too large to be true"
        raise ValueError(msg)
    return number


def _added_up(records: Iterable[BillableRecord]) -> list[BillableRecord]:
    groups: dict[tuple[object, ...], list[BillableRecord]] = defaultdict(list)
    for one in records:
        key = (one.day, one.metric_id, one.unit, one.zone, one.sub_account, one.currency)
        groups[key].append(one)
    return [_sum(group) for group in groups.values()]


def _sum(group: Sequence[BillableRecord]) -> BillableRecord:
    one = group[0]
    if len(group) == 1:
        return one
    costs = [each.billed_cost for each in group if each.billed_cost is not None]
    return BillableRecord(
        one.account,
        one.day,
        one.metric_id,
        one.metric_name,
        one.family,
        sum((each.quantity for each in group), Decimal(0)),
        one.unit,
        one.zone,
        one.sub_account,
        sum(costs, Decimal(0)) if costs else None,
        one.currency,
    )


# --- beside what the analytics tell ------------------------------------------------------------------

_COUNTS = frozenset({"requests", "operations", "count", ""})
_MILLISECONDS = frozenset({"milliseconds", "ms"})
_SAME: dict[str, tuple[str, frozenset[str], int]] = {
    "workers standard requests": ("worker_requests", _COUNTS, 1),
    "workers standard cpu time": ("worker_cpu_us", _MILLISECONDS, 1000),
    "workers standard cpu": ("worker_cpu_us", _MILLISECONDS, 1000),
    "r2 storage class a operations": ("r2_class_a", _COUNTS, 1),
    "r2 class a operations": ("r2_class_a", _COUNTS, 1),
    "r2 storage class b operations": ("r2_class_b", _COUNTS, 1),
    "r2 class b operations": ("r2_class_b", _COUNTS, 1),
}
"""A billable metric's name → our metric, the units it is known in, and how many of ours one is (CPU is billed in ms).

Cloudflare's OpenAPI document gives names and units as free text and lists none. These were seen in answers of
accounts; any other name is shown as it is and compared with nothing.
"""
COMPARED = tuple(dict.fromkeys(metric for metric, _, _ in _SAME.values()))
_INCLUDED = re.compile(r"\s*\([^()]*\)$")
"""Version 1 writes what is included behind the name: ``(First 1M included)``."""


def metric_of(name: str, unit: str) -> tuple[str, int] | None:
    """Our metric for a billable metric's name in this unit, with the factor to ours; ``None`` where none is known."""
    plain = re.sub(r"[_\W]+", " ", _INCLUDED.sub("", name)).strip().lower()
    metric, units, by = _SAME.get(plain, ("", frozenset(), 0))
    return (metric, by) if metric and unit.strip().lower() in units else None


DayAmounts = Mapping[tuple[str, str, date], Decimal]
"""Account, metric, UTC day → quantity in the metric's unit."""


@dataclass(frozen=True)
class Beside:
    """A metric as billed beside as the analytics estimate it, over the days that both know.

    ``difference`` is (analytics − billable) ÷ billable, ``None`` where nothing is billable; ``worst`` is the day on
    which it was largest, with that day's.
    """

    account: str
    metric: str
    days: int
    billable: Decimal
    analytics: Decimal
    difference: Decimal | None
    worst: tuple[date, Decimal] | None


def beside(billable: DayAmounts, analytics: DayAmounts) -> list[Beside]:
    """Each metric of each account that both know of a common day, by account and metric."""
    days: dict[tuple[str, str], list[date]] = defaultdict(list)
    for account, metric, day in sorted(billable.keys() & analytics.keys()):
        days[account, metric].append(day)
    return [
        _beside(account, metric, common, billable, analytics)
        for (account, metric), common in days.items()
    ]


def _beside(
    account: str, metric: str, days: Sequence[date], billable: DayAmounts, analytics: DayAmounts
) -> Beside:
    ours, theirs = (
        sum((of[account, metric, day] for day in days), Decimal(0)) for of in (analytics, billable)
    )
    apart = []
    for day in days:
        told = billable[account, metric, day]
        share = ratio(analytics[account, metric, day] - told, told)
        if share:
            apart.append((day, share))
    worst = max(apart, key=lambda one: abs(one[1]), default=None)
    return Beside(account, metric, len(days), theirs, ours, ratio(ours - theirs, theirs), worst)
