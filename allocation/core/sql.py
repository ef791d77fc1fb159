"""The statements between charge lines and ledger: distinct keys, join, group by. Pure, plain SQL."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.core.keys import DIMENSIONS
from finops.core.dialect import literal

MAX_NAMED_RESOURCES = 50
"""Resources named per load and account among uncertain cost; the rest of the account is one row."""

GROUP = (
    "service_provider_name",
    "service_category",
    "service_name",
    "region_id",
    "charge_category",
    "billing_currency",
    "granularity",
)

_SUMS = """
    CAST(sum(billed_cost) AS DECIMAL(38,18)) AS billed_cost,
    CAST(sum(effective_cost) AS DECIMAL(38,18)) AS effective_cost,
    CAST(sum(list_cost) AS DECIMAL(38,18)) AS list_cost,
    CASE WHEN min(consumed_unit) = max(consumed_unit)
         THEN CAST(sum(consumed_quantity) AS DECIMAL(38,18)) END AS consumed_quantity,
    CASE WHEN min(consumed_unit) = max(consumed_unit) THEN min(consumed_unit) ELSE '' END AS consumed_unit
"""


def parquet(paths: Sequence[str], *, by_load: bool = False) -> str:
    """The relation of a list of files; ``by_load`` adds the column ``load`` from their folders."""
    listed = ", ".join(literal(path) for path in paths)
    hive = "true, hive_types_autocast=false" if by_load else "false"
    return f"read_parquet([{listed}], hive_partitioning={hive})"


def hourly(charges: str, allocated: str) -> str:
    """Charge lines joined with what their key means, by hour (UTC)."""
    columns = (*DIMENSIONS, "tenant_rule", "tenant_confidence", *GROUP)
    return f"""
        SELECT date_trunc('hour', charge_period_start) AS hour, {", ".join(columns)},
               {_SUMS}, CAST(count(*) AS BIGINT) AS lines
        FROM {charges} JOIN {allocated} USING (tags)
        GROUP BY ALL
    """


def daily(hourly_relation: str) -> str:
    """Hourly rows by day (UTC): the ledger before rounding."""
    columns = (*DIMENSIONS, "tenant_rule", "tenant_confidence", *GROUP)
    return f"""
        SELECT CAST(hour AS DATE) AS day, {", ".join(columns)},
               {_SUMS}, CAST(sum(lines) AS BIGINT) AS lines
        FROM {hourly_relation}
        GROUP BY ALL
        ORDER BY ALL
    """


def uncertain(charges: str, allocated: str) -> str:
    """Cost that no tenant bears, by day, account, service, sign and the largest resources.

    Signs are kept apart, because bounds add up what could come and what could go.
    """
    return f"""
        WITH lines AS (
            SELECT CAST(charge_period_start AS DATE) AS day, sub_account_id, service_name,
                   charge_category, resource_id, billing_currency, billed_cost, effective_cost
            FROM {charges} JOIN {allocated} USING (tags)
            WHERE tenant = ''
        ), ranked AS (
            SELECT sub_account_id, resource_id,
                   row_number() OVER (PARTITION BY sub_account_id
                                      ORDER BY sum(abs(effective_cost)) DESC, resource_id) AS place
            FROM lines GROUP BY sub_account_id, resource_id
        )
        SELECT day, sub_account_id, service_name, charge_category, effective_cost < 0 AS is_negative,
               CASE WHEN place <= {MAX_NAMED_RESOURCES} THEN resource_id ELSE '' END AS resource_id,
               billing_currency,
               CAST(sum(billed_cost) AS DECIMAL(38,18)) AS billed_cost,
               CAST(sum(effective_cost) AS DECIMAL(38,18)) AS effective_cost,
               CAST(count(*) AS BIGINT) AS lines
        FROM lines JOIN ranked USING (sub_account_id, resource_id)
        GROUP BY ALL
        ORDER BY ALL
    """


def candidates(charges: str, allocated: str) -> str:
    """Which tenants have certain cost in which account."""
    return f"""
        SELECT DISTINCT sub_account_id, tenant
        FROM {charges} JOIN {allocated} USING (tags)
        WHERE tenant <> '' ORDER BY ALL
    """


def billed_by_currency(charges: str) -> str:
    """Sum of the charge lines as they lie in the lake: what was ingested."""
    return f"""
        SELECT billing_currency, CAST(sum(billed_cost) AS DECIMAL(38,18)), CAST(count(*) AS BIGINT)
        FROM {charges} GROUP BY 1
    """
