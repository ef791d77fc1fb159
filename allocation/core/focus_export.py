"""The ledger's charge lines as FOCUS 1.2 and 1.4: the table of columns and the statement over it. Pure.

Source: FinOps Open Cost and Usage Specification 1.2 and 1.4, dataset "Cost and Usage". A missing value is null, an
amount a plain decimal, a time ISO 8601 in UTC. What FOCUS does not name carries ``x_`` and PascalCase. 1.4 drops
ProviderName and PublisherName, and says in its own columns who bears a line (``Allocated…``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from allocation.core.keys import DIMENSIONS
from finops.core.dialect import literal
from finops.core.focus import ChargeCategory

VERSIONS = ("1.2", "1.4")


class FileFormat(StrEnum):
    """The forms of an export."""

    CSV = "csv"
    PARQUET = "parquet"


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    AMOUNT = "amount"
    TIME = "time"


@dataclass(frozen=True)
class Column:
    """One column: its FOCUS name, its expression over a charge line, and the versions that have it."""

    name: str
    expression: str
    kind: Kind = Kind.TEXT
    versions: tuple[str, ...] = VERSIONS


_USED_UP = f"charge_category IN ('{ChargeCategory.USAGE}', '{ChargeCategory.PURCHASE}')"
_IS_USE = f"charge_category = '{ChargeCategory.USAGE}' AND commitment_discount_status <> 'Unused'"
_AWS = "service_provider_name = 'Amazon Web Services'"
_CONSUMED = f"CASE WHEN {_IS_USE} AND consumed_unit <> '' THEN consumed_quantity END"
_CONTRACTED = "coalesce(contracted_cost, billed_cost)"
_COUNTED = "coalesce(CASE WHEN consumed_unit <> '' THEN consumed_quantity END, 1)"
# A unit price is never negative: what is given back is a negative quantity.
_QUANTITY = f"CASE WHEN NOT ({_USED_UP}) THEN NULL WHEN {_CONTRACTED} < 0 THEN -abs({_COUNTED}) ELSE {_COUNTED} END"
_UNIT = (
    f"CASE WHEN NOT ({_USED_UP}) THEN NULL WHEN consumed_quantity IS NOT NULL AND consumed_unit <> '' "
    "THEN consumed_unit ELSE 'Unit' END"
)
_LISTED = "coalesce(list_cost, contracted_cost, billed_cost)"
_FREQUENCY = (
    f"CASE WHEN charge_category = '{ChargeCategory.USAGE}' THEN 'Usage-Based' ELSE 'One-Time' END"
)
"""Of a charge whose bill names none."""
_CSV_GUARD = r"^[=+@\t\r-]"
_ISO = "%Y-%m-%dT%H:%M:%SZ"


def _text(name: str, lake: str, *others: str, versions: tuple[str, ...] = VERSIONS) -> Column:
    filled = ", ".join(f"nullif({one}, '')" for one in (lake, *others))
    return Column(name, f"coalesce({filled}, NULL)", versions=versions)


def _committed(name: str, expression: str, kind: Kind = Kind.TEXT) -> Column:
    return Column(name, f"CASE WHEN commitment_discount_id <> '' THEN {expression} END", kind)


def _plain(amount: str) -> str:
    """A DECIMAL(38,18) as plain text without trailing zeros."""
    return f"rtrim(rtrim(CAST(CAST({amount} AS DECIMAL(38,18)) AS VARCHAR), '0'), '.')"


def _allocated_tags() -> str:
    pairs = ", ".join(f"{literal(name)}, nullif({name}, '')" for name in DIMENSIONS)
    return f"CAST(json_merge_patch('{{}}', json_object({pairs})) AS VARCHAR)"


def _unit_price(cost: str) -> str:
    """``cost`` by unit priced, in whole numbers: the engine would divide decimals as floats.

    18 decimals of costs below 100, 9 of larger ones, cut off; null where nothing is priced by quantity, and where
    cost and quantity have different signs, because a price is not negative.
    """

    def whole(amount: str) -> str:
        return (
            f"CAST(replace(CAST(CAST({amount} AS DECIMAL(38,18)) AS VARCHAR), '.', '') AS HUGEINT)"
        )

    cost_units, units = whole(cost), whole(_QUANTITY)
    fine, coarse = (
        f"CAST(({cost_units} * CAST(1{'0' * places} AS HUGEINT)) // {units} AS DECIMAL(38,0)) "
        f"* CAST(0.{'0' * (places - 1)}1 AS DECIMAL({places},{places}))"
        for places in (18, 9)
    )
    return (
        f"CASE WHEN coalesce({_QUANTITY}, 0) = 0 THEN NULL "
        f"WHEN {cost} <> 0 AND ({cost} < 0) <> (({_QUANTITY}) < 0) THEN NULL WHEN abs({cost}) < 100 "
        f"THEN CAST({fine} AS DECIMAL(38,18)) ELSE CAST({coarse} AS DECIMAL(38,18)) END"
    )


def _method_details() -> str:
    """FOCUS AllocatedMethodDetails: one element, because a line has one bearer; our confidence is within."""
    unit = "coalesce(CAST(to_json(nullif(consumed_unit, '')) AS VARCHAR), 'null')"
    parts = (
        """'{"Elements":[{"AllocatedRatio":1,"UsageUnit":'""",
        unit,
        """',"UsageQuantity":'""",
        f"coalesce(CASE WHEN consumed_unit <> '' THEN {_plain('consumed_quantity')} END, 'null')",
        """',"x_Confidence":'""",
        "CAST(tenant_confidence AS VARCHAR)",
        """',"x_Rule":'""",
        "CAST(to_json(tenant_rule) AS VARCHAR)",
        """'}]}'""",
    )
    return " || ".join(parts)


_TENANT = "tenant <> ''"
_ARN_TYPE = r"^arn:[^:]*:([^:]*):[^:]*:[^:]*:([a-zA-Z-]+)[/:]"

COLUMNS: tuple[Column, ...] = (
    _text("AvailabilityZone", "availability_zone"),
    Column("BilledCost", "billed_cost", Kind.AMOUNT),
    _text("BillingAccountId", "billing_account_id", "source"),
    _text("BillingAccountName", "billing_account_name", "billing_account_id", "source"),
    Column("BillingAccountType", f"CASE WHEN {_AWS} THEN 'Payer Account' ELSE 'Account' END"),
    Column("BillingCurrency", "billing_currency"),
    Column(
        "BillingPeriodEnd",
        "CAST(billing_period_start AS TIMESTAMP) + INTERVAL 1 MONTH",
        Kind.TIME,
    ),
    Column("BillingPeriodStart", "CAST(billing_period_start AS TIMESTAMP)", Kind.TIME),
    _text("CapacityReservationId", "''"),
    _text("CapacityReservationStatus", "''"),
    Column("ChargeCategory", "charge_category"),
    _text("ChargeClass", "charge_class"),
    _text("ChargeDescription", "charge_description"),
    _text("ChargeFrequency", "charge_frequency", _FREQUENCY),
    Column("ChargePeriodEnd", "charge_period_end", Kind.TIME),
    Column("ChargePeriodStart", "charge_period_start", Kind.TIME),
    _committed("CommitmentDiscountCategory", "nullif(commitment_discount_category, '')"),
    _text("CommitmentDiscountId", "commitment_discount_id"),
    _text("CommitmentDiscountName", "commitment_discount_id"),
    _committed("CommitmentDiscountQuantity", "commitment_discount_quantity", Kind.AMOUNT),
    _committed("CommitmentDiscountStatus", "nullif(commitment_discount_status, '')"),
    _committed(
        "CommitmentDiscountType",
        f"CASE WHEN {_AWS} AND commitment_discount_category = 'Spend' THEN 'Savings Plan' "
        f"WHEN {_AWS} THEN 'Reservation' ELSE 'Commitment' END",
    ),
    _committed(
        "CommitmentDiscountUnit",
        "CASE WHEN commitment_discount_quantity IS NOT NULL THEN nullif(commitment_discount_unit, '') END",
    ),
    Column("ConsumedQuantity", _CONSUMED, Kind.AMOUNT),
    Column("ConsumedUnit", f"CASE WHEN ({_CONSUMED}) IS NOT NULL THEN consumed_unit END"),
    Column("ContractedCost", _CONTRACTED, Kind.AMOUNT),
    Column("ContractedUnitPrice", _unit_price(_CONTRACTED), Kind.AMOUNT),
    Column("EffectiveCost", "effective_cost", Kind.AMOUNT),
    _text("HostProviderName", "service_provider_name", versions=("1.4",)),
    _text("InvoiceId", "invoice_id"),
    _text("InvoiceIssuerName", "invoice_issuer_name", "service_provider_name", "source"),
    Column("ListCost", _LISTED, Kind.AMOUNT),
    Column("ListUnitPrice", _unit_price(_LISTED), Kind.AMOUNT),
    Column(
        "PricingCategory",
        f"CASE WHEN {_USED_UP} THEN coalesce(nullif(pricing_category, ''), 'Standard') END",
    ),
    # Nothing is priced in another currency than it is billed in, as far as bills tell us.
    Column("PricingCurrency", "billing_currency"),
    Column("PricingCurrencyContractedUnitPrice", _unit_price(_CONTRACTED), Kind.AMOUNT),
    Column("PricingCurrencyEffectiveCost", "effective_cost", Kind.AMOUNT),
    Column("PricingCurrencyListUnitPrice", _unit_price(_LISTED), Kind.AMOUNT),
    Column("PricingQuantity", _QUANTITY, Kind.AMOUNT),
    Column("PricingUnit", _UNIT),
    _text("ProviderName", "service_provider_name", versions=("1.2",)),
    _text("PublisherName", "service_provider_name", versions=("1.2",)),
    _text("RegionId", "region_id"),
    _text("RegionName", "region_id"),
    _text("ResourceId", "resource_id"),
    _text("ResourceName", "resource_id"),
    Column(
        "ResourceType",
        f"CASE WHEN resource_id <> '' THEN coalesce(nullif(regexp_extract(resource_id, '{_ARN_TYPE}', 2), ''), "
        "nullif(service_name, ''), 'Resource') END",
    ),
    _text("ServiceCategory", "main_category", "'Other'"),
    _text("ServiceName", "service_name", "service_provider_name", "source"),
    _text("ServiceProviderName", "service_provider_name", versions=("1.4",)),
    Column(
        "ServiceSubcategory", "'Other (' || coalesce(nullif(main_category, ''), 'Other') || ')'"
    ),
    _text("SkuId", "sku_id"),
    Column("SkuMeter", "CASE WHEN sku_id <> '' THEN nullif(x_usage_type, '') END"),
    _text("SkuPriceDetails", "''"),
    _text("SkuPriceId", "sku_price_id"),
    _text("SubAccountId", "sub_account_id"),
    _text("SubAccountName", "sub_account_name", "sub_account_id"),
    Column("SubAccountType", "CASE WHEN sub_account_id <> '' THEN 'Account' END"),
    Column("Tags", "tags"),
    Column("AllocatedMethodId", f"CASE WHEN {_TENANT} THEN tenant_rule END", versions=("1.4",)),
    Column(
        "AllocatedMethodDetails",
        f"CASE WHEN {_TENANT} THEN {_method_details()} END",
        versions=("1.4",),
    ),
    Column("AllocatedResourceId", f"CASE WHEN {_TENANT} THEN tenant END", versions=("1.4",)),
    Column("AllocatedResourceName", f"CASE WHEN {_TENANT} THEN tenant_name END", versions=("1.4",)),
    Column("AllocatedTags", f"CASE WHEN {_TENANT} THEN {_allocated_tags()} END", versions=("1.4",)),
    Column("x_AllocationConfidence", "tenant_confidence", Kind.AMOUNT),
    _text("x_AllocationRule", "tenant_rule"),
    Column("x_CostKind", "cost_kind"),
    _text("x_Environment", "environment"),
    _text("x_LineItemId", "x_line_item_id"),
    _text("x_LineItemType", "x_line_item_type"),
    _text("x_Operation", "x_operation"),
    _text("x_Pool", "x_pool"),
    _text("x_Product", "product"),
    _text("x_ServiceCategory", "service_category"),
    _text("x_ServiceCode", "x_service_code"),
    _text("x_Team", "team"),
    _text("x_TenantId", "tenant"),
    _text("x_UsageType", "x_usage_type"),
)
"""Every column that is exported, in the order of the file."""


def main_categories(charges: str) -> str:
    """Each service's category, that of most of its lines: FOCUS allows one for each ServiceName.

    Ours may have more, as egress of a server is Networking: ``x_ServiceCategory`` has it line by line.
    """
    return f"""
        (SELECT service_name AS of_service, service_category AS main_category
         FROM (SELECT service_name, service_category,
                      row_number() OVER (PARTITION BY service_name
                                         ORDER BY count(*) DESC, service_category) AS place
               FROM {charges} GROUP BY service_name, service_category)
         WHERE place = 1)
    """


def columns(version: str) -> tuple[Column, ...]:
    """The columns of one version."""
    return tuple(column for column in COLUMNS if version in column.versions)


def query(lines: str, version: str, file_format: FileFormat) -> str:
    """``SELECT`` of an export over ``lines``: charge lines joined with who bears them.

    ``lines`` also have ``source``, ``cost_kind``, ``tenant_name`` and ``main_category``. In CSV amounts and times are
    texts, and a text that a spreadsheet would run as a formula begins with an apostrophe.
    """
    listed = ", ".join(
        f"{_printed(column, file_format)} AS {column.name}" for column in columns(version)
    )
    return f"SELECT {listed} FROM {lines}"


def _printed(column: Column, file_format: FileFormat) -> str:
    expression = f"({column.expression})"
    if file_format is FileFormat.PARQUET:
        if column.kind is Kind.AMOUNT:
            return f"CAST({expression} AS DECIMAL(38,18))"
        return expression if column.kind is Kind.TIME else f"CAST({expression} AS VARCHAR)"
    if column.kind is Kind.AMOUNT:
        return _plain(expression)
    if column.kind is Kind.TIME:
        return f"strftime({expression}, '{_ISO}')"
    text = f"CAST({expression} AS VARCHAR)"
    return f"CASE WHEN regexp_matches({text}, '{_CSV_GUARD}') THEN '''' || {text} ELSE {text} END"
