"""Months side by side: what each reports of its own, what became known of it since, what it bears of earlier ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from itertools import chain

from allocation.below_line import below_the_line, without_non_production
from allocation.core.figures import Granularity, Slice
from allocation.core.pnl import CostFact, Pnl, RevenueFact, build_pnls
from allocation.currencies import foreign_currencies, in_one_currency, settled_parts
from allocation.facts import (
    booked_facts,
    cost_facts,
    revenue_facts,
)


def own_by_month(slice_: Slice) -> dict[str, Pnl]:
    """The P&L of each month without what it bears of earlier ones: as reported where it is closed, else as it is."""
    mine = replace(slice_, basis="reported")
    foreign = foreign_currencies(slice_.currency)

    def costs(part: Slice, by: Granularity | None) -> Iterable[CostFact]:
        return without_non_production(part, by, partial(cost_facts, by_tenant=False))

    return _by_column(
        chain(
            in_one_currency(mine, "month", costs, foreign),
            settled_parts(mine, "month", costs, foreign),
        ),
        in_one_currency(mine, "month", partial(revenue_facts, by_tenant=False), foreign),
    )


def changes_by_month(slice_: Slice) -> dict[str, Pnl]:
    """What became known of each closed month since its close, by that month, at the rates that it was booked at."""
    mine = replace(slice_, basis="reported")
    return _by_column(
        *booked_facts(mine, "month", by_tenant=False, cost="cost_month", revenue="service_month")
    )


def borne_by_month(slice_: Slice) -> dict[str, Pnl]:
    """What each month of the slice bears of earlier, closed ones."""
    mine = replace(slice_, basis="reported")
    return _by_column(*booked_facts(mine, "month", by_tenant=False))


def _by_column(costs: Iterable[CostFact], revenue: Iterable[RevenueFact]) -> dict[str, Pnl]:
    found = build_pnls(costs, revenue, (), below_line=below_the_line())
    return {column: pnl for (_, column), pnl in found.items()}
