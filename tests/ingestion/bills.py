"""What the tests of loading bills share."""

from __future__ import annotations

from pathlib import Path

from allocation.core.figures import ReconciliationRow
from allocation.selectors import reconciliation
from ingestion.services import IngestReport, ingest


def load(folder: Path) -> IngestReport:
    """Load every CUR delivery below ``folder``."""
    return ingest(kind="aws_cur", location=folder)


def only_row() -> ReconciliationRow:
    """The one reconciled period there is."""
    (row,) = reconciliation()
    return row
