"""One charge line as the lake holds it, for readers that make lines in Python. Pure.

Column names are those of FOCUS 1.2 in snake_case; ``docs/reference/lake.md`` says what each means. A source
of millions of lines types them in the engine instead (``ingestion.core.aws_cur_sql``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from finops.core.focus import ChargeCategory, Granularity, ServiceCategory

CORRECTION = "Correction"


@dataclass(frozen=True)
class ChargeLine:
    """A charge; amounts in ``billing_currency`` with at most 18 decimals, times aware and half-open.

    ``contracted_cost`` ``None`` means: as billed. ``x_line_item_type`` is in AWS's words (Usage, Fee, Tax,
    Credit, Refund, Discount), by which the bridge from billed to effective cost knows its steps. ``tags``
    are the key that allocation looks at. ``x_pool`` names a shared pool that bears the line; a pool has no
    tenant. ``x_derived`` is filled on a line that the source implies but does not hold.
    """

    billing_period_start: date
    charge_period_start: datetime
    charge_period_end: datetime
    granularity: Granularity
    service_provider_name: str
    service_name: str
    service_category: ServiceCategory
    billed_cost: Decimal
    effective_cost: Decimal
    billing_currency: str
    charge_category: ChargeCategory = ChargeCategory.USAGE
    charge_class: str = ""
    charge_description: str = ""
    charge_frequency: str = "Usage-Based"
    pricing_category: str = "Standard"
    contracted_cost: Decimal | None = None
    list_cost: Decimal | None = None
    consumed_quantity: Decimal | None = None
    consumed_unit: str = ""
    pricing_unit: str = ""
    billing_account_id: str = ""
    billing_account_name: str = ""
    sub_account_id: str = ""
    sub_account_name: str = ""
    invoice_id: str = ""
    invoice_issuer_name: str = ""
    region_id: str = ""
    availability_zone: str = ""
    resource_id: str = ""
    sku_id: str = ""
    sku_price_id: str = ""
    commitment_discount_id: str = ""
    commitment_discount_category: str = ""
    commitment_discount_status: str = ""
    commitment_discount_quantity: Decimal | None = None
    commitment_discount_unit: str = ""
    x_service_code: str = ""
    x_line_item_type: str = "Usage"
    x_operation: str = ""
    x_usage_type: str = ""
    x_line_item_id: str = ""
    x_pool: str = ""
    x_derived: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
