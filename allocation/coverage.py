"""Which bills a period lacks: their cost is missing, which is not the same as zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from finops.core.periods import Window, month_start
from ingestion.selectors import current_bills, is_bill, loads_at


@dataclass(frozen=True)
class Gap:
    """What a window lacks: it lies beyond the last whole day, or months have no bill."""

    beyond: date | None = None
    months: tuple[date, ...] = ()


def gaps(windows: Sequence[Window], *, through: date | None, as_of: datetime | None) -> list[Gap]:
    """What each window lacks, now or as known at ``as_of``, in one query.

    ``through`` is the last day whose cost has come whole.
    """
    start = month_start(min(window.start for window in windows))
    end = max(window.end for window in windows)
    loads = (
        current_bills(start=start, end=end)
        if as_of is None
        else loads_at(as_of, start=start, end=end)
    )
    loaded = {load.billing_period for load in loads if is_bill(load)}
    return [
        Gap(beyond=through)
        if through is not None and window.start > through
        else Gap(months=tuple(month for month in window.each_month() if month not in loaded))
        for window in windows
    ]
