"""Reconciliation: every source total against what became of it, to the last digit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import exact_sum

if TYPE_CHECKING:
    from allocation.core.figures import ReconciliationRow

Statuses = Mapping[tuple[str, date], tuple[str, str]]
"""How settled the bill of a source (slug) and month is, and why."""

_AMOUNTS = ("source_total", "ingested", "rejected", "allocated", "unallocated")


def reconciliation_table(rows: Sequence[ReconciliationRow], statuses: Statuses) -> Table:
    """One row per source, billing period and currency; exact, so the totals foot to the last digit."""
    names = list(dict.fromkeys(name for row in rows for name in row.residuals))
    columns = [
        Column("source", "Source"),
        Column("period", "Period"),
        Column("status", "Status"),
        Column("currency", "Currency"),
        Column(
            "source_total",
            "Source total",
            Kind.EXACT,
            title="Sum over the rows as the source wrote them",
        ),
        Column("ingested", "Ingested", Kind.EXACT, title="Sum of the charge lines in the lake"),
        Column(
            "rejected",
            "Rejected",
            Kind.EXACT,
            title="Sum of the readable amounts among rows put aside",
        ),
        Column("allocated", "Allocated", Kind.EXACT),
        Column("unallocated", "Unallocated", Kind.EXACT),
        *(
            Column(f"residual-{index}", f"Residual: {name}", Kind.EXACT)
            for index, name in enumerate(names)
        ),
        Column("difference", "Difference", Kind.EXACT),
        Column("lines", "Lines", Kind.NUMBER),
        Column("rejected_lines", "Rejected lines", Kind.NUMBER),
    ]
    return Table(
        "reconciliation",
        "Reconciliation on billed cost",
        columns,
        [_row(row, names, statuses) for row in rows],
        [_total(currency, rows, names) for currency in sorted({row.currency for row in rows})],
        empty="No billing period is loaded yet.",
    )


def _row(row: ReconciliationRow, names: Iterable[str], statuses: Statuses) -> Row:
    status, reason = statuses.get((row.source, row.billing_period), ("", ""))
    return Row(
        (
            Cell(row.source_name),
            Cell(f"{row.billing_period:%Y-%m}"),
            Cell(str(status), note=reason),
            Cell(row.currency),
            *(Cell(getattr(row, name)) for name in _AMOUNTS),
            *(Cell(row.residuals.get(name, Decimal(0))) for name in names),
            _difference(row.difference),
            Cell(row.lines),
            Cell(row.rejected_lines, tone="warning" if row.rejected_lines else ""),
        )
    )


def _total(currency: str, rows: Sequence[ReconciliationRow], names: Iterable[str]) -> Row:
    mine = [row for row in rows if row.currency == currency]
    return Row(
        (
            Cell("Total"),
            Cell(""),
            Cell(""),
            Cell(currency),
            *(Cell(exact_sum(getattr(row, name) for row in mine)) for name in _AMOUNTS),
            *(
                Cell(exact_sum(row.residuals.get(name, Decimal(0)) for row in mine))
                for name in names
            ),
            _difference(exact_sum(row.difference for row in mine)),
            Cell(sum(row.lines for row in mine)),
            Cell(sum(row.rejected_lines for row in mine)),
        ),
        "total",
    )


def _difference(value: Decimal) -> Cell:
    return Cell(value, tone="danger", note="differs") if value else Cell(value)
