"""Which CUR 2.0 column feeds which FOCUS column: the one table of columns. Pure.

Source: AWS Data Exports, table dictionary of CUR 2.0 (COST_AND_USAGE_REPORT), and FOCUS 1.2.
Columns are found by name; extra ones are ignored and missing ones leave their FOCUS column empty,
but for the few in ``REQUIRED`` without which a file is no CUR.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from finops.core.focus import ChargeCategory


class Kind(StrEnum):
    """How a column's text is read."""

    TEXT = "text"
    DECIMAL = "decimal"


@dataclass(frozen=True)
class Column:
    """One FOCUS column and the source columns that feed it: the first that is filled counts."""

    focus: str
    sources: tuple[str, ...]
    kind: Kind = Kind.TEXT
    default: str | None = None


COST = "line_item_unblended_cost"
"""The column whose sum is the source total (the bill before taxes are settled is unblended)."""

INTERVAL = "identity_time_interval"
USAGE_START = "line_item_usage_start_date"
USAGE_END = "line_item_usage_end_date"
TAGS = "tags"
RESOURCE_TAGS = "resource_tags"
PRODUCT = "product"
DEFAULT_CURRENCY = "USD"

COLUMNS: tuple[Column, ...] = (
    Column("billing_account_id", ("bill_payer_account_id",)),
    Column("billing_account_name", ("bill_payer_account_name",)),
    Column("sub_account_id", ("line_item_usage_account_id",)),
    Column("sub_account_name", ("line_item_usage_account_name",)),
    Column("invoice_id", ("bill_invoice_id",)),
    Column("invoice_issuer_name", ("bill_invoicing_entity", "line_item_legal_entity")),
    Column("billing_currency", ("line_item_currency_code",), default=DEFAULT_CURRENCY),
    Column("x_service_code", ("line_item_product_code", "product_servicecode")),
    Column("x_service_title", ("product_product_name",)),
    Column("region_id", ("product_region_code", "product_region", "product_from_region_code")),
    Column("availability_zone", ("line_item_availability_zone",)),
    Column("resource_id", ("line_item_resource_id",)),
    Column("sku_id", ("product_sku",)),
    Column("sku_price_id", ("pricing_rate_id",)),
    Column("charge_description", ("line_item_line_item_description",)),
    Column("pricing_unit", ("pricing_unit",)),
    Column("consumed_unit", ("pricing_unit",)),
    Column("x_line_item_type", ("line_item_line_item_type",)),
    Column("x_operation", ("line_item_operation",)),
    Column("x_usage_type", ("line_item_usage_type",)),
    Column("x_line_item_id", ("identity_line_item_id",)),
    # Until commitments are read (Savings Plans, reservations), what is charged on the line is its
    # effective and its contracted cost too: right in total, and per line on demand.
    Column("billed_cost", (COST,), Kind.DECIMAL, default="0"),
    Column("effective_cost", (COST,), Kind.DECIMAL, default="0"),
    Column("contracted_cost", (COST,), Kind.DECIMAL, default="0"),
    Column("list_cost", ("pricing_public_on_demand_cost",), Kind.DECIMAL),
    Column("consumed_quantity", ("line_item_usage_amount",), Kind.DECIMAL),
    Column("pricing_quantity", ("line_item_usage_amount",), Kind.DECIMAL),
)

REQUIRED: tuple[tuple[str, ...], ...] = (
    (COST,),
    ("line_item_product_code",),
    (INTERVAL, USAGE_START),
)
"""Each group names columns of which a file must have at least one."""

DECIMAL_SOURCES: tuple[str, ...] = tuple(
    dict.fromkeys(
        name for column in COLUMNS if column.kind is Kind.DECIMAL for name in column.sources
    )
)

QUANTITY_SOURCES: frozenset[str] = frozenset({"line_item_usage_amount"})

MAX_COST = 10**10
"""A line that costs more than this is damaged, not expensive; the database could not hold its sums."""

MAX_QUANTITY = 10**18
FIRST_YEAR, LAST_YEAR = 2000, 2100
"""A charge outside these years is a damaged one."""

SHOWN_IN_REJECTS: tuple[str, ...] = (
    "identity_time_interval",
    "bill_payer_account_id",
    "line_item_usage_account_id",
    "line_item_line_item_type",
    "line_item_product_code",
    "line_item_usage_type",
    "line_item_operation",
    "line_item_currency_code",
    "line_item_usage_start_date",
    "line_item_usage_end_date",
    "line_item_usage_amount",
    "line_item_unblended_cost",
    "pricing_public_on_demand_cost",
)
"""Columns of a rejected row that a person may read; the others are shown by their length only."""

LINE_TYPES: dict[str, ChargeCategory] = {
    "Usage": ChargeCategory.USAGE,
    "DiscountedUsage": ChargeCategory.USAGE,
    "SavingsPlanCoveredUsage": ChargeCategory.USAGE,
    "SavingsPlanNegation": ChargeCategory.USAGE,
    "SavingsPlanRecurringFee": ChargeCategory.PURCHASE,
    "SavingsPlanUpfrontFee": ChargeCategory.PURCHASE,
    "RIFee": ChargeCategory.PURCHASE,
    "Fee": ChargeCategory.PURCHASE,
    "Tax": ChargeCategory.TAX,
    "Credit": ChargeCategory.CREDIT,
    "Refund": ChargeCategory.ADJUSTMENT,
    "Discount": ChargeCategory.ADJUSTMENT,
    "EdpDiscount": ChargeCategory.ADJUSTMENT,
    "BundledDiscount": ChargeCategory.ADJUSTMENT,
    "PrivateRateDiscount": ChargeCategory.ADJUSTMENT,
}
"""AWS's line types; an open set. An unknown one is an Adjustment, counted and shown."""

CORRECTIONS: frozenset[str] = frozenset({"Refund"})
"""Line types whose FOCUS ChargeClass is Correction."""

UNKNOWN_LINE_TYPE = ChargeCategory.ADJUSTMENT
NO_LINE_TYPE = ChargeCategory.USAGE
"""A file without the column, or a row that leaves it empty, is usage."""


def header_problem(header: list[str]) -> str | None:
    """Why ``header`` is not that of a CUR 2.0 file, as a clause, or ``None`` where it is one."""
    if not all(name.strip() for name in header):
        return "has a column without a name"
    names = header
    folded = [name.lower() for name in names]
    if len(set(folded)) != len(folded):
        twice = next(name for name in names if folded.count(name.lower()) > 1)
        return f"names the column {twice!r} twice"
    missing = [" or ".join(group) for group in REQUIRED if not set(group) & set(names)]
    if missing:
        return f"lacks the column {missing[0]}"
    return None
