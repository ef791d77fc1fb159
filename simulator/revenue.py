"""The company's invoices of a month as a CSV file: net amounts in USD, two decimals, per tenant.

Columns: ``tenant`` (slug), ``service_start`` (first day), ``service_end`` (the day after the last),
``amount``, ``currency``, ``invoice_id``. A credit note is a negative amount.
"""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import PurePosixPath

from simulator import company, seeded
from simulator.company import Billing, Tenant
from simulator.cur import SimulatedFile
from simulator.lines import months_between, next_month

_CENT = Decimal("0.01")
_CREDIT_NOTE = Decimal("-1450.00")
_CREDIT_NOTE_TENANT = "kestrel-payments"
_GROWTH_A_MONTH = Decimal("0.01")


@dataclass(frozen=True)
class Invoice:
    """One row: ``amount`` in USD net of tax for the days from start up to, not including, end."""

    tenant: str
    service_start: date
    service_end: date
    amount: Decimal
    currency: str
    invoice_id: str


def invoices(seed: int, origin: datetime, month: datetime) -> tuple[Invoice, ...]:
    """What is invoiced in ``month``, for a company first simulated in the month of ``origin``.

    Annual tenants are invoiced twelve months ahead, in the first month and each twelfth after it.
    The second month has one credit note about the first.
    """
    number = months_between(origin, month)
    start, end = month.date(), next_month(month).date()
    found = []
    for place, tenant in enumerate(company.TENANTS, start=1):
        invoice_id = f"INV-{month:%Y-%m}-{place:04d}"
        amount = _monthly(seed, tenant, number)
        service_end = end
        if tenant.billing is Billing.ANNUAL:
            if number % 12:
                continue
            amount, service_end = amount * 12, start.replace(year=start.year + 1)
        found.append(Invoice(tenant.slug, start, service_end, amount, company.CURRENCY, invoice_id))
    if number == 1:
        found.append(
            Invoice(
                _CREDIT_NOTE_TENANT,
                origin.date(),
                start,
                _CREDIT_NOTE,
                company.CURRENCY,
                f"CN-{month:%Y-%m}-0001",
            )
        )
    return tuple(found)


def revenue_file(seed: int, origin: datetime, month: datetime) -> SimulatedFile:
    """The revenue file of ``month``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Invoice)])
    writer.writerows(astuple(invoice) for invoice in invoices(seed, origin, month))
    return SimulatedFile(
        PurePosixPath("revenue") / f"revenue-{month:%Y-%m}.csv",
        text.getvalue().encode(),
    )


def _monthly(seed: int, tenant: Tenant, number: int) -> Decimal:
    amount = tenant.revenue
    if tenant.billing is Billing.METERED:
        drift = seeded.between(seed, "metered", tenant.slug, number, low=-250, high=250)
        amount *= 1 + _GROWTH_A_MONTH * number + Decimal(drift) / 10_000
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)
