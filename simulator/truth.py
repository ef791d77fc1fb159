"""What is really so, beside what the bill tells: for tests only, nothing else may read it.

Money is US dollars as plain decimal text, exact to AWS's tenth decimal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath

from simulator import company, numbers
from simulator.company import Tagging
from simulator.cur import SimulatedFile
from simulator.lines import SHARED_OWNER, Tally
from simulator.resources import World

PATH = PurePosixPath("truth") / "truth.json"


@dataclass(frozen=True)
class MonthTruth:
    """One month as last delivered. Amounts are dollar steps of 1e-10, pairs are (name, amount)."""

    period: str
    execution_id: str
    closed: bool
    lines: tuple[tuple[str, int], ...]
    cost_by_owner: tuple[tuple[str, int], ...]
    tagged_by_owner: tuple[tuple[str, int], ...]
    usage_by_tagging: tuple[tuple[str, int], ...]


def month_truth(period: str, execution_id: str, *, closed: bool, tally: Tally) -> MonthTruth:
    """The sums of a month whose rows were just written."""
    return MonthTruth(
        period,
        execution_id,
        closed,
        tuple(sorted(tally.lines.items())),
        tuple(sorted(tally.cost_by_owner.items())),
        tuple(sorted(tally.tagged_by_owner.items())),
        tuple(sorted((kind.value, cost) for kind, cost in tally.usage_by_tagging.items())),
    )


def truth_file(world: World, months: tuple[MonthTruth, ...]) -> SimulatedFile:
    """The truth of all delivered months and of every resource."""
    document = {
        "seed": world.seed,
        "currency": company.CURRENCY,
        "shared_owner": SHARED_OWNER,
        "tenants": [tenant.slug for tenant in company.TENANTS],
        "accounts": dict(world.accounts),
        "resources": {
            resource.id: {
                "tenant": resource.tenant,
                "account": world.account_id(resource.account),
                "tagging": resource.tagging.value,
            }
            for resource in world.resources()
        },
        "months": {month.period: _month(month) for month in months},
    }
    return SimulatedFile(PATH, json.dumps(document, indent=1, sort_keys=True).encode())


def _month(month: MonthTruth) -> dict[str, object]:
    usage = dict(month.usage_by_tagging)
    return {
        "execution_id": month.execution_id,
        "closed": month.closed,
        "lines": sum(count for _, count in month.lines),
        "lines_by_type": dict(month.lines),
        "unblended_sum": numbers.plain(sum(cost for _, cost in month.cost_by_owner)),
        "cost_by_owner": {name: numbers.plain(cost) for name, cost in month.cost_by_owner},
        "tagged_cost_by_tenant": {
            name: numbers.plain(cost) for name, cost in month.tagged_by_owner
        },
        "positive_usage_cost": numbers.plain(sum(usage.values())),
        "usage_cost_by_tagging": {
            kind.value: numbers.plain(usage.get(kind.value, 0)) for kind in Tagging
        },
    }
