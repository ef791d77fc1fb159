"""The lines that a CUR implies, as one statement over its charge lines. Pure."""

from __future__ import annotations

from finops.core.dialect import literal
from finops.core.focus import ChargeCategory
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_costs as costs
from ingestion.core.aws_cur_sql import CHARGE_COLUMNS


def derived(relation: str, *, scaled: bool) -> str:
    """Lines that the bill implies: what of a commitment nobody used, and pairs that do not cancel.

    ``relation`` are the charge lines of the whole delivery; with ``scaled`` the table ``scaled_unused``
    gives the unused part of Savings Plan fees on the net basis.
    """
    nothing, none = "CAST(0 AS DECIMAL(38,18))", "CAST(NULL AS DECIMAL(38,18))"
    bare = {
        "billed_cost": nothing,
        "effective_cost": nothing,
        "contracted_cost": nothing,
        "list_cost": none,
        "consumed_quantity": none,
        "consumed_unit": "''",
        "x_line_cost": none,
        "x_unblended_cost": none,
        "x_net_unblended_cost": none,
        "x_unused_cost": none,
        "x_unused_quantity": none,
        "x_cost_text": "''",
        "resource_id": "commitment_discount_id",
        "charge_frequency": "'Usage-Based'",
    }
    unused = {
        **bare,
        "charge_category": literal(ChargeCategory.USAGE.value),
        "effective_cost": "nobody_used",
        "pricing_category": "'Committed'",
        "commitment_discount_status": "'Unused'",
        "commitment_discount_quantity": "x_unused_quantity",
        "x_pool": literal(costs.UNUSED),
        "x_derived": literal(costs.UNUSED),
    }
    remainder = {
        **bare,
        "charge_category": literal(ChargeCategory.ADJUSTMENT.value),
        "billed_cost": "rest",
        "pricing_category": "'Standard'",
        "commitment_discount_status": "''",
        "commitment_discount_quantity": none,
        "charge_description": literal("Covered usage and its negation do not cancel in this hour"),
        "x_derived": literal(costs.REMAINDER),
    }
    amount, join = "x_unused_cost", ""
    if scaled:
        amount = "coalesce(scaled_unused.scaled, x_unused_cost)"
        join = (
            f"LEFT JOIN scaled_unused ON x_line_item_type = {literal(cur.PLAN_FEE)} "
            "AND scaled_unused.unused = x_unused_cost AND scaled_unused.line_cost = billed_cost "
            "AND scaled_unused.unblended = coalesce(x_unblended_cost, billed_cost)"
        )
    pair = "commitment_discount_id, charge_period_start, billing_currency"
    paired = "x_line_cost IS NOT NULL AND x_split_parent = ''"
    return f"""
        SELECT {_replaced(unused)} FROM (SELECT *, {amount} AS nobody_used FROM {relation} {join})
        WHERE nobody_used IS NOT NULL AND nobody_used <> 0
        UNION ALL
        SELECT {_replaced(remainder)} FROM (
            SELECT *, row_number() OVER (PARTITION BY {pair} ORDER BY x_line_item_type DESC, x_line_item_id) AS place
            FROM {relation}
            JOIN (SELECT {pair}, sum(x_line_cost) AS rest FROM {relation} WHERE {paired}
                  GROUP BY {pair} HAVING sum(x_line_cost) <> 0) USING ({pair})
            WHERE {paired}
        ) WHERE place = 1
    """


def _replaced(instead: dict[str, str]) -> str:
    return ", ".join(
        f"{instead[name]} AS {name}" if name in instead else name for name in CHARGE_COLUMNS
    )
