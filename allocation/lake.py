"""Charge lines with the rule that allocated each, read from the lake for one page."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from allocation.core.figures import Slice
from allocation.core.sql import KEY, parquet
from allocation.past import refuse_purged
from finops.core.amounts import ZERO
from finops.engine import connect
from ingestion import lake
from ingestion.selectors import current_loads, loads_at


@dataclass(frozen=True)
class ChargeLineView:
    """One charge line as the provider printed it, and what each rule made of it."""

    charge_period_start: datetime
    charge_period_end: datetime
    service_name: str
    resource_id: str
    sub_account_id: str
    region_id: str
    charge_category: str
    x_line_item_type: str
    x_usage_type: str
    x_operation: str
    charge_description: str
    consumed_quantity: Decimal | None
    consumed_unit: str
    billed_cost: Decimal
    effective_cost: Decimal
    list_cost: Decimal | None
    billing_currency: str
    tags: dict[str, str]
    tenant: str
    tenant_rule: str
    tenant_confidence: Decimal
    environment: str
    environment_rule: str
    environment_confidence: Decimal
    product: str
    product_rule: str
    product_confidence: Decimal
    team: str
    team_rule: str
    team_confidence: Decimal


@dataclass(frozen=True)
class ChargeLinePage:
    """One page of lines, and how many lines and how much money all pages hold (exact)."""

    lines: list[ChargeLineView]
    total_lines: int
    total_billed: Decimal
    total_effective: Decimal


def charge_lines(
    slice_: Slice,
    *,
    service_category: str = "",
    service_name: str = "",
    charge_category: str = "",
    limit: int = 100,
    offset: int = 0,
) -> ChargeLinePage:
    """The lines of the slice, largest effective cost first; ties by time and resource.

    ``slice_.tenants`` ``None`` is the whole company; the empty slug in it means what nobody bears.
    """
    start, end = slice_.window.start, slice_.window.end
    if slice_.as_of is None:
        loads = list(current_loads(start=start, end=end))
    else:
        loads = loads_at(slice_.as_of, start=start, end=end)
        for load in loads:
            refuse_purged(load)
    charges, allocated = lake.files("charges", loads), lake.files("allocated", loads)
    if not charges:
        return ChargeLinePage([], 0, ZERO, ZERO)
    where, values = _where(slice_, service_category, service_name, charge_category)
    # Each load keeps its own answers: rules may have changed between two of them.
    source = (
        f"{parquet(charges.paths, by_load=True)} AS charges "
        f"JOIN {parquet(allocated.paths, by_load=True)} AS allocated "
        f"USING (load, {', '.join(KEY)}) WHERE {where}"
    )
    names = [field.name for field in fields(ChargeLineView)]
    with connect() as engine:
        count, billed, effective = engine.execute(
            f"SELECT count(*), sum(billed_cost), sum(effective_cost) FROM {source}", values
        ).fetchall()[0]
        rows = engine.execute(
            f"SELECT {', '.join(names)} FROM {source} ORDER BY abs(effective_cost) DESC, "
            "charge_period_start, resource_id, x_usage_type, x_line_item_id "
            "LIMIT ? OFFSET ?",
            [*values, limit, offset],
        ).fetchall()
    lines = [_line(dict(zip(names, row, strict=True))) for row in rows]
    return ChargeLinePage(lines, int(count), billed or ZERO, effective or ZERO)


def _where(
    slice_: Slice, service_category: str, service_name: str, charge_category: str
) -> tuple[str, list[Any]]:
    clauses = [
        "charge_period_start >= CAST(? AS TIMESTAMP)",
        "charge_period_start < CAST(? AS TIMESTAMP)",
        "billing_currency = ?",
    ]
    values: list[Any] = [str(slice_.window.start), str(slice_.window.end), slice_.currency]
    if slice_.tenants is not None:
        clauses.append(f"tenant IN ({', '.join('?' * len(slice_.tenants)) or 'NULL'})")
        values += slice_.tenants
    for column, value in (
        ("service_provider_name", slice_.provider),
        ("environment", slice_.environment),
        ("product", slice_.product),
        ("team", slice_.team),
        ("service_category", service_category),
        ("service_name", service_name),
        ("charge_category", charge_category),
    ):
        if value:
            clauses.append(f"{column} = ?")
            values.append(value)
    return " AND ".join(clauses), values


def _line(row: dict[str, Any]) -> ChargeLineView:
    return ChargeLineView(**{**row, "tags": json.loads(row["tags"])})
