"""A billing period in which source total and ledger differ by something that no residual names."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from allocation.ledger_totals import ledger_totals
from allocation.selectors import reconciliation
from finops.core.alerts import Finding, Severity
from finops.core.amounts import EXACT, ZERO, plain
from finops.core.periods import month_text


class UnexplainedCent:
    """One finding per source, billing period and currency.

    Two things are proved: that the control totals of the load add up, and that what pages add up today (the small
    P&L tables) is what was committed, so that a line that was lost or changed afterwards is found as well.
    """

    id = "unexplained-cent"

    def findings(self, now: datetime) -> Iterable[Finding]:  # noqa: ARG002  # the ledger of now
        """Every total that differs by any amount, however small."""
        ledger = ledger_totals()
        for row in reconciliation():
            period = month_text(row.billing_period)
            committed = EXACT.add(row.allocated, row.unallocated)
            stands = ledger.get((row.source, row.billing_period, row.currency), ZERO)
            lost = EXACT.subtract(committed, stands)
            for difference, what in (
                (row.difference, "source total and control totals differ"),
                (lost, "the ledger no longer holds what was committed: it differs"),
            ):
                if difference:
                    yield Finding(
                        self.id,
                        f"{row.source} {period} {row.currency}",
                        Severity.DANGER,
                        f"{row.source_name}, {period}: {what} by {plain(difference)} {row.currency}, "
                        "which nothing explains. Read the bill again on Data health, and do not close the month.",
                        {
                            "source_total": plain(row.source_total),
                            "committed": plain(committed),
                            "ledger": plain(stands),
                            "difference": plain(difference),
                        },
                        about=what,
                        size=difference,
                    )


CHECK = UnexplainedCent()
