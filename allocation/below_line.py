"""What stands below gross margin: the categories of the setting, and cost of environments that serve no customer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from django.conf import settings

from allocation.core.figures import Granularity, Slice
from allocation.core.pnl import NON_PRODUCTION, CostFact
from finops.core.focus import ChargeCategory


def without_non_production(
    slice_: Slice,
    granularity: Granularity | None,
    read: Callable[[Slice, Granularity | None], Iterable[CostFact]],
) -> Iterable[CostFact]:
    """What ``read`` gives, with the cost of non-production environments below the line.

    Read from the full ledger, which alone knows environments: a change of the setting changes figures at once.
    """
    yield from read(slice_, granularity)
    if not settings.NON_PRODUCTION_ENVIRONMENTS:
        return
    elsewhere = {*settings.PNL_BELOW_THE_LINE, ChargeCategory.CREDIT}
    narrow = replace(slice_, environments=tuple(settings.NON_PRODUCTION_ENVIRONMENTS))
    for fact in read(narrow, granularity):
        if fact.charge_category not in elsewhere:
            yield replace(fact, amount=fact.amount.copy_negate())
            yield replace(fact, charge_category=NON_PRODUCTION)


def below_the_line() -> list[str]:
    """The names of what stands below gross margin."""
    return [*settings.PNL_BELOW_THE_LINE, NON_PRODUCTION]
