"""Which months have no bill: their cost is missing, which is not the same as zero."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from dashboards.context import last_whole_day
from dashboards.numbers import listed
from finops.core.periods import Window, month_start
from ingestion.selectors import current_loads, loads_at


@dataclass(frozen=True)
class Coverage:
    """What is missing in a period and in the one before, as clauses; empty where nothing is."""

    now: str
    before: str


def coverage(window: Window, previous: Window, as_of: datetime | None = None) -> Coverage:
    """The months of both windows without a load, now or at ``as_of``, in one query."""
    start = month_start(previous.start)
    loads = (
        current_loads(start=start, end=window.end)
        if as_of is None
        else loads_at(as_of, start=start, end=window.end)
    )
    loaded = {load.billing_period for load in loads}
    through = last_whole_day()
    return Coverage(_clause(window, loaded, through), _clause(previous, loaded, through))


def _clause(window: Window, loaded: set[date], through: date | None) -> str:
    if through is not None and window.start > through:
        return f"the bills reach to {through.day} {through:%b %Y}"
    missing = [f"{month:%b %Y}" for month in window.each_month() if month not in loaded]
    return f"no bill is loaded for {listed(missing)}" if missing else ""
