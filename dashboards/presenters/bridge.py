"""The bridge from billed to effective cost as a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import exact_sum

if TYPE_CHECKING:
    from allocation.bridges import BridgeLine


def bridge_table(rows: Sequence[BridgeLine]) -> Table:
    """Billed and effective cost of each kind of charge; the totals are those of the loads."""
    columns = (
        Column("step", "Kind of charge"),
        Column("currency", "Currency"),
        Column("billed", "Billed", Kind.EXACT),
        Column("change", "Change", Kind.EXACT, title="Effective minus billed"),
        Column("effective", "Effective", Kind.EXACT),
        Column("lines", "Lines", Kind.NUMBER),
    )
    totals = []
    for currency in sorted({row.currency for row in rows}):
        mine = [row for row in rows if row.currency == currency]
        totals.append(
            Row(
                (
                    Cell("Total"),
                    Cell(currency),
                    Cell(exact_sum(row.billed_cost for row in mine)),
                    Cell(exact_sum(row.change for row in mine)),
                    Cell(exact_sum(row.effective_cost for row in mine)),
                    Cell(sum(row.lines for row in mine)),
                ),
                "total",
            )
        )
    lines = [
        Row(
            (
                Cell(row.step),
                Cell(row.currency),
                Cell(row.billed_cost),
                Cell(row.change),
                Cell(row.effective_cost),
                Cell(row.lines),
            )
        )
        for row in rows
    ]
    return Table(
        "bridge",
        "Billed and effective cost of each kind of charge",
        columns,
        lines,
        totals,
        empty="No bill is loaded yet.",
    )
