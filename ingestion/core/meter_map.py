"""Meters on bills: how a bill's line is recognised as one of a meter, and how an estimated line is named. Pure.

Source of the usage types: AWS, "Understanding data transfer charges" and real exports; internet egress appears
under many product codes (AmazonEC2, AmazonS3, AWSELB…), and CloudFront's own is another product's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from finops.core.focus import ServiceCategory
from ingestion.core.meters import AWS, METERS

_REGION = r"([A-Z]{2,4}[0-9]?-)?"
_UNITS = {
    ("bytes", "GB"): Decimal(2**30),
    ("bytes", "Bytes"): Decimal(1),
    ("hours", "Hrs"): Decimal(1),
    ("hours", "Hours"): Decimal(1),
}
"""A meter's unit and AWS's unit on the bill → how many of the meter's one of the bill's holds."""


@dataclass(frozen=True)
class BilledAs:
    """What a bill calls a meter.

    ``usage_type`` is a pattern of AWS's usage types, ``not_of`` the product codes whose lines are others'.
    ``is_on_whole_bill`` says that the provider's bill holds all that it charges, so that a meter without a
    line cost nothing; an invoice speaks only of what it names.
    """

    service_name: str
    service_category: ServiceCategory
    usage_type: str = ""
    not_of: frozenset[str] = frozenset()
    is_on_whole_bill: bool = False


def _aws(name: str, usage_type: str, not_of: frozenset[str] = frozenset()) -> BilledAs:
    return BilledAs(name, ServiceCategory.NETWORKING, usage_type, not_of, is_on_whole_bill=True)


_WORKERS = BilledAs("Workers", ServiceCategory.COMPUTE)
_R2 = BilledAs("R2", ServiceCategory.STORAGE)
_LOGPUSH = BilledAs("Logpush", ServiceCategory.MANAGEMENT)

METER_MAP: dict[str, BilledAs] = {
    "egress_bytes": _aws(
        "AWS Data Transfer",
        rf"{_REGION}DataTransfer-Out-Bytes",
        frozenset({"AmazonCloudFront"}),
    ),
    "inter_az_bytes": _aws("AWS Data Transfer", rf"{_REGION}DataTransfer-Regional-Bytes"),
    "nat_bytes": _aws("NAT Gateway", rf"{_REGION}NatGateway-Bytes"),
    "nat_hours": _aws("NAT Gateway", rf"{_REGION}NatGateway-Hours"),
    "edge_bytes": BilledAs("CDN", ServiceCategory.NETWORKING),
    "workers_plan": _WORKERS,
    "worker_requests": _WORKERS,
    "worker_cpu_us": _WORKERS,
    "worker_trace_events": _WORKERS,
    **{meter: _R2 for meter in METERS if meter.startswith("r2_")},
    **{meter: _LOGPUSH for meter in METERS if meter.startswith("logpush_")},
    "tsa_tokens": BilledAs("Time stamps", ServiceCategory.SECURITY),
}
"""Every meter by its id."""


def meter_of(provider: str, *, service_code: str, usage_type: str, sku: str) -> str:
    """The meter that a billed line is of; empty where it is of none.

    A line of AWS goes by its usage type; those of other providers bear the meter's id as usage type or SKU,
    which invoices that were entered here do.
    """
    if provider != AWS:
        named = (name for name in (usage_type, sku) if name in METERS)
        return next((name for name in named if METERS[name].provider != AWS), "")
    for meter, about in METER_MAP.items():
        if (
            about.usage_type
            and service_code not in about.not_of
            and re.fullmatch(about.usage_type, usage_type)
        ):
            return meter
    return ""


def in_units_of(meter: str, quantity: Decimal | None, unit: str) -> Decimal | None:
    """``quantity`` of a billed line in the meter's own unit; ``None`` where its unit says nothing."""
    own = METERS[meter].quantity_unit
    if quantity is None or (unit != own and (own, unit) not in _UNITS):
        return None
    return quantity * _UNITS.get((own, unit), Decimal(1))
