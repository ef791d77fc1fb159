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


def sources_table(rows: Sequence[ReconciliationRow], statuses: Statuses) -> Table:
    """The same for a page: what a row is about in one cell, and the difference beside it, always in sight."""
    columns = [
        Column("source", "Source"),
        Column("difference", "Difference", Kind.EXACT, title="What nothing explains"),
        Column("source_total", "Source total", Kind.EXACT, title=_SOURCE_TOTAL),
        *(Column(key, label, Kind.EXACT) for key, label in _SHORT),
        Column("residuals", "Residuals", Kind.EXACT, title="Named residuals together"),
        Column("lines", "Lines", Kind.NUMBER),
    ]
    every = [_short_row(row, statuses) for row in rows]
    totals = []
    for currency in sorted({row.currency for row in rows}):
        mine = [row for row in rows if row.currency == currency]
        totals.append(
            Row(
                (
                    Cell("Total", note=currency),
                    _difference(exact_sum(row.difference for row in mine)),
                    Cell(exact_sum(row.source_total for row in mine)),
                    *(Cell(exact_sum(getattr(row, key) for row in mine)) for key, _ in _SHORT),
                    Cell(exact_sum(row.residual_total for row in mine)),
                    Cell(sum(row.lines for row in mine)),
                ),
                "total",
            )
        )
    return Table(
        "sources-reconciled",
        "Reconciliation on billed cost, source by source",
        columns,
        every,
        totals,
        empty="No bill of this period has come yet.",
    )


def _short_row(row: ReconciliationRow, statuses: Statuses) -> Row:
    status, reason = statuses.get((row.source, row.billing_period), ("", ""))
    about = [f"{row.billing_period:%b %Y}", row.currency, *([str(status)] if status else [])]
    aside = f"{row.rejected_lines:,} put aside" if row.rejected_lines else ""
    return Row(
        (
            Cell(row.source_name, note=", ".join([*_whose(row), *about])),
            _difference(row.difference),
            Cell(row.source_total),
            *(Cell(getattr(row, key)) for key, _ in _SHORT),
            Cell(row.residual_total),
            Cell(row.lines, note=aside),
        ),
        title=f"{row.source_name}, {row.billing_period:%Y-%m}: {reason}" if reason else "",
    )


def _whose(row: ReconciliationRow) -> list[str]:
    return [row.provider] if row.provider and row.provider not in row.source_name else []


_SOURCE_TOTAL = "Sum over the rows as the source wrote them"
_SHORT = (
    ("ingested", "Ingested"),
    ("rejected", "Rejected"),
    ("allocated", "Allocated"),
    ("unallocated", "Unallocated"),
)


def reconciliation_table(rows: Sequence[ReconciliationRow], statuses: Statuses) -> Table:
    """One row per source, billing period and currency; exact, so the totals foot to the last digit."""
    names = list(dict.fromkeys(name for row in rows for name in row.residuals))
    columns = [
        Column("source", "Source"),
        Column("provider", "Provider"),
        Column("period", "Period"),
        Column("status", "Status"),
        Column("currency", "Currency"),
        Column(
            "source_total",
            "Source total",
            Kind.EXACT,
            title=_SOURCE_TOTAL,
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
            Cell(row.provider),
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
