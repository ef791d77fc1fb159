"""A billing period in which source total and ledger differ by something that no residual names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from allocation.core.figures import ReconciliationRow
from allocation.ledger_totals import ledger_totals
from allocation.reconciling import provider_months
from allocation.selectors import reconciliation
from finops.core.alerts import Finding, Severity, without_figures
from finops.core.amounts import EXACT, ZERO, exact_sum, plain
from finops.core.periods import month_text


class UnexplainedCent:
    """One finding per source, provider, billing period and currency.

    Three things are proved: that the control totals of the load add up, that what pages add up today (the small
    P&L tables) is what was committed, so that a line that was lost or changed afterwards is found as well, and that
    evidence which must agree does: files, suppliers' invoices, and the kinds of charges that a bill is made of.
    """

    id = "unexplained-cent"

    def findings(self, now: datetime) -> Iterable[Finding]:  # noqa: ARG002  # the ledger of now
        """Every total that differs by any amount, however small."""
        ledger = ledger_totals()
        rows = defaultdict(list)
        for row in reconciliation():
            rows[row.source, row.billing_period, row.currency].append(row)
        for (source, month, currency), mine in rows.items():
            for row in mine:
                if row.difference:
                    yield self._finding(
                        f"{source} {month_text(month)} {currency}{_of(row, mine)}",
                        f"{row.source_name}{_of(row, mine)}, {month_text(month)}: source total and control totals "
                        f"differ by {plain(row.difference)} {currency}",
                        source_total=row.source_total,
                        committed=EXACT.add(row.allocated, row.unallocated),
                        difference=row.difference,
                    )
            committed = exact_sum(EXACT.add(row.allocated, row.unallocated) for row in mine)
            stands = ledger.get((source, month, currency), ZERO)
            lost = EXACT.subtract(committed, stands)
            if lost:
                yield self._finding(
                    f"{source} {month_text(month)} {currency}",
                    f"{mine[0].source_name}, {month_text(month)}: the ledger no longer holds what was committed: it "
                    f"differs by {plain(lost)} {currency}",
                    committed=committed,
                    ledger=stands,
                    difference=lost,
                )

        for bill in provider_months():
            # Of a source's own totals it was told above.
            of_sources = [row.difference for row in bill.sources if row.difference]
            for gap in bill.gaps[len(of_sources) :]:
                key = bill.key
                yield self._finding(
                    f"{key.provider} {month_text(key.billing_period)} {key.currency}: {gap.what}"[
                        :200
                    ],
                    f"{key.provider}, {month_text(key.billing_period)}: {gap.what} differ by "
                    f"{plain(gap.amount)} {key.currency}",
                    difference=gap.amount,
                )

    def _finding(
        self, subject: str, what: str, *, difference: Decimal, **amounts: Decimal
    ) -> Finding:
        return Finding(
            self.id,
            subject,
            Severity.DANGER,
            f"{what}, which nothing explains. Read the bill again on Data health, and do not close the month.",
            {
                **{name: plain(amount) for name, amount in amounts.items()},
                "difference": plain(difference),
            },
            about=without_figures(what),
            size=difference,
        )


def _of(row: ReconciliationRow, mine: list[ReconciliationRow]) -> str:
    """Whose bill it is, where the source holds those of several."""
    return f" ({row.provider or 'nobody named'})" if len(mine) > 1 else ""


CHECK = UnexplainedCent()
