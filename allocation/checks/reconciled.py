"""Every cent of the month's bills is explained."""

from __future__ import annotations

from allocation.core.checks import Asked, CheckState, Found, Where
from allocation.selectors import reconciliation
from finops.core.amounts import plain
from finops.core.periods import month_text


class Reconciled:
    """Source total = rejected + allocated + unallocated + named residuals, for every current load."""

    id = "reconciled"
    title = "Bills reconcile"
    order = 60

    def look(self, asked: Asked) -> Found:
        """Names every difference, to the last digit."""
        rows = reconciliation(asked.month)
        where = Where("reconciliation", "Reconciliation", {"period": month_text(asked.month)})
        apart = [row for row in rows if row.difference]
        if apart:
            details = tuple(
                f"{row.source_name}: {plain(row.difference)} {row.currency} is not explained."
                for row in apart
            )
            return Found(
                CheckState.OPEN,
                "The ledger and a bill differ.",
                f"{len(apart)} of {len(rows)} differ",
                details,
                where,
            )
        return Found(
            CheckState.OK,
            "Every control total agrees to the last digit.",
            f"{len(rows)} agree",
            where=where,
        )


CHECK = Reconciled()
