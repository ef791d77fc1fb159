"""What R2 bills: operations by class, storage by the peaks of its days. Pure.

Source: developers.cloudflare.com/r2/pricing (class A, class B and free operations; GB-months).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from finops.core.amounts import ZERO, exact_sum, ratio
from finops.core.periods import days_in_month, month_start
from ingestion.core.usage import UsageFact

CLASS_A, CLASS_B, FREE = "r2_class_a", "r2_class_b", "r2_free"
STORED = "r2_stored_bytes"
R2_METRICS = (CLASS_A, CLASS_B, FREE, STORED)

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
        if fact.metric == STORED:
            key = (fact.hour.date(), fact.bucket, fact.storage_class)
            peaks[key] = max(peaks.get(key, ZERO), fact.quantity)
    sums: dict[tuple[date, str, str], Decimal] = defaultdict(Decimal)
    for (day, bucket, storage_class), peak in peaks.items():
        sums[month_start(day), bucket, storage_class] += peak
    return {
        key: ratio(total, Decimal(days_in_month(key[0]))) or ZERO for key, total in sums.items()
    }


@dataclass(frozen=True)
class BucketUsage:
    """One bucket and storage class in one month: operations, and bytes as ``stored_byte_months`` counts them."""

    account: str
    bucket: str
    storage_class: str
    class_a: Decimal
    class_b: Decimal
    free: Decimal
    byte_months: Decimal
    is_sampled: bool


def bucket_usage(facts: Iterable[UsageFact]) -> list[BucketUsage]:
    """R2's facts of one month by account, bucket and storage class, in this order."""
    groups: dict[tuple[str, str, str], list[UsageFact]] = defaultdict(list)
    for fact in facts:
        if fact.metric in R2_METRICS:
            groups[fact.account, fact.bucket, fact.storage_class].append(fact)
    return [
        BucketUsage(
            *key,
            class_a=_sum(group, CLASS_A),
            class_b=_sum(group, CLASS_B),
            free=_sum(group, FREE),
            byte_months=exact_sum(stored_byte_months(group).values()),
            is_sampled=any(fact.is_sampled for fact in group),
        )
        for key, group in sorted(groups.items())
    ]


def _sum(facts: Iterable[UsageFact], metric: str) -> Decimal:
    return exact_sum(fact.quantity for fact in facts if fact.metric == metric)
