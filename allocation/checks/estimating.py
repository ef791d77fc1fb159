"""What is estimated is made of the usage, bills and prices that are known now."""

from __future__ import annotations

from allocation.core.checks import Asked, CheckState, Found, Where
from ingestion.estimating import awaits_estimate


class Estimating:
    """Until the estimate is made anew, a bill and the estimate that it replaces may both be in the figures."""

    id = "estimating"
    title = "Estimates are up to date"
    order = 28

    def look(self, asked: Asked) -> Found:
        """Blocked while something that estimates are made of has changed since the last one."""
        if awaits_estimate(asked.now):
            return Found(
                CheckState.BLOCKED,
                "Usage, bills or prices have changed since the last estimate, so that cost may be missing or be there "
                "twice: wait a minute for the worker, or run manage.py work --until-idle.",
                where=Where("data-health", "Data health"),
            )
        return Found(CheckState.OK, "Nothing has changed since the last estimate.")


CHECK = Estimating()
