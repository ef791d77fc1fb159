"""Reads over the bridge from billed to effective cost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from allocation.core.bridge import STEPS
from allocation.models import BridgeStep
from finops.core.amounts import EXACT, exact_sum
from finops.core.focus import CostKind
from ingestion.models import Load


@dataclass(frozen=True)
class BridgeLine:
    """One step of all current loads of a month, or of all months, in one currency."""

    currency: str
    step: str
    billed_cost: Decimal
    effective_cost: Decimal
    lines: int

    @property
    def change(self) -> Decimal:
        """What the step adds on the way from billed to effective cost."""
        return EXACT.subtract(self.effective_cost, self.billed_cost)


def bridge(month: date | None = None) -> list[BridgeLine]:
    """The steps of bills in their order, by currency; exact. An estimate is on no bill."""
    rows = BridgeStep.objects.filter(load__state=Load.State.CURRENT).exclude(
        load__kind=CostKind.ESTIMATED.value
    )
    if month is not None:
        rows = rows.filter(load__billing_period=month)
    found: dict[tuple[str, str], list[BridgeStep]] = defaultdict(list)
    for row in rows:
        found[row.billing_currency, row.step].append(row)
    order = {step: place for place, step in enumerate(STEPS)}
    return [
        BridgeLine(
            currency,
            step,
            exact_sum(Decimal(row.billed_cost) for row in steps),
            exact_sum(Decimal(row.effective_cost) for row in steps),
            sum(row.lines for row in steps),
        )
        for (currency, step), steps in sorted(
            found.items(), key=lambda item: (item[0][0], order.get(item[0][1], len(order)))
        )
    ]
