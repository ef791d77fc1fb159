"""The provider's own files: the sum over their rows, taken as they are read and before anything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from allocation.core.figures import ReconciliationRow
from allocation.core.reconcile import BillKey, Told, key_of
from finops.core.amounts import EXACT, exact_sum
from ingestion.registry import sources


class Files:
    """Bills that were delivered as files; what was put aside was in them, and is not ingested."""

    id = "files"
    title = "files"
    order = 10

    def totals(
        self,
        rows: Sequence[ReconciliationRow],
        billing_period: date | None,  # noqa: ARG002  # the rows are of it
    ) -> Iterable[Told]:
        """One total for each bill that came by files."""
        delivered = {kind for kind, reader in sources().items() if reader.produces == "charges"}
        bills: dict[BillKey, list[ReconciliationRow]] = defaultdict(list)
        for row in rows:
            if row.source_kind in delivered:
                bills[key_of(row)].append(row)
        for key, mine in bills.items():
            total = exact_sum(EXACT.subtract(row.source_total, row.rejected) for row in mine)
            lines = sum(row.lines + row.rejected_lines for row in mine)
            aside = sum(row.rejected_lines for row in mine)
            sentence = f"{lines:,} row{'' if lines == 1 else 's'} read" + (
                f", {aside:,} put aside" if aside else ""
            )
            ingested = exact_sum(row.ingested for row in mine)
            yield Told(key, total, sentence, ingested, must_agree=True)


EVIDENCE = Files()
