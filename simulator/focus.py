"""A database vendor's bill in FOCUS 1.2: Snowline, which some tenants' clusters and a shared one run on.

Source of the format: FinOps Open Cost and Usage Specification 1.2, "Cost and Usage". Each month is one CSV file,
written anew with every delivery and for the last time, invoiced, when the month is closed. Charges are daily; the
support plan is bought once a month. Money is US dollars with four decimals.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath

from simulator import company, seeded
from simulator.cur import SimulatedFile
from simulator.lines import next_month

VENDOR, LEGAL_ENTITY = "Snowline", "Snowline Database, Inc."
ORGANISATION = "org-meridian"
SUPPORT_PLAN = Decimal("240.00")
CUSTOMERS = (
    *("northwind-labs", "acme-corp", "harborline-freight", "bluepeak-energy"),
    *("kestrel-payments", "quartz-insurance"),
)
"""Tenants with a cluster of their own."""
SHARED = "platform-catalogue"
_HOUR_RATE = Decimal("0.0900")
_GB_RATE = Decimal("0.0080")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Charge:
    """One row: ``cost`` in USD, ``tenant`` empty where nobody's, times aware and half-open."""

    start: datetime
    end: datetime
    category: str
    description: str
    resource: str
    tenant: str
    quantity: Decimal
    unit: str
    unit_price: Decimal

    @property
    def cost(self) -> Decimal:
        """Exact."""
        return self.quantity * self.unit_price


def charges(seed: int, month: datetime, until: datetime) -> Iterator[Charge]:
    """The charges of ``month`` for its whole days before ``until`` (aware, UTC)."""
    end = next_month(month)
    if until <= month:
        return
    yield Charge(
        *(month, end, "Purchase", "Support plan", "", ""),
        *(Decimal(1), "Months", SUPPORT_PLAN),
    )
    day = month
    while day + _DAY <= min(end, until):
        for name in (*CUSTOMERS, SHARED):
            tenant = "" if name == SHARED else name
            nodes = 2 + seeded.between(seed, "snowline", name, low=0, high=2)
            stored = seeded.between(seed, "snowline", name, f"{day:%Y-%m-%d}", low=300, high=420)
            cluster = f"cluster-{name}"
            yield Charge(
                *(day, day + _DAY, "Usage", "Cluster node hours", cluster, tenant),
                *(Decimal(24 * nodes), "Hours", _HOUR_RATE),
            )
            yield Charge(
                *(day, day + _DAY, "Usage", "Storage", cluster, tenant),
                *(Decimal(stored), "GB-Days", _GB_RATE),
            )
        day += _DAY


def focus_file(seed: int, month: datetime, until: datetime, invoice_id: str) -> SimulatedFile:
    """The month as delivered; ``invoice_id`` is empty while it is open."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, charge in enumerate(charges(seed, month, until)):
        row = _row(charge, month, invoice_id)
        if number == 0:
            writer.writerow(row)
        writer.writerow(row.values())
    path = PurePosixPath("focus") / "snowline" / f"snowline-{month:%Y-%m}.csv"
    return SimulatedFile(path, text.getvalue().encode())


def _row(charge: Charge, month: datetime, invoice_id: str) -> dict[str, str]:
    cost, is_use = f"{charge.cost:.4f}", charge.category == "Usage"
    tags = {"tenant": charge.tenant, "environment": "production"} if charge.tenant else {}
    return {
        "BilledCost": cost,
        "BillingAccountId": ORGANISATION,
        "BillingAccountName": company.COMPANY,
        "BillingCurrency": company.CURRENCY,
        "BillingPeriodEnd": _moment(next_month(month)),
        "BillingPeriodStart": _moment(month),
        "ChargeCategory": charge.category,
        "ChargeClass": "",
        "ChargeDescription": charge.description,
        "ChargeFrequency": "Usage-Based" if is_use else "Recurring",
        "ChargePeriodEnd": _moment(charge.end),
        "ChargePeriodStart": _moment(charge.start),
        "ConsumedQuantity": f"{charge.quantity}" if is_use else "",
        "ConsumedUnit": charge.unit if is_use else "",
        "ContractedCost": cost,
        "ContractedUnitPrice": f"{charge.unit_price}",
        "EffectiveCost": cost,
        "InvoiceId": invoice_id,
        "InvoiceIssuerName": LEGAL_ENTITY,
        "ListCost": cost,
        "ListUnitPrice": f"{charge.unit_price}",
        "PricingCategory": "Standard",
        "PricingCurrency": company.CURRENCY,
        "PricingQuantity": f"{charge.quantity}",
        "PricingUnit": charge.unit,
        "ProviderName": VENDOR,
        "PublisherName": VENDOR,
        "RegionId": "aws-us-east-1",
        "RegionName": "US East",
        "ResourceId": charge.resource,
        "ResourceName": charge.resource,
        "ResourceType": "Cluster" if charge.resource else "",
        "ServiceCategory": "Databases" if is_use else "Other",
        "ServiceName": "Snowline Cluster" if is_use else "Snowline Support",
        "SubAccountId": "project-production",
        "SubAccountName": "Production",
        "Tags": json.dumps(tags),
    }


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
