"""The provider's own files: the sum over their rows, taken as they are read and before anything else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from allocation.core.reconcile import BillKey, Told, key_of
from allocation.selectors import reconciliation
from finops.core.amounts import EXACT, exact_sum
from ingestion.registry import sources


class Files:
    """Bills that were delivered as files; what was put aside was in them, and is not ingested."""

    id = "files"
    title = "files"
    order = 10

    def totals(self, keys: Sequence[BillKey]) -> Iterable[Told]:
        """One total for each bill that came by files."""
        delivered = {kind for kind, reader in sources().items() if reader.produces == "charges"}
        rows = [row for row in reconciliation() if row.source_kind in delivered]
        for key in keys:
            mine = [row for row in rows if key_of(row) == key]
            if mine:
                total = exact_sum(EXACT.subtract(row.source_total, row.rejected) for row in mine)
                lines = sum(row.lines + row.rejected_lines for row in mine)
                aside = sum(row.rejected_lines for row in mine)
                sentence = f"{lines:,} rows read" + (f", {aside:,} put aside" if aside else "")
                yield Told(key, total, sentence)


EVIDENCE = Files()
