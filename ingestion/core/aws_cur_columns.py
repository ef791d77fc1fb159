"""Which CUR column feeds which FOCUS column: the one table of columns, for every form of the CUR. Pure.

Source: AWS Data Exports, table dictionary of CUR 2.0 (COST_AND_USAGE_REPORT); AWS CUR user guide, data
dictionary (legacy names) and FOCUS 1.2. Names here are those of CUR 2.0; ``canonical_name`` brings the
legacy spelling ``lineItem/UnblendedCost`` to them, and the snake-case variants carry them already.
Columns are found by name; extra ones are ignored and missing ones leave their FOCUS column empty,
but for the few in ``REQUIRED`` without which a file is no CUR.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One FOCUS text column and the source columns that feed it: the first that is filled counts."""

    focus: str
    sources: tuple[str, ...]
    default: str | None = None


COST = "line_item_unblended_cost"
NET_COST = "line_item_net_unblended_cost"
LIST_COST = "pricing_public_on_demand_cost"
USAGE = "line_item_usage_amount"
LINE_TYPE = "line_item_line_item_type"
INTERVAL = "identity_time_interval"
USAGE_START = "line_item_usage_start_date"
USAGE_END = "line_item_usage_end_date"
CURRENCY = "line_item_currency_code"
TAGS = "tags"
RESOURCE_TAGS = "resource_tags"
PRODUCT = "product"
DEFAULT_CURRENCY = "USD"

PLAN = "savings_plan_savings_plan_a_r_n"
PLAN_EFFECTIVE = "savings_plan_savings_plan_effective_cost"
PLAN_NET_EFFECTIVE = "savings_plan_net_savings_plan_effective_cost"
PLAN_COMMITMENT = "savings_plan_total_commitment_to_date"
PLAN_USED = "savings_plan_used_commitment"
RESERVATION = "reservation_reservation_a_r_n"
RESERVATION_EFFECTIVE = "reservation_effective_cost"
RESERVATION_NET_EFFECTIVE = "reservation_net_effective_cost"
UNUSED_UPFRONT = "reservation_unused_amortized_upfront_fee_for_billing_period"
UNUSED_NET_UPFRONT = "reservation_net_unused_amortized_upfront_fee_for_billing_period"
UNUSED_RECURRING = "reservation_unused_recurring_fee"
UNUSED_NET_RECURRING = "reservation_net_unused_recurring_fee"
NORMALIZED_USAGE = "line_item_normalized_usage_amount"
UNUSED_QUANTITY = "reservation_unused_quantity"
UNUSED_NORMALIZED = "reservation_unused_normalized_unit_quantity"
SPLIT_PARENT = "split_line_item_parent_resource_id"

COLUMNS: tuple[Column, ...] = (
    Column("billing_account_id", ("bill_payer_account_id",)),
    Column("billing_account_name", ("bill_payer_account_name",)),
    Column("sub_account_id", ("line_item_usage_account_id",)),
    Column("sub_account_name", ("line_item_usage_account_name",)),
    Column("invoice_id", ("bill_invoice_id",)),
    Column("invoice_issuer_name", ("bill_invoicing_entity", "line_item_legal_entity")),
    Column("billing_currency", (CURRENCY,), default=DEFAULT_CURRENCY),
    Column("x_service_code", ("line_item_product_code", "product_servicecode")),
    Column("region_id", ("product_region_code", "product_region", "product_from_region_code")),
    Column("availability_zone", ("line_item_availability_zone",)),
    Column("resource_id", ("line_item_resource_id",)),
    Column("sku_id", ("product_sku",)),
    Column("sku_price_id", ("pricing_rate_id",)),
    Column("charge_description", ("line_item_line_item_description",)),
    Column("pricing_unit", ("pricing_unit",)),
    Column("x_line_item_type", (LINE_TYPE,)),
    Column("x_operation", ("line_item_operation",)),
    Column("x_usage_type", ("line_item_usage_type",)),
    Column("x_line_item_id", ("identity_line_item_id",)),
)
"""Texts that are taken over; amounts are in ``NUMBERS`` and ``ingestion.core.aws_cur_costs``."""

TITLES: tuple[str, ...] = ("product_product_name",)
"""AWS's own name of the product, where a form has a column of its own for it."""


@dataclass(frozen=True)
class Number:
    """An amount as printed; ``types`` are the line types on which it is read, empty: on all."""

    source: str
    types: tuple[str, ...] = ()
    is_cost: bool = True


COVERED = "SavingsPlanCoveredUsage"
NEGATION = "SavingsPlanNegation"
PLAN_FEE = "SavingsPlanRecurringFee"
PLAN_UPFRONT = "SavingsPlanUpfrontFee"
RESERVED = "DiscountedUsage"
RESERVATION_FEE = "RIFee"
FEE = "Fee"

