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

BEARER = (*DIMENSIONS, "tenant_rule", "tenant_confidence")
"""Who bears a line, and the rule that says so."""

KEY = ("x_tags", "x_resource_tags")
"""The columns of a charge line that make up its key, as the provider printed them."""

POOL_VERSION = 1
_UNTIL = "CASE WHEN granularity = 'month' THEN charge_period_end END"

MEASURES = ("billed_cost", "effective_cost", "list_cost", "consumed_quantity")

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


def keys(charges: str) -> str:
    """The distinct keys of charge lines."""
    return f"SELECT DISTINCT {', '.join(KEY)} FROM {charges} ORDER BY ALL"


def numbered(charges: str, allocated: str) -> tuple[str, ...]:
    """Statements that number what lines say in texts, so that millions of lines are grouped by numbers.

    They make the tables ``bearers`` (who bears a line, by which rule), ``keys`` (the bearer of each key)
    and ``kinds`` (what a line is for; ``service`` numbers all of it but pool and unit). Numbers begin at 0
    and go by the order of the texts. A line of a pool is borne by nobody yet, whatever its tags say.
    """
    kind = (*GROUP, "x_pool", "consumed_unit")
    nobody = ", ".join(f"'' AS {name}" for name in DIMENSIONS)
    is_nobody = " AND ".join(f"pools.{name} = ''" for name in DIMENSIONS)
    return (
        f"""
        CREATE TABLE bearers AS
        SELECT CAST(row_number() OVER (ORDER BY {", ".join(BEARER)}) - 1 AS INTEGER) AS bearer, *
        FROM (SELECT {", ".join(BEARER)} FROM {allocated}
              UNION
              SELECT {nobody}, {pool_rule("x_pool")}, CAST(0 AS DECIMAL(4,2))
              FROM {charges} WHERE x_pool <> '')
        """,
        f"""
        CREATE TABLE keys AS
        SELECT {", ".join(KEY)}, bearer FROM {allocated} AS keys
        JOIN bearers ON {_same("keys", "bearers", BEARER)}
        """,
        f"""
        CREATE TABLE kinds AS
        SELECT CAST(row_number() OVER (ORDER BY {", ".join(kind)}) - 1 AS INTEGER) AS kind,
               CAST(dense_rank() OVER (ORDER BY {", ".join(GROUP)}) - 1 AS INTEGER) AS service,
               pools.bearer AS pool_bearer, found.*
        FROM (SELECT DISTINCT {", ".join(kind)} FROM {charges}) AS found
        LEFT JOIN bearers AS pools ON x_pool <> '' AND {is_nobody}
             AND tenant_rule = {pool_rule("x_pool")} AND tenant_confidence = 0
        """,
    )


def hours(charges: str) -> str:
    """Charge lines by hour (UTC), bearer, kind and so unit, as ``numbered`` has numbered them.

    ``accrued_until`` is the end of a monthly line's charge period: it belongs to every day until then.
    """
    return f"""
        SELECT date_trunc('hour', charge_period_start) AS hour, {_UNTIL} AS accrued_until,
               {_NUMBERS} AS bearer, kind,
               {", ".join(f"CAST(sum({name}) AS DECIMAL(38,18)) AS {name}" for name in MEASURES)},
               CAST(count(*) AS BIGINT) AS lines
        FROM {_with_numbers(charges)}
        GROUP BY ALL
    """


def ledger_days(charges: str) -> str:
    """The same by day, bearer and service: what ``daily`` makes of the hours, without waiting for them.

    Amounts are texts, of which Python makes decimals faster than the engine does.
    """
    return f"""
        SELECT day, until, bearer, service,
               {", ".join(f"CAST({name} AS VARCHAR)" for name in MEASURES)}, consumed_unit, lines
        FROM (SELECT CAST(charge_period_start AS DATE) AS day, CAST({_UNTIL} AS DATE) AS until,
                     {_NUMBERS} AS bearer, service, {_SUMS}, CAST(count(*) AS BIGINT) AS lines
              FROM {_with_numbers(charges)}
              GROUP BY ALL)
        ORDER BY day, until, bearer, service
    """


_NUMBERS = "coalesce(pool_bearer, bearer)"


def _with_numbers(charges: str) -> str:
    kind = (*GROUP, "x_pool", "consumed_unit")
    return f"""
        (SELECT lines.*, bearer, kind, service, pool_bearer FROM {charges} AS lines
         JOIN keys USING ({", ".join(KEY)})
         JOIN kinds ON {_same("lines", "kinds", kind)})
    """


def _same(one: str, other: str, names: Sequence[str]) -> str:
    return " AND ".join(f"{one}.{name} IS NOT DISTINCT FROM {other}.{name}" for name in names)


def pool_rule(pool: str) -> str:
    """The rule by which nobody bears a line of ``pool``, an expression."""
    return f"'pool ' || {pool} || ' v{POOL_VERSION}'"


def daily(hourly_relation: str) -> str:
    """Hourly rows by day (UTC): the ledger before rounding and before monthly lines are accrued."""
    columns = (*BEARER, *GROUP)
    return f"""
        SELECT CAST(hour AS DATE) AS day, CAST(accrued_until AS DATE) AS until, {", ".join(columns)},
               {_SUMS}, CAST(sum(lines) AS BIGINT) AS lines
        FROM {hourly_relation}
        GROUP BY ALL
        ORDER BY ALL
    """


def uncertain(charges: str, allocated: str) -> str:
    """Cost that no tenant bears, by day, account, service, sign and the largest resources.

    Signs are kept apart, because bounds add up what could come and what could go. A pool is shared by
    convention: no tenant is a candidate for it.
    """
    return f"""
        WITH lines AS (
            SELECT CAST(charge_period_start AS DATE) AS day, CAST({_UNTIL} AS DATE) AS until,
                   sub_account_id, service_name, charge_category, resource_id, billing_currency,
                   billed_cost, effective_cost
            FROM {charges} JOIN {allocated} USING ({", ".join(KEY)})
            WHERE tenant = '' AND x_pool = ''
        ), ranked AS (
            SELECT sub_account_id, resource_id,
                   row_number() OVER (PARTITION BY sub_account_id
                                      ORDER BY sum(abs(effective_cost)) DESC, resource_id) AS place
            FROM lines GROUP BY sub_account_id, resource_id
        )
        SELECT day, until, sub_account_id, service_name, charge_category, effective_cost < 0 AS is_negative,
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
        FROM {charges} JOIN {allocated} USING ({", ".join(KEY)})
        WHERE tenant <> '' AND x_pool = '' ORDER BY ALL
    """


def billed_by_provider(charges: str) -> str:
    """Sum of the charge lines as they lie in the lake, and how many were in the source: by currency and provider."""
    return f"""
        SELECT billing_currency, service_provider_name, CAST(sum(billed_cost) AS DECIMAL(38,18)),
               CAST(count(*) FILTER (x_derived = '') AS BIGINT)
        FROM {charges} GROUP BY 1, 2
    """
