"""Reconciliation: every source total against what became of it, to the last digit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import exact_sum

if TYPE_CHECKING:
    from allocation.core.figures import ReconciliationRow
    from ingestion.models import Delivery, RejectedRow
    from ingestion.selectors import LineTypeCount

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
    periods = len({(row.source, row.billing_period) for row in rows})
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


def reconciliation_table(rows: Sequence[ReconciliationRow]) -> Table:
    """One row per source, billing period and currency; exact, so the totals foot to the last digit."""
    names = list(dict.fromkeys(name for row in rows for name in row.residuals))
    columns = [
        Column("source", "Source"),
        Column("period", "Period"),
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
        [_row(row, names) for row in rows],
        [_total(currency, rows, names) for currency in sorted({row.currency for row in rows})],
        empty="No billing period is loaded yet.",
    )


def _row(row: ReconciliationRow, names: Iterable[str]) -> Row:
    return Row(
        (
            Cell(row.source_name),
            Cell(f"{row.billing_period:%Y-%m}"),
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


def deliveries_table(rows: Sequence[Delivery], rejects_urls: Sequence[str]) -> Table:
    """What was handed over, newest first."""
    columns = (
        Column("seen", "First seen (UTC)", Kind.TIME),
        Column("source", "Source"),
        Column("period", "Billing period"),
        Column("state", "State"),
        Column("rows", "Rows", Kind.NUMBER),
        Column("rejected", "Rejected", Kind.NUMBER),
        Column("size", "Size"),
        Column("key", "Key"),
        Column("error", "Why"),
    )
    return Table(
        "deliveries",
        "Deliveries, newest first",
        columns,
        [_delivery(row, url) for row, url in zip(rows, rejects_urls, strict=True)],
        empty="Nothing has been delivered yet.",
    )


def _delivery(row: Delivery, url: str) -> Row:
    period = f"{row.billing_period:%Y-%m}" if row.billing_period else None
    put_aside = Cell(row.rejected_rows, href=url, tone="warning") if row.rejected_rows else Cell(0)
    failed = row.state == "rejected"
    return Row(
        (
            Cell(row.discovered_at),
            Cell(row.source.name),
            Cell(period, reason="revenue is not billed by period"),
            Cell(row.state, tone="danger" if failed else ""),
            Cell(row.rows),
            put_aside,
            Cell(numbers.file_size(row.bytes)),
            Cell(row.key),
            Cell(row.error),
        )
    )


def line_types_table(rows: Sequence[LineTypeCount]) -> Table:
    """The provider's line types with their number of lines; unknown ones are marked."""
    columns = (
        Column("type", "Line type"),
        Column("lines", "Lines", Kind.NUMBER),
        Column("known", "Reader"),
    )
    return Table(
        "line-types",
        "Line types in the current loads",
        columns,
        [
            Row(
                (
                    Cell(row.line_type),
                    Cell(row.lines),
                    Cell("known")
                    if row.known
                    else Cell("unknown: counted as it stands", tone="warning"),
                )
            )
            for row in rows
        ],
        empty="No charge line is loaded yet.",
    )


def rejects_table(rows: Sequence[RejectedRow], delivery: Delivery) -> Table:
    """Rows of one delivery that were put aside, in file order."""
    columns = (
        Column("file", "File"),
        Column("line", "Line", Kind.NUMBER),
        Column("reason", "Reason"),
        Column("amount", "Amount"),
        Column("currency", "Currency"),
        Column("text", "Row, redacted"),
    )
    return Table(
        "rejects",
        f"Rows put aside from {delivery.key}",
        columns,
        [
            Row(
                (
                    Cell(row.file),
                    Cell(row.line),
                    Cell(row.reason),
                    Cell(row.amount or None, reason="its cost could not be read"),
                    Cell(row.billing_currency or None, reason="its currency could not be read"),
                    Cell(row.text),
                )
            )
            for row in rows
        ],
        empty="No row of this delivery was put aside.",
    )
