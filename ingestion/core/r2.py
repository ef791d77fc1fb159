"""What R2 bills: operations by class, storage by the peaks of its days. Pure.

Source: developers.cloudflare.com/r2/pricing (class A, class B and free operations; GB-months).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from finops.core.amounts import ZERO, ratio
from finops.core.periods import days_in_month, month_start
from ingestion.core.usage import UsageFact

CLASS_A, CLASS_B, FREE = "r2_class_a", "r2_class_b", "r2_free"

_A = [
    "ListBuckets",
    "PutBucket",
    "ListObjects",
    "PutObject",
    "CopyObject",
    "CompleteMultipartUpload",
    "CreateMultipartUpload",
    "LifecycleStorageTierTransition",
    "ListMultipartUploads",
    "UploadPart",
    "UploadPartCopy",
    "ListParts",
    "PutBucketEncryption",
    "PutBucketCors",
    "PutBucketLifecycleConfiguration",
]
_B = [
    "HeadBucket",
    "HeadObject",
    "GetObject",
    "UsageSummary",
    "GetBucketEncryption",
    "GetBucketLocation",
    "GetBucketCors",
    "GetBucketLifecycleConfiguration",
]
_FREE = ["DeleteObject", "DeleteObjects", "DeleteBucket", "AbortMultipartUpload"]

CLASSES: Mapping[str, str] = {
    **dict.fromkeys(_A, CLASS_A),
    **dict.fromkeys(_B, CLASS_B),
    **dict.fromkeys(_FREE, FREE),
}
"""Action to metric."""

_FREE_STATUSES = frozenset({401, 403})
_BY_BEGINNING = (
    (("Delete", "Abort"), FREE),
    (("Get", "Head"), CLASS_B),
)


def operation_metric(action: str, status: int) -> str:
    """The metric of one kind of operation; refused ones (401, 403) are free, 400 and 412 are billed.

    An action that the table does not name goes by how it begins, and is class A where that says nothing, so
    that no cost is overlooked.
    """
    if status in _FREE_STATUSES:
        return FREE
    if action in CLASSES:
        return CLASSES[action]
    return next(
        (metric for beginnings, metric in _BY_BEGINNING if action.startswith(beginnings)), CLASS_A
    )


def is_known(action: str) -> bool:
    """Whether the table names ``action``."""
    return action in CLASSES


def stored_byte_months(
    facts: Iterable[UsageFact],
) -> dict[tuple[date, str, str], Decimal]:
    """Bytes that count for each month, bucket and storage class: the mean of its days' peaks.

    ``facts`` are of ``r2_stored_bytes``. A day without a fact counts as empty: the mean is over all days of
    the month, so the figure of an open month grows to its end as the bill does.
    """
    peaks: dict[tuple[date, str, str], Decimal] = {}
    for fact in facts:
        if fact.metric == "r2_stored_bytes":
            key = (fact.hour.date(), fact.bucket, fact.storage_class)
            peaks[key] = max(peaks.get(key, ZERO), fact.quantity)
    sums: dict[tuple[date, str, str], Decimal] = defaultdict(Decimal)
    for (day, bucket, storage_class), peak in peaks.items():
        sums[month_start(day), bucket, storage_class] += peak
    return {
        key: ratio(total, Decimal(days_in_month(key[0]))) or ZERO for key, total in sums.items()
    }
