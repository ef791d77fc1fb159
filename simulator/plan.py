"""The company's Compute Savings Plan: which hours of the platform's instances it covers, and its fee.

Shape of the lines: AWS, "Understanding Savings Plans in the Cost and Usage Report": covered usage keeps its
on-demand cost, a negation takes that away again, and each hour of the commitment is a recurring fee.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulator import company, numbers, seeded
from simulator.resources import Meter, World

COVERED = "SavingsPlanCoveredUsage"
NEGATION = "SavingsPlanNegation"
FEE = "SavingsPlanRecurringFee"


@dataclass(frozen=True)
class Covered:
    """One meter's hour: its usage and on-demand cost, and what it takes of the commitment (steps).

    ``taken`` is ``None`` where the commitment was used up and the hour is billed on demand.
    """

    meter: Meter
    amount: int
    cost: int
    taken: int | None


def arn(world: World) -> str:
    """The plan's ARN."""
    account = world.account_id(company.PAYER)
    return f"arn:aws:savingsplans::{account}:savingsplan/{seeded.uuid_text(world.seed, 'plan')}"


def is_covered(meter: Meter) -> bool:
    """Whether the plan may cover the meter: instances of the shared platform."""
    return bool(meter.sku.instance_type) and meter.resource.account == company.PLATFORM


def commitment() -> int:
    """The commitment of one hour in dollar steps."""
    return numbers.from_decimal(company.PLAN_COMMITMENT)


def cover(hour: list[tuple[Meter, int, int]]) -> Iterator[Covered]:
    """What the plan covers of one hour's (meter, amount, cost), in this order, while it lasts."""
    left = commitment()
    for meter, amount, cost in hour:
        taken = cost * company.PLAN_PER_CENT // 100
        if taken <= left:
            left -= taken
            yield Covered(meter, amount, cost, taken)
        else:
            yield Covered(meter, amount, cost, None)
