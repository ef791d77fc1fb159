"""One provider's bill of one month, and everything that became of it; to the last digit. Pure.

Identity, on billed cost: source total = rejected + allocated + unallocated + residuals, and ingested = the sum
of its parts (usage, fees, discounts, credits, refunds, tax). What neither explains is *unexplained*, as is what
evidence that must agree tells otherwise. Amounts that are not in the bill (an estimate beyond it, exchange
differences) or are named once more (what came late) explain figures elsewhere and are in no sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    """A total of the same bill from other evidence; ``None`` where no amount was told.

    It tells of ``ingested``, a part of the bill, or of all of it (``None``). What ``must_agree`` and does not leaves
    the bill unexplained; else a difference is for people to judge, as where an API rounds.
    """

    key: BillKey
    amount: Decimal | None
    sentence: str
    ingested: Decimal | None = None
    must_agree: bool = False


@dataclass(frozen=True)
class MeterDifference:
    """What a bill says of a meter's days, against what was estimated of the same days before it came."""

    meter: str
    title: str
    days: int
    estimated: Decimal
    billed: Decimal

    @property
    def difference(self) -> Decimal:
        """Billed less estimated."""
        return EXACT.subtract(self.billed, self.estimated)


class Residual(Protocol):
    """An amount that is in no sum of the bill: a file in ``allocation/residuals``.

    Its amounts are in the bill's currency, unless ``title`` names another one.
    """

    id: str
    order: int

    @property
    def title(self) -> str:
        """What people call it."""
        ...

    def amounts(self, billing_period: date | None) -> Mapping[BillKey, Decimal]:
        """The amounts of a month, or of all months; also of providers whose bill has not come yet."""
        ...


class Evidence(Protocol):
    """An independent way to a bill's total: a file in ``allocation/evidence``."""

    id: str
    title: str
    order: int

    def totals(
        self, rows: Sequence[ReconciliationRow], billing_period: date | None
    ) -> Iterable[Told]:
        """What it tells of the bills that ``rows`` are, those of a month or all; also of one that is missing there."""
        ...


@dataclass(frozen=True)
class Witness:
    """What one kind of evidence says of a bill, and how far ingested cost is from it."""

    title: str
    amount: Decimal | None
    sentence: str
    difference: Decimal | None
    must_agree: bool = False


@dataclass(frozen=True)
class Gap:
    """An amount of a bill, however small, that nothing explains; ``what`` is a clause that ends with "differ by"."""

    what: str
    amount: Decimal


@dataclass(frozen=True)
class ProviderMonth:
    """A provider's bill of one month in one currency. ``sources`` are the deliveries that it came by.

    Without a source there is no bill yet, and only what is not in it.
    """

    key: BillKey
    sources: tuple[ReconciliationRow, ...]
    parts: Mapping[str, Decimal]
    residuals: Mapping[str, Decimal]
    beside: Mapping[str, Decimal]
    witnesses: tuple[Witness, ...]
    meters: tuple[MeterDifference, ...] = ()

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
    def has_bill(self) -> bool:
        """Whether a bill has come, or should have: an invoice that was written is one."""
        return bool(self.sources) or any(one.must_agree for one in self.witnesses)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Everything that nothing explains, one by one: two faults do not cancel."""
        found = [
            Gap(f"the total of {row.source_name} and what became of it", row.difference)
            for row in self.sources
        ]
        found.append(Gap("what was ingested and the kinds of charges it is made of", self.unnamed))
        found += [
            Gap(f"what was ingested and the total from {one.title}", one.difference)
            for one in self.witnesses
            if one.must_agree and one.difference is not None
        ]
        return tuple(gap for gap in found if gap.amount)

    @property
    def is_explained(self) -> bool:
        """Whether every digit is accounted for."""
        return not self.gaps

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
    meters: Mapping[BillKey, Iterable[MeterDifference]] | None = None,
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
    for _, one in listed:
        if one.must_agree and one.amount:
            sources.setdefault(one.key, [])
    return [
        replace(
            _bill(
                key,
                mine,
                parts.get(key, {}),
                beside,
                [pair for pair in listed if pair[1].key == key],
            ),
            meters=tuple((meters or {}).get(key, ())),
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
                None
                if one.amount is None
                else EXACT.subtract(ingested if one.ingested is None else one.ingested, one.amount),
                one.must_agree,
            )
            for title, one in told
        ),
    )
