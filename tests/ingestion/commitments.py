"""Lines of a CUR about Savings Plans and reservations, and the charge lines they become."""

from __future__ import annotations

from typing import Any

import duckdb
from django.conf import settings

from ingestion.core import aws_cur_columns as cur
from ingestion.models import LakeFile
from tests.cur_export import COLUMNS, Cell, Export, line

PLAN = "arn:aws:savingsplans::111122223333:savingsplan/1"
RESERVATION = "arn:aws:ec2:us-east-1:111122223333:reserved-instances/1"

WIDE = (
    *COLUMNS,
    cur.NET_COST,
    cur.PLAN,
    cur.PLAN_EFFECTIVE,
    cur.PLAN_NET_EFFECTIVE,
    cur.PLAN_COMMITMENT,
    cur.PLAN_USED,
    cur.RESERVATION,
    cur.RESERVATION_EFFECTIVE,
    cur.RESERVATION_NET_EFFECTIVE,
    cur.UNUSED_UPFRONT,
    cur.UNUSED_NET_UPFRONT,
    cur.UNUSED_RECURRING,
    cur.UNUSED_NET_RECURRING,
    cur.NORMALIZED_USAGE,
    cur.UNUSED_QUANTITY,
    cur.UNUSED_NORMALIZED,
    cur.SPLIT_PARENT,
    "bill_invoice_id",
)
"""Columns of an export that knows commitments, discounts and invoices."""


def bill(*rows: dict[str, str], **about: Any) -> Export:
    """A delivery of these rows with all columns that costs need."""
    return Export(list(rows), columns=WIDE, **about)


def covered(cost: str, effective: str, *, plan: str = PLAN, **cells: Cell) -> dict[str, str]:
    """Usage that a Savings Plan covers: its on-demand cost, and its share of the commitment."""
    about: dict[str, Cell] = {
        cur.LINE_TYPE: cur.COVERED,
        cur.PLAN: plan,
        cur.PLAN_EFFECTIVE: effective,
        cur.LIST_COST: cost,
    }
    return line(cost, **{**about, **cells})


def negation(cost: str, *, plan: str = PLAN, **cells: Cell) -> dict[str, str]:
    """The negation of covered usage: one line a plan and hour, without resource and tags."""
    about: dict[str, Cell] = {
        cur.LINE_TYPE: cur.NEGATION,
        cur.PLAN: plan,
        "line_item_resource_id": "",
    }
    return line(cost, **{**about, cur.LIST_COST: "", cur.USAGE: "", **cells})


def plan_fee(
    cost: str, *, committed: str, used: str, plan: str = PLAN, **cells: Cell
) -> dict[str, str]:
    """One hour's recurring fee of a Savings Plan."""
    about: dict[str, Cell] = {
        cur.LINE_TYPE: cur.PLAN_FEE,
        cur.PLAN: plan,
        cur.PLAN_COMMITMENT: committed,
        cur.PLAN_USED: used,
        "line_item_product_code": "ComputeSavingsPlans",
        "line_item_resource_id": plan,
        cur.LIST_COST: "",
    }
    return line(cost, **{**about, **cells})


def plan_upfront(cost: str, *, plan: str = PLAN, **cells: Cell) -> dict[str, str]:
    """The upfront payment of a Savings Plan."""
    about: dict[str, Cell] = {
        cur.LINE_TYPE: cur.PLAN_UPFRONT,
        cur.PLAN: plan,
        "line_item_product_code": "ComputeSavingsPlans",
        "line_item_resource_id": plan,
        cur.LIST_COST: "",
    }
    return line(cost, **{**about, **cells})


def reserved(
    effective: str, *, cost: str = "0", reservation: str = RESERVATION, **cells: Cell
) -> dict[str, str]:
    """Usage that a reservation covers."""
    about: dict[str, Cell] = {
        cur.LINE_TYPE: cur.RESERVED,
        cur.RESERVATION: reservation,
        cur.RESERVATION_EFFECTIVE: effective,
    }
    return line(cost, **{**about, **cells})


def reservation_fee(
    cost: str, *, unused: str = "0", reservation: str = RESERVATION, **cells: Cell
) -> dict[str, str]:
    """The recurring fee of a reservation; ``unused`` is the recurring fee that nobody used."""
    about: dict[str, Cell] = {
        cur.LINE_TYPE: cur.RESERVATION_FEE,
        cur.RESERVATION: reservation,
        cur.UNUSED_RECURRING: unused,
        cur.UNUSED_UPFRONT: "0.0",
        "line_item_resource_id": reservation,
        cur.LIST_COST: "",
    }
    return line(cost, **{**about, **cells})


def lake_rows(columns: str, where: str = "TRUE", kind: str = "charges") -> list[tuple[Any, ...]]:
    """Columns of the current loads' rows, in the order of the columns."""
    paths = [
        str(settings.LAKE_DIR / path)
        for path in LakeFile.objects.filter(kind=kind, load__state="current").values_list(
            "path", flat=True
        )
    ]
    relation = duckdb.read_parquet(paths, hive_partitioning=False, union_by_name=True)
    return relation.filter(where).project(columns).order("ALL").fetchall()
