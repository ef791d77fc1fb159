"""The services of one cost category, and what of them the statement counts elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from dashboards.numbers import grouped
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import exact_sum, foot, to_cents
from finops.core.focus import ChargeCategory

if TYPE_CHECKING:
    from allocation.core.figures import ServiceRow

CONFIDENCE_WORDS = (
    (Decimal("1.00"), "firm"),
    (Decimal("0.50"), "inferred"),
    (Decimal("0.01"), "fallback"),
)


def confidence_text(confidence: Decimal) -> str:
    """``1.00 firm``: the number and its band in a word."""
    word = next((word for least, word in CONFIDENCE_WORDS if confidence >= least), "none")
    return f"{confidence:.2f} {word}"


def services_table(
    rows: Sequence[ServiceRow],
    *,
    metric: str,
    currency: str,
    category: str,
    below_line: Collection[str],
    link: Callable[[str, str], str],
) -> Table:
    """Services with the rule that allocated each; the shown amounts foot to the statement's line.

    Credits and what stands below the line belong to the same services but to other lines of the
    statement, so they follow the total. ``link`` takes a service and a charge category.
    """
    elsewhere = {ChargeCategory.CREDIT, *below_line}
    counted = [row for row in rows if row.charge_category not in elsewhere]
    others = [row for row in rows if row.charge_category in elsewhere]
    shown = foot([_amount(row, metric) for row in counted])
    total = to_cents(exact_sum(_amount(row, metric) for row in counted))
    columns = (
        Column("service", "Service"),
        Column("charge", "Charge"),
        Column("rule", "Rule"),
        Column("confidence", "Confidence"),
        Column("quantity", "Quantity", Kind.NUMBER),
        Column("unit", "Unit"),
        Column("list", "List cost", Kind.MONEY, currency),
        Column("cost", "Cost", Kind.MONEY, currency),
        Column("lines", "Lines", Kind.NUMBER),
    )
    lines = [_row(row, amount, link) for row, amount in zip(counted, shown, strict=True)]
    totals = [Row(_total_cells(f"{category}, direct cost", total, counted), "total")]
    totals += [
        _row(row, to_cents(_amount(row, metric)), link, note="elsewhere in the statement")
        for row in others
    ]
    return Table(
        "services",
        f"Services of {category}",
        columns,
        lines,
        totals if rows else (),
        empty="No service of this category has cost in these days.",
    )


def _amount(row: ServiceRow, metric: str) -> Decimal:
    return row.billed_cost if metric == "billed" else row.effective_cost


def _row(row: ServiceRow, amount: Decimal, link: Callable[[str, str], str], note: str = "") -> Row:
    quantity = row.consumed_quantity
    return Row(
        (
            Cell(row.service_name, href=link(row.service_name, row.charge_category), note=note),
            Cell(row.charge_category),
            Cell(row.method),
            Cell(confidence_text(row.confidence)),
            Cell(quantity)
            if quantity is not None
            else Cell(reason="its lines have several units, or none"),
            Cell(row.consumed_unit or None, reason="its lines have several units, or none"),
            Cell(row.list_cost)
            if row.list_cost is not None
            else Cell(reason="the source names no list price"),
            Cell(amount, note="est." if row.is_estimated else ""),
            Cell(row.lines),
        )
    )


def _total_cells(label: str, total: Decimal, counted: Sequence[ServiceRow]) -> tuple[Cell, ...]:
    blanks = tuple(Cell("") for _ in range(6))
    return (Cell(label), *blanks, Cell(total), Cell(sum(row.lines for row in counted)))


def services_sentence(table: Table, category: str, name: str, span: str, currency: str) -> str:
    """What the table says, in one sentence."""
    if not table.totals:
        return f"{name} has no cost in {category} in {span}."
    cost, lines = table.totals[0].cells[-2], table.totals[0].cells[-1]
    count = cost.text(table.columns[-2])
    return f"{category} cost {name} {count} {currency} in {span}, from {grouped(int(str(lines.value)))} charge lines."
