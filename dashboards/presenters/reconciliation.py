"""Reconciliation: every source total against what became of it, to the last digit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import exact_sum

if TYPE_CHECKING:
    from allocation.core.figures import ReconciliationRow

Statuses = Mapping[tuple[str, date], tuple[str, str]]
"""How settled the bill of a source (slug) and month is, and why."""

_AMOUNTS = ("source_total", "ingested", "rejected", "allocated", "unallocated")


def sentence(rows: Sequence[ReconciliationRow]) -> str:
    """Whether every cent is accounted for, and what differs where it is not."""
    if not rows:
        return "No billing period is loaded yet, so there is nothing to reconcile."
    apart = [row for row in rows if row.difference]
    if apart:
        named = [
            f"{row.source_name} {row.billing_period:%Y-%m} by {numbers.exact_money(row.difference)} {row.currency}"
            for row in apart
        ]
        return f"{len(apart)} of {numbers.counted(len(rows), 'total')} differ: {numbers.listed(named)}."
    sources = len({row.source for row in rows})
    periods = len({row.billing_period for row in rows})
    text = (
        f"Every cent is accounted for: {numbers.counted(sum(row.lines for row in rows), 'charge line')} of "
        f"{numbers.counted(sources, 'source')} over {numbers.counted(periods, 'billing period')}"
    )
    for currency in sorted({row.currency for row in rows}):
        total = exact_sum(row.source_total for row in rows if row.currency == currency)
        text += f", {numbers.exact_money(total)} {currency}"
    rejected = sum(row.rejected_lines for row in rows)
    if rejected:
        text += f"; {numbers.counted(rejected, 'row was', 'rows were')} put aside with a reason"
    return f"{text}."


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
