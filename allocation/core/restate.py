"""What a new delivery of a month changed: digests by day, and the difference by tenant. Pure."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from allocation.core.ledger import Ledger
from finops.core.amounts import EXACT, ZERO
from finops.core.focus import CostKind


class DayAmount(NamedTuple):
    """Cost of one tenant (slug, empty: nobody), provider and category on one day, in ``billing_currency``."""

    day: date
    tenant: str
    service_provider_name: str
    service_category: str
    billing_currency: str
    billed_cost: Decimal
    effective_cost: Decimal


@dataclass(frozen=True)
class Change:
    """What became of the cost of one tenant and category on the days that were known before."""

    tenant: str
    service_provider_name: str
    service_category: str
    billing_currency: str
    first_day: date
    last_day: date
    days: int
    billed_before: Decimal
    billed_after: Decimal
    effective_before: Decimal
    effective_after: Decimal


def day_digests(ledger: Ledger, kind: CostKind = CostKind.BILLED) -> dict[date, str]:
    """A digest over each day's ledger rows of ``kind``, whatever their order: equal digests, equal rows."""
    rows: dict[date, list[str]] = defaultdict(list)
    for day, key, amounts in ledger.days:
        rows[day].append(repr((*key, *amounts)))
    return {
        day: hashlib.blake2b(
            "\n".join(sorted(texts)).encode(), digest_size=16, person=kind.value.encode()
        ).hexdigest()
        for day, texts in rows.items()
    }


def changed_days(before: Mapping[date, str], after: Mapping[date, str]) -> set[date]:
    """Days whose rows are not the same in both, those that only one of them has included."""
    return {day for day in before.keys() | after.keys() if before.get(day) != after.get(day)}


def amounts_of(ledger: Ledger, days: set[date]) -> list[DayAmount]:
    """The ledger's cost on ``days``."""
    return [
        DayAmount(
            key.when,
            key.tenant,
            key.service_provider_name,
            key.service_category,
            key.billing_currency,
            billed,
            effective,
        )
        for key, (billed, effective, _) in ledger.pnl_days
        if key.when in days
    ]


def changes(
    before: Iterable[DayAmount], after: Iterable[DayAmount], *, known_until: date
) -> list[Change]:
    """The differences on days before ``known_until``, largest first.

    A day from then on was not whole when the earlier delivery was made: more cost there is news, not a
    correction. Rows that differ in no amount are left out.
    """
    days: dict[tuple[str, str, str, str], dict[date, list[Decimal]]] = defaultdict(dict)
    for place, rows in ((0, before), (2, after)):
        for row in rows:
            if row.day >= known_until:
                continue
            key = (*row[1:4], row.billing_currency)
            sums = days[key].setdefault(row.day, [ZERO] * 4)
            sums[place] = EXACT.add(sums[place], row.billed_cost)
            sums[place + 1] = EXACT.add(sums[place + 1], row.effective_cost)
    found = [change for about, by_day in days.items() if (change := _change(about, by_day))]
    return sorted(
        found,
        key=lambda one: (
            -abs(EXACT.subtract(one.effective_after, one.effective_before)),
            one.tenant,
            one.service_provider_name,
            one.service_category,
            one.billing_currency,
        ),
    )


def _change(
    about: tuple[str, str, str, str], by_day: Mapping[date, list[Decimal]]
) -> Change | None:
    differing = {day: sums for day, sums in by_day.items() if sums[:2] != sums[2:]}
    if not differing:
        return None
    totals = [ZERO] * 4
    for sums in differing.values():
        totals = [EXACT.add(total, amount) for total, amount in zip(totals, sums, strict=True)]
    return Change(
        *about,
        min(differing),
        max(differing),
        len(differing),
        totals[0],
        totals[2],
        totals[1],
        totals[3],
    )
