"""The way from billed to effective cost, step by step; all steps together are the whole load. Pure.

Sources: FOCUS 1.2, "BilledCost" and "EffectiveCost"; AWS's amortised view. Fees and upfront payments
leave, what they paid for comes in, and unused commitment is a step of its own.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from finops.core.dialect import literal

OTHER_FEES = "other fees"
OTHER_CREDITS = "other credits"
_NOT_PROMOTIONAL = "free tier|service level|\\bsla\\b|billing (error|adjustment)|goodwill"
"""What AWS writes on credits that are no promotion; it names no kind of credit in a column of its own."""
UNKNOWN = "unknown line types"

_BY_TYPE: dict[str, tuple[str, ...]] = {
    "usage": ("Usage", ""),
    "savings plan covered": ("SavingsPlanCoveredUsage",),
    "savings plan negation": ("SavingsPlanNegation",),
    "savings plan recurring fee": ("SavingsPlanRecurringFee",),
    "savings plan upfront fee": ("SavingsPlanUpfrontFee",),
    "reserved usage": ("DiscountedUsage",),
    "reservation recurring fee": ("RIFee",),
    "discounts": ("Discount", "EdpDiscount", "BundledDiscount", "PrivateRateDiscount"),
    "promotional credits": ("Credit",),
    "refunds": ("Refund",),
    "tax": ("Tax",),
}

STEPS: tuple[str, ...] = (
    "usage",
    "savings plan covered",
    "savings plan negation",
    "savings plan remainder",
    "savings plan recurring fee",
    "savings plan upfront fee",
    "reserved usage",
    "reservation recurring fee",
    "reservation upfront fee",
    "unused commitment",
    OTHER_FEES,
    "split cost rows",
    "discounts",
    "promotional credits",
    OTHER_CREDITS,
    "refunds",
    "tax",
    UNKNOWN,
)
"""Every step, in the order in which a page shows them."""


class Step(NamedTuple):
    """One step of one provider in one currency, exact; ``list_cost`` counts lines without one as 0."""

    billing_currency: str
    service_provider_name: str
    step: str
    billed_cost: Decimal
    effective_cost: Decimal
    list_cost: Decimal
    contracted_cost: Decimal
    lines: int


def query(charges: str) -> str:
    """The steps of charge lines: one row per currency, provider and step, columns as in ``Step``."""
    whens = " ".join(
        f"WHEN x_line_item_type IN ({', '.join(map(literal, types))}) THEN {literal(step)}"
        for step, types in _BY_TYPE.items()
    )
    sums = ", ".join(
        f"CAST(coalesce(sum({name}), 0) AS DECIMAL(38,18))"
        for name in ("billed_cost", "effective_cost", "list_cost", "contracted_cost")
    )
    return f"""
        SELECT billing_currency, service_provider_name,
               CASE WHEN x_derived <> '' THEN x_derived
                    WHEN commitment_discount_status = 'Unused' THEN 'unused commitment'
                    WHEN x_split_parent <> '' THEN 'split cost rows'
                    WHEN x_line_item_type = 'Fee' AND commitment_discount_id <> ''
                        THEN 'reservation upfront fee'
                    WHEN x_line_item_type = 'Fee' THEN {literal(OTHER_FEES)}
                    WHEN x_line_item_type = 'Credit'
                         AND regexp_matches(lower(charge_description), {literal(_NOT_PROMOTIONAL)})
                        THEN {literal(OTHER_CREDITS)}
                    {whens} ELSE {literal(UNKNOWN)} END AS step,
               {sums}, CAST(count(*) AS BIGINT)
        FROM {charges}
        GROUP BY ALL
    """


def in_order(rows: list[Step]) -> list[Step]:
    """Steps by currency and provider, and in the order of ``STEPS``."""
    return sorted(
        rows,
        key=lambda row: (row.billing_currency, row.service_provider_name, STEPS.index(row.step)),
    )
