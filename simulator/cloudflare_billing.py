"""What Cloudflare says will be billed of the simulated company, a record a metric and day (FOCUS 1.3). Pure.

It counts what the analytics estimate from samples, so the two differ by some tenths of a per cent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from simulator import cloudflare_usage as usage
from simulator import seeded

_CLASS_A = {"PutObject", "UploadPart", "ListObjects", "CompleteMultipartUpload"}
_CLASS_B = {"GetObject", "HeadObject"}
_REFUSED = {401, 403}
_METRICS = {
    "workers_requests": ("Workers Standard Requests", "Workers", "Requests"),
    "workers_cpu_ms": ("Workers Standard CPU Time", "Workers", "Milliseconds"),
    "r2_class_a": ("R2 Class A Operations", "R2", "Operations"),
    "r2_class_b": ("R2 Class B Operations", "R2", "Operations"),
}


def records(seed: int, first: date, last: date, now: datetime) -> list[dict[str, Any]]:
    """The records of the days from ``first`` to ``last``; of today what there is by ``now``."""
    found = []
    for ordinal in range(first.toordinal(), min(last, now.date()).toordinal() + 1):
        day = date.fromordinal(ordinal)
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        end = start + timedelta(days=1)
        amounts = _amounts(seed, day) if end <= now else _counted(seed, start, now)
        found += [_record(seed, start, end, name, amount) for name, amount in amounts]
    return found


@lru_cache(maxsize=200)
def _amounts(seed: int, day: date) -> tuple[tuple[str, int], ...]:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return _counted(seed, start, start + timedelta(days=1))


def _counted(seed: int, start: datetime, end: datetime) -> tuple[tuple[str, int], ...]:
    sums = dict.fromkeys(_METRICS, 0)
    for name, amount in _each(seed, start, end):
        sums[name] += amount
    day = start.date().isoformat()
    return tuple(
        (name, amount * seeded.between(seed, "billed", name, day, low=9970, high=10030) // 10_000)
        for name, amount in sums.items()
    )


def _each(seed: int, start: datetime, end: datetime) -> Iterator[tuple[str, int]]:
    for sample in usage.workers(seed, start, end):
        figures = dict(sample.figures)
        yield "workers_requests", figures["requests"]
        yield "workers_cpu_ms", figures["cpuTimeUs"] // 1000
    for sample in usage.r2_operations(seed, start, end):
        about, count = dict(sample.about), dict(sample.figures)["requests"]
        if about["responseStatusCode"] in _REFUSED:
            continue
        if about["actionType"] in _CLASS_A:
            yield "r2_class_a", count
        elif about["actionType"] in _CLASS_B:
            yield "r2_class_b", count


def _record(seed: int, start: datetime, end: datetime, name: str, amount: int) -> dict[str, Any]:
    title, family, unit = _METRICS[name]
    return {
        "BillingAccountId": usage.account_id(seed),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{title} usage",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "ChargePeriodEnd": f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "ConsumedQuantity": amount,
        "ConsumedUnit": unit,
        "HostProviderName": "Cloudflare",
        "InvoiceIssuerName": "Cloudflare",
        "ServiceProviderName": "Cloudflare",
        "x_BillableMetricId": name,
        "x_BillableMetricName": title,
        "x_ProductFamilyName": family,
    }
