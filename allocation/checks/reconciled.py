"""Every cent of the month's bills is explained."""

from __future__ import annotations

from allocation.core.checks import Asked, CheckState, Found, Where
from allocation.reconciling import provider_months
from finops.core.amounts import plain
from finops.core.periods import month_text


class Reconciled:
    """Source total = rejected + allocated + unallocated + named residuals, for every bill; files and invoices agree."""

    id = "reconciled"
    title = "Bills reconcile"
    order = 60

    def look(self, asked: Asked) -> Found:
        """Names every difference, to the last digit."""
        bills = [bill for bill in provider_months(asked.month) if bill.has_bill]
        where = Where("reconciliation", "Reconciliation", {"period": month_text(asked.month)})
        apart = [bill for bill in bills if not bill.is_explained]
        if apart:
            details = tuple(
                f"{bill.key.provider}: {gap.what} differ by {plain(gap.amount)} {bill.key.currency}."
                for bill in apart
                for gap in bill.gaps
            )
            return Found(
                CheckState.OPEN,
                "The ledger and a bill differ.",
                f"{len(apart)} of {len(bills)} differ",
                details,
                where,
            )
        return Found(
            CheckState.OK,
            "Every control total agrees to the last digit.",
            f"{len(bills)} agree",
            where=where,
        )


CHECK = Reconciled()