NUMBERS: tuple[Number, ...] = (
    Number(COST),
    Number(NET_COST),
    Number(LIST_COST),
    Number(USAGE, is_cost=False),
    Number(PLAN_EFFECTIVE, (COVERED,)),
    Number(PLAN_NET_EFFECTIVE, (COVERED,)),
    Number(PLAN_COMMITMENT, (PLAN_FEE,)),
    Number(PLAN_USED, (PLAN_FEE,)),
    Number(RESERVATION_EFFECTIVE, (RESERVED,)),
    Number(RESERVATION_NET_EFFECTIVE, (RESERVED,)),
    Number(UNUSED_UPFRONT, (RESERVATION_FEE,)),
    Number(UNUSED_NET_UPFRONT, (RESERVATION_FEE,)),
    Number(UNUSED_RECURRING, (RESERVATION_FEE,)),
    Number(UNUSED_NET_RECURRING, (RESERVATION_FEE,)),
    Number(NORMALIZED_USAGE, (RESERVED, RESERVATION_FEE), is_cost=False),
    Number(UNUSED_QUANTITY, (RESERVATION_FEE,), is_cost=False),
    Number(UNUSED_NORMALIZED, (RESERVATION_FEE,), is_cost=False),
)

REQUIRED: tuple[tuple[str, ...], ...] = (
    (COST,),
    ("line_item_product_code",),
    (INTERVAL, USAGE_START),
)
"""Each group names columns of which a file must have at least one."""

MAX_COST = 10**10
"""A line that costs more than this is damaged, not expensive; the database could not hold its sums."""

MAX_QUANTITY = 10**18
FIRST_YEAR, LAST_YEAR = 2000, 2100
"""A charge outside these years is a damaged one."""

SHOWN_IN_REJECTS: tuple[str, ...] = (
    INTERVAL,
    "bill_payer_account_id",
    "line_item_usage_account_id",
    LINE_TYPE,
    "line_item_product_code",
    "line_item_usage_type",
    "line_item_operation",
    CURRENCY,
    USAGE_START,
    USAGE_END,
    USAGE,
    COST,
    NET_COST,
    LIST_COST,
)
"""Columns of a rejected row that a person may read; the others are shown by their length only."""

_OTHERS: tuple[str, ...] = (
    INTERVAL,
    USAGE_START,
    USAGE_END,
    TAGS,
    RESOURCE_TAGS,
    PRODUCT,
    PLAN,
    RESERVATION,
    SPLIT_PARENT,
)
USED: frozenset[str] = frozenset(
    [name for column in COLUMNS for name in column.sources]
    + [number.source for number in NUMBERS]
    + [*TITLES, *_OTHERS]
)
"""Every canonical name that feeds anything."""

_LEGACY_TAG = re.compile(r"resourceTags/.+", re.IGNORECASE)
_SNAKE_TAG = re.compile(r"resource_tags_(user|aws)_.+")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def canonical_name(name: str) -> str:
    """``lineItem/UnblendedCost`` and ``line_item_unblended_cost`` as the latter.

    Legacy tag columns (``resourceTags/user:Team``) keep their name: the key is in it.
    """
    bare = name.strip()
    if "/" not in bare or _LEGACY_TAG.fullmatch(bare):
        return bare
    return "_".join(_CAPITAL.sub("_", part).lower() for part in bare.split("/", 1))


def is_tag_column(name: str) -> bool:
    """Whether the column holds the values of one tag, as legacy forms have it."""
    return bool(_LEGACY_TAG.fullmatch(name.strip()) or _SNAKE_TAG.fullmatch(name.strip()))


def tag_key(name: str) -> tuple[str, str]:
    """Of a tag column: which map column of CUR 2.0 it stands for, and the key within."""
    bare = name.strip()
    if _LEGACY_TAG.fullmatch(bare):
        return TAGS, bare
    return RESOURCE_TAGS, bare.removeprefix("resource_tags_")


def is_used(name: str) -> bool:
    """Whether the header's column ``name`` feeds anything."""
    return is_tag_column(name) or canonical_name(name) in USED


def is_legacy(header: Sequence[str]) -> bool:
    """Whether the header is of the legacy CUR: slashes, or a column for each tag."""
    return any("/" in name or is_tag_column(name) for name in header)


def header_problem(header: Sequence[str]) -> str | None:
    """Why ``header`` is not that of a CUR file, as a clause, or ``None`` where it is one."""
    if not all(name.strip() for name in header):
        return "has a column without a name"
    used = [canonical_name(name) for name in header if is_used(name)]
    if len(set(used)) != len(used):
        twice = next(name for name in used if used.count(name) > 1)
        return f"names the column {twice!r} twice"
    missing = [" or ".join(group) for group in REQUIRED if not set(group) & set(used)]
    if missing:
        return f"lacks the column {missing[0]}"
    return None
