"""One provider's bill of one month, and everything that became of it; to the last digit. Pure.

Identity, on billed cost: source total = rejected + allocated + unallocated + residuals, and ingested = the sum
of its parts (usage, fees, discounts, credits, refunds, tax). What neither explains is *unexplained*. Amounts
that stand beside the bill (an estimate beyond it, what came late) explain figures elsewhere and are in no sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Protocol

from allocation.core.bridge import OTHER_CREDITS, OTHER_FEES, UNKNOWN
from allocation.core.figures import ReconciliationRow
from finops.core.amounts import EXACT, ZERO, exact_sum

BEYOND = "digits after the 18th decimal"

PARTS: Mapping[str, tuple[str, ...]] = {
    "usage": (
        "usage",
        "savings plan covered",
        "savings plan negation",
        "savings plan remainder",
        "reserved usage",
        "unused commitment",
        "split cost rows",
    ),
    "fees and purchases": (
        "savings plan recurring fee",
        "savings plan upfront fee",
        "reservation recurring fee",
        "reservation upfront fee",
        OTHER_FEES,
    ),
    "discounts": ("discounts",),
    "promotional credits": ("promotional credits",),
    "other credits": (OTHER_CREDITS,),
    "refunds": ("refunds",),
    "tax": ("tax",),
    "unknown line types": (UNKNOWN,),
}
"""What a bill is made of: each part with the steps of ``allocation.core.bridge`` that it sums."""

_PART_OF = {step: part for part, steps in PARTS.items() for step in steps}


class BillKey(NamedTuple):
    """What is reconciled."""

    provider: str
    billing_period: date
    currency: str


class StepAmount(NamedTuple):
    """Billed cost of one step of the bridge, exact."""

    key: BillKey
    step: str
    billed_cost: Decimal


class Told(NamedTuple):
    """A total of the same bill that was told on another way; ``None`` where no amount was told."""

    key: BillKey
    amount: Decimal | None
    sentence: str


class Residual(Protocol):
    """An amount that stands beside the bill: a file in ``allocation/residuals``."""

    id: str
    title: str
    order: int

    def amounts(self, billing_period: date | None) -> Mapping[BillKey, Decimal]:
        """The amounts of a month, or of all months; also of providers whose bill has not come yet."""
        ...


class Evidence(Protocol):
    """An independent way to a bill's total: a file in ``allocation/evidence``."""

    id: str
    title: str
    order: int

    def totals(self, keys: Sequence[BillKey]) -> Iterable[Told]:
        """What it tells of these bills."""
        ...


@dataclass(frozen=True)
class Witness:
    """What one kind of evidence says of a bill, and how far ingested cost is from it."""

    title: str
    amount: Decimal | None
    sentence: str
    difference: Decimal | None


@dataclass(frozen=True)
class ProviderMonth:
    """A provider's bill of one month in one currency. ``sources`` are the deliveries that it came by.

    Without a source there is no bill yet, and only what stands beside it.
    """

    key: BillKey
    sources: tuple[ReconciliationRow, ...]
    parts: Mapping[str, Decimal]
    residuals: Mapping[str, Decimal]
    beside: Mapping[str, Decimal]
    witnesses: tuple[Witness, ...]

    def total(self, name: str) -> Decimal:
        """A column of the sources, summed: ``source_total``, ``ingested``, ``rejected``, …"""
        return exact_sum(getattr(row, name) for row in self.sources)

    @property
    def unexplained(self) -> Decimal:
        """What of the source total nothing explains: zero, unless something is wrong."""
        return exact_sum(row.difference for row in self.sources)

    @property
    def unnamed(self) -> Decimal:
        """What of the ingested cost no part names: zero, unless something is wrong."""
        return EXACT.subtract(self.total("ingested"), exact_sum(self.parts.values()))

    @property
    def is_explained(self) -> bool:
        """Whether every source's every digit is accounted for; two faults do not cancel."""
        return not self.unnamed and not any(row.difference for row in self.sources)

    @property
    def lines(self) -> int:
        """Charge lines."""
        return sum(row.lines for row in self.sources)

    @property
    def rejected_lines(self) -> int:
        """Rows that were put aside."""
        return sum(row.rejected_lines for row in self.sources)


def key_of(row: ReconciliationRow) -> BillKey:
    """Whose bill a source's row is."""
    return BillKey(row.provider or row.source_name, row.billing_period, row.currency)


def by_provider(
    rows: Iterable[ReconciliationRow],
    steps: Iterable[StepAmount],
    *,
    beside: Mapping[str, Mapping[BillKey, Decimal]],
    told: Mapping[str, Iterable[Told]],
) -> list[ProviderMonth]:
    """The bills, by provider, the newest month first. ``beside`` and ``told`` are by title, in order."""
    sources: dict[BillKey, list[ReconciliationRow]] = defaultdict(list)
    for row in rows:
        sources[key_of(row)].append(row)
    parts: dict[BillKey, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for key, step, amount in steps:
        name = _PART_OF.get(step, "unknown line types")
        parts[key][name] = EXACT.add(parts[key][name], amount)
    for amounts in beside.values():
        for key, amount in amounts.items():
            if amount:
                sources.setdefault(key, [])
    listed = [(title, one) for title, found in told.items() for one in found]
    return [
        _bill(
            key, mine, parts.get(key, {}), beside, [pair for pair in listed if pair[1].key == key]
        )
        for key, mine in sorted(
            sources.items(),
            key=lambda item: (
                -item[0].billing_period.toordinal(),
                item[0].provider,
                item[0].currency,
            ),
        )
    ]


def _bill(
    key: BillKey,
    rows: list[ReconciliationRow],
    found: Mapping[str, Decimal],
    beside: Mapping[str, Mapping[BillKey, Decimal]],
    told: Iterable[tuple[str, Told]],
) -> ProviderMonth:
    residuals: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        for name, amount in row.residuals.items():
            residuals[name] = EXACT.add(residuals[name], amount)
    # In the order of ``PARTS``; digits that the lake cannot hold are in no line's step.
    parts = {name: found[name] for name in PARTS if found.get(name)}
    if residuals.get(BEYOND):
        parts[BEYOND] = residuals[BEYOND]
    ingested = exact_sum(row.ingested for row in rows)
    return ProviderMonth(
        key=key,
        sources=tuple(rows),
        parts=parts,
        residuals=dict(residuals),
        beside={title: amounts.get(key, ZERO) for title, amounts in beside.items()},
        witnesses=tuple(
            Witness(
                title,
                one.amount,
                one.sentence,
                None if one.amount is None else EXACT.subtract(ingested, one.amount),
            )
            for title, one in told
        ),
    )
