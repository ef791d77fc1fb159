"""Which months have no bill, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allocation.core.figures import Basis, Slice
from allocation.coverage import Gap, gaps
from allocation.reported import tells
from dashboards.context import last_whole_day
from dashboards.numbers import listed
from finops.core.periods import Window


@dataclass(frozen=True)
class Coverage:
    """What is missing in a period and in the one before, as clauses; empty where nothing is."""

    now: str
    before: str


def coverage(
    window: Window,
    previous: Window,
    as_of: datetime | None = None,
    *,
    basis: Basis = "restated",
) -> Coverage:
    """The months of both windows without a load, now or at ``as_of``, in one query.

    On the ``basis`` reported the period before is also lacking where it holds parts of closed months.
    """
    now, before = gaps([window, previous], through=last_whole_day(), as_of=as_of)
    told = _clause(before)
    if not told and not tells(Slice(window=previous, basis=basis), "month"):
        told = "figures as reported are kept by whole months"
    return Coverage(_clause(now), told)


def _clause(gap: Gap) -> str:
    if gap.beyond is not None:
        return f"the bills reach to {gap.beyond.day} {gap.beyond:%b %Y}"
    months = [f"{month:%b %Y}" for month in gap.months]
    return f"no bill is loaded for {listed(months)}" if months else ""
