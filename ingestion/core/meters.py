"""Meters: what providers charge for, and in which quantity each is counted here. Pure.

A meter that usage is known for bears the name of that metric (``ingestion.core.usage``) and its unit.
"""

from __future__ import annotations

from dataclasses import dataclass

AWS = "Amazon Web Services"
CLOUDFLARE = "Cloudflare"
TSA = "TSA"
"""FOCUS ServiceProviderName; ``TSA`` stands for whoever answers time-stamp requests (RFC 3161)."""


@dataclass(frozen=True)
class Meter:
    """One thing that is charged for; ``quantity_unit`` is what its quantities are counted in."""

    id: str
    provider: str
    quantity_unit: str
    title: str


METERS: dict[str, Meter] = {
    meter.id: meter
    for meter in (
        Meter("egress_bytes", AWS, "bytes", "Data transfer out to the internet"),
        Meter("inter_az_bytes", AWS, "bytes", "Data transfer between zones, each way"),
        Meter("nat_bytes", AWS, "bytes", "Data that a NAT gateway processed"),
        Meter("nat_hours", AWS, "hours", "Hours of a NAT gateway"),
        Meter("edge_bytes", CLOUDFLARE, "bytes", "Bytes sent to eyeballs"),
        Meter("workers_plan", CLOUDFLARE, "accounts", "Workers Paid plan"),
        Meter("worker_requests", CLOUDFLARE, "requests", "Invocations of Workers"),
        Meter("worker_cpu_us", CLOUDFLARE, "µs", "CPU time of Workers"),
        Meter("worker_trace_events", CLOUDFLARE, "requests", "Workers trace events delivered"),
        Meter("r2_stored_bytes", CLOUDFLARE, "byte-months", "R2 Standard, storage"),
        Meter("r2_class_a", CLOUDFLARE, "operations", "R2 Standard, operations of class A"),
        Meter("r2_class_b", CLOUDFLARE, "operations", "R2 Standard, operations of class B"),
        Meter("r2_ia_stored_bytes", CLOUDFLARE, "byte-months", "R2 Infrequent Access, storage"),
        Meter("r2_ia_class_a", CLOUDFLARE, "operations", "R2 Infrequent Access, class A"),
        Meter("r2_ia_class_b", CLOUDFLARE, "operations", "R2 Infrequent Access, class B"),
        Meter("r2_ia_retrieved_bytes", CLOUDFLARE, "bytes", "R2 Infrequent Access, retrieval"),
        Meter("r2_egress_bytes", CLOUDFLARE, "bytes", "R2, data transfer to the internet"),
        Meter("logpush_internal_bytes", CLOUDFLARE, "bytes", "Logpush to R2 and Pipelines"),
        Meter("logpush_external_bytes", CLOUDFLARE, "bytes", "Logpush to anywhere else"),
        Meter("logpush_transformed_bytes", CLOUDFLARE, "bytes", "Logpush, logs transformed"),
        Meter("tsa_tokens", TSA, "tokens", "Time-stamp tokens"),
    )
}
"""Every meter by its id; an id is never reused by another provider."""
