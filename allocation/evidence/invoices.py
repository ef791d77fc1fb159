"""Suppliers' invoices as they were written or delivered: their totals, against the charge lines made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from allocation.core.figures import ReconciliationRow
from allocation.core.reconcile import BillKey, Told, key_of
from finops.core.amounts import EXACT, ZERO, exact_sum, plain
from ingestion.invoice_models import SOURCE_KIND
from ingestion.invoices import invoiced_shares

_NAMED = 5


class Invoices:
    """What the supplier's invoices ask for in the month: each by its total, whatever its lines say."""

    id = "invoices"
    title = "invoices"
    order = 20

    def totals(
        self, rows: Sequence[ReconciliationRow], billing_period: date | None
    ) -> Iterable[Told]:
        """One total a supplier, month and currency, also where none of it was ingested."""
        asked: dict[BillKey, dict[str, Decimal]] = defaultdict(dict)
        for share in invoiced_shares(billing_period):
            key = BillKey(share.supplier, share.month, share.currency)
            asked[key][share.invoice_id] = share.amount
        ingested: dict[BillKey, Decimal] = defaultdict(Decimal)
        for row in rows:
            if row.source_kind == SOURCE_KIND:
                key = key_of(row)
                ingested[key] = EXACT.add(ingested[key], row.ingested)
        for key in sorted({*asked, *(key for key, amount in ingested.items() if amount)}):
            mine = asked.get(key, {})
            named = [f"{number} {plain(amount)}" for number, amount in sorted(mine.items())]
            more = len(named) - _NAMED
            sentence = ", ".join(named[:_NAMED]) + (f" and {more} more" if more > 0 else "")
            yield Told(
                key,
                exact_sum(mine.values()),
                sentence or "No invoice asks for it.",
                ingested.get(key, ZERO),
                must_agree=True,
            )


EVIDENCE = Invoices()
