"""Which FOCUS column feeds which column of the lake: the one table, for FOCUS 1.0 to 1.4. Pure.

Source: FinOps Open Cost and Usage Specification, dataset "Cost and Usage", versions 1.0 to 1.4. Columns are found
by name, whatever their case; extra ones are ignored and missing ones leave their column of the lake empty, but for
those in ``REQUIRED``, without which a file is no FOCUS file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One text column of the lake and the FOCUS columns that feed it: the first that is filled counts."""

    lake: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Number:
    """One amount: its FOCUS column, its column of the lake, and whether it is money."""

    source: str
    lake: str
    is_cost: bool = True


PERIOD = "BillingPeriodStart"
START, END = "ChargePeriodStart", "ChargePeriodEnd"
CURRENCY = "BillingCurrency"
CATEGORY = "ChargeCategory"
COST = "BilledCost"
SERVICE_CATEGORY = "ServiceCategory"
CLASS = "ChargeClass"
TAGS = "Tags"
STATUS = "CommitmentDiscountStatus"
COMMITMENT_CATEGORY = "CommitmentDiscountCategory"
COMMITMENT = "CommitmentDiscountId"
FREQUENCY = "ChargeFrequency"

OWN_MARK = "x_AllocationRule"
"""A file with this column was exported by this product: it also has the columns in ``OWN``."""
OWN_POOL, OWN_LINE_TYPE, OWN_CATEGORY = "x_Pool", "x_LineItemType", "x_ServiceCategory"
OWN_TAGS: dict[str, str] = {
    "tenant": "x_TenantId",
    "environment": "x_Environment",
    "product": "x_Product",
    "team": "x_Team",
}
"""What an export of ours says of who bears a line, and the tag that it is read as; ``Tags`` itself goes first."""
OWN: tuple[str, ...] = (
    *(OWN_MARK, OWN_POOL, OWN_LINE_TYPE, OWN_CATEGORY),
    *OWN_TAGS.values(),
)

COLUMNS: tuple[Column, ...] = (
    Column(
        "service_provider_name",
        ("ServiceProviderName", "ProviderName", "PublisherName", "InvoiceIssuerName"),
    ),
    Column("service_name", ("ServiceName",)),
    Column("charge_description", ("ChargeDescription",)),
    Column("charge_frequency", (FREQUENCY,)),
    Column("pricing_category", ("PricingCategory",)),
    Column("billing_account_id", ("BillingAccountId",)),
    Column("billing_account_name", ("BillingAccountName",)),
    Column("sub_account_id", ("SubAccountId",)),
    Column("sub_account_name", ("SubAccountName",)),
    Column("invoice_id", ("InvoiceId",)),
    Column("invoice_issuer_name", ("InvoiceIssuerName",)),
    Column("region_id", ("RegionId",)),
    Column("availability_zone", ("AvailabilityZone",)),
    Column("resource_id", ("ResourceId",)),
    Column("sku_id", ("SkuId",)),
    Column("sku_price_id", ("SkuPriceId",)),
    Column("pricing_unit", ("PricingUnit",)),
    Column("consumed_unit", ("ConsumedUnit",)),
    Column("commitment_discount_id", (COMMITMENT,)),
    Column("commitment_discount_category", (COMMITMENT_CATEGORY,)),
    Column("commitment_discount_status", (STATUS,)),
    Column("commitment_discount_unit", ("CommitmentDiscountUnit",)),
    Column("x_service_code", ("x_ServiceCode",)),
    Column("x_operation", ("x_Operation",)),
    Column("x_usage_type", ("x_UsageType",)),
    Column("x_line_item_id", ("x_LineItemId",)),
)
"""Texts that are taken over."""

NUMBERS: tuple[Number, ...] = (
    Number(COST, "billed_cost"),
    Number("EffectiveCost", "effective_cost"),
    Number("ContractedCost", "contracted_cost"),
    Number("ListCost", "list_cost"),
    Number("ConsumedQuantity", "consumed_quantity", is_cost=False),
    Number("CommitmentDiscountQuantity", "commitment_discount_quantity", is_cost=False),
)

REQUIRED: tuple[tuple[str, ...], ...] = (
    (COST,),
    (CURRENCY,),
    (PERIOD,),
    (START,),
    (END,),
    (CATEGORY,),
    COLUMNS[0].sources,
)
"""Each group names columns of which a file must have at least one."""

PROVIDERS: dict[str, str] = {
    "AWS": "Amazon Web Services",
    "Amazon Web Services, Inc.": "Amazon Web Services",
    "Cloudflare, Inc.": "Cloudflare",
}
"""Names under which FOCUS files call a provider whose other bills have another one."""

MAX_COST = 10**10
"""A line that costs more than this is damaged, not expensive; the database could not hold its sums."""
MAX_QUANTITY = 10**18
FIRST_YEAR, LAST_YEAR = 2000, 2100
"""A charge outside these years is a damaged one."""

SHOWN_IN_REJECTS: tuple[str, ...] = (
    *(PERIOD, START, END, CATEGORY, CLASS, CURRENCY),
    *(number.source for number in NUMBERS),
    *("BillingAccountId", "SubAccountId", "ServiceName", "ChargeDescription", "SkuId"),
)
"""Columns of a rejected row that a person may read; the others are shown by their length only."""

_NAMES: dict[str, str] = {
    name.lower(): name
    for name in (
        *(source for column in COLUMNS for source in column.sources),
        *(number.source for number in NUMBERS),
        *(PERIOD, START, END, CURRENCY, CATEGORY, SERVICE_CATEGORY, CLASS, TAGS, *OWN),
    )
}

_SINCE_1_2 = frozenset({"invoiceid", "pricingcurrency", "billingaccounttype", "subaccounttype"})
_SINCE_1_1 = frozenset(
    {
        *("capacityreservationid", "capacityreservationstatus", "commitmentdiscountquantity"),
        *("commitmentdiscountunit", "servicesubcategory", "skumeter", "skupricedetails"),
    }
)


def used_name(name: str) -> str | None:
    """The FOCUS name of a header's column that feeds anything, ``None`` for one that does not."""
    return _NAMES.get(name.strip().lower())


def version(header: Sequence[str]) -> str:
    """The FOCUS version that ``header`` is of, told by columns that came and went."""
    names = {name.strip().lower() for name in header}
    if "serviceprovidername" in names:
        return "1.3" if names & {"providername", "publishername"} else "1.4"
    if names & _SINCE_1_2:
        return "1.2"
    return "1.1" if names & _SINCE_1_1 else "1.0"


def header_problem(header: Sequence[str]) -> str | None:
    """Why ``header`` is not that of FOCUS charges, as a clause, or ``None`` where it is."""
    used = [name for name in map(used_name, header) if name]
    if len(set(used)) != len(used):
        twice = next(name for name in used if used.count(name) > 1)
        return f"names the column {twice!r} twice"
    missing = [" or ".join(group) for group in REQUIRED if not set(group) & set(used)]
    return f"lacks the column {missing[0]}" if missing else None


def is_charges(header: Sequence[str]) -> bool:
    """Whether ``header`` is at all of the dataset Cost and Usage, be it incomplete."""
    used = {used_name(name) for name in header}
    return COST in used or {START, CATEGORY} <= used


def other_separator(header: Sequence[str]) -> str:
    """What separates the columns of a FOCUS header that was split at commas in vain; empty where nothing does."""
    whole = ",".join(header)
    return next((sign for sign in ";\t|" if is_charges(whole.split(sign))), "")
