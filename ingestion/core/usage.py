"""Usage: what was caused, hour by hour, before anybody bills it. Pure.

A fact is one quantity of one metric in one hour (UTC), about whatever the source can tell apart. Money is
no part of it: price lists make money of quantities, and the bill has the last word.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True)
class Metric:
    """What is counted. ``is_level`` is a level that is looked at (stored bytes), not a flow that adds up."""

    id: str
    unit: str
    title: str
    is_level: bool = False


METRICS: dict[str, Metric] = {
    metric.id: metric
    for metric in (
        Metric("requests", "requests", "Requests at the edge, by eyeballs"),
        Metric("cache_requests", "requests", "Requests and subrequests, by what the cache did"),
        Metric(
            "cache_status_requests", "requests", "Responses, by what a cache before Cloudflare said"
        ),
        Metric("cache_status_stored", "requests", "Responses that such a cache stored"),
        Metric(
            "cache_status_collapsed",
            "requests",
            "Responses that such a cache gave to several at once",
        ),
        Metric(
            "cache_status_unreadable", "requests", "Responses whose Cache-Status cannot be read"
        ),
        Metric("edge_bytes", "bytes", "Bytes sent to eyeballs"),
        Metric("cache_bytes", "bytes", "Bytes that the cache returned"),
        Metric("origin_bytes", "bytes", "Bytes that the origin served"),
        Metric("subrequests", "requests", "Subrequests of Workers"),
        Metric("worker_requests", "requests", "Invocations of Workers"),
        Metric("worker_errors", "requests", "Invocations of Workers that failed"),
        Metric("worker_cpu_us", "µs", "CPU time of Workers"),
        Metric("worker_wall_us", "µs", "Wall time of Workers"),
        Metric(
            "worker_cpu_us_p50", "µs", "CPU time of a Worker's invocation, median", is_level=True
        ),
        Metric(
            "worker_cpu_us_p99", "µs", "CPU time of an invocation, 99th percentile", is_level=True
        ),
        Metric("r2_class_a", "operations", "R2 operations of class A"),
        Metric("r2_class_b", "operations", "R2 operations of class B"),
        Metric("r2_free", "operations", "R2 operations that are free"),
        Metric("r2_stored_bytes", "bytes", "Bytes stored in R2, peak of the day", is_level=True),
        Metric("zone_requests", "requests", "Requests of a zone, as its analytics estimate them"),
        Metric(
            "zone_edge_bytes", "bytes", "Bytes to eyeballs, as the zone's analytics estimate them"
        ),
    )
}
"""Every metric by its id."""


@dataclass(frozen=True)
class UsageFact:
    """One quantity in one hour; texts are empty where the source does not tell them apart.

    ``hour`` is an aware UTC time on the hour; ``is_sampled`` marks an estimate from a sample, whether
    scaled by us or by the vendor.
    """

    hour: datetime
    metric: str
    quantity: Decimal
    account: str = ""
    zone: str = ""
    host: str = ""
    path_prefix: str = ""
    cache_status: str = ""
    script: str = ""
    bucket: str = ""
    storage_class: str = ""
    is_sampled: bool = False
