"""Cloudflare's billable-usage API: what it says it will bill, where it names an amount at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from allocation.core.figures import ReconciliationRow
from allocation.core.reconcile import Told, key_of
from finops.core.amounts import EXACT
from ingestion.cloudflare.billable import billable_accounts, billable_totals

PROVIDER = "Cloudflare"


class BillableUsage:
    """The sum of its costs over accounts and metrics, where each has one: else there is no total."""

    id = "billable_usage"
    title = "billable usage (API)"
    order = 30

    def totals(
        self,
        rows: Sequence[ReconciliationRow],
        billing_period: date | None,  # noqa: ARG002  # the rows are of it
    ) -> Iterable[Told]:
        """One total for each bill of Cloudflare of whose month the API told anything."""
        mine = dict.fromkeys(key for key in map(key_of, rows) if key.provider == PROVIDER)
        for month in sorted({key.billing_period for key in mine}):
            costs: dict[str, Decimal] = defaultdict(Decimal)
            bare = metrics = 0
            for account in billable_accounts(month):
                for total in billable_totals(account, month):
                    metrics += 1
                    if total.billed_cost is None:
                        bare += 1
                    else:
                        known = costs[total.currency]
                        costs[total.currency] = EXACT.add(known, total.billed_cost)
            if not metrics:
                continue
            sentence = f"{metrics} metric{'' if metrics == 1 else 's'}" + (
                f", {bare} without a cost" if bare else ""
            )
            for key in mine:
                if key.billing_period == month:
                    yield Told(key, None if bare else costs.get(key.currency), sentence)


EVIDENCE = BillableUsage()
