"""FOCUS files for tests: rows of a vendor as CSV or Parquet."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

ROW = {
    "BilledCost": "1.5",
    "BillingAccountId": "org-1",
    "BillingAccountName": "Acme Org",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-04-01T00:00:00Z",
    "BillingPeriodEnd": "2026-05-01T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargeClass": "",
    "ChargeDescription": "Cluster hours",
    "ChargeFrequency": "Usage-Based",
    "ChargePeriodStart": "2026-04-01T00:00:00Z",
    "ChargePeriodEnd": "2026-04-02T00:00:00Z",
    "CommitmentDiscountCategory": "",
    "CommitmentDiscountId": "",
    "CommitmentDiscountStatus": "",
    "ConsumedQuantity": "24",
    "ConsumedUnit": "Hours",
    "ContractedCost": "1.5",
    "EffectiveCost": "1.25",
    "InvoiceId": "INV-1",
    "InvoiceIssuerName": "Snowline, Inc.",
    "ListCost": "2",
    "PricingUnit": "Hours",
    "ProviderName": "Snowline",
    "PublisherName": "Snowline",
    "ResourceId": "cluster-1",
    "ServiceCategory": "Databases",
    "ServiceName": "Snowline Cluster",
    "SubAccountId": "project-1",
    "Tags": '{"tenant": "acme"}',
}


def row(cost: str = "1.5", **changed: str) -> dict[str, str]:
    """A sound row; ``cost`` is its billed, effective and contracted cost."""
    costs = {"BilledCost": cost, "EffectiveCost": cost, "ContractedCost": cost}
    return {**ROW, **costs, **changed}


def in_may(one: dict[str, str]) -> dict[str, str]:
    """The same row a month later."""
    moved = {name: text.replace("2026-05-", "2026-06-") for name, text in one.items()}
    return {name: text.replace("2026-04-", "2026-05-") for name, text in moved.items()}


def text(rows: list[dict[str, str]]) -> str:
    """The rows as CSV."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    """The rows as the file that the name says: ``.csv``, ``.csv.gz`` or ``.parquet`` (of texts)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(text(rows).encode(), mtime=0))
    else:
        path.write_text(text(rows))
    return path
