"""Charge lines with the rule and the confidence of each key. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.presenters.services import confidence_text
from dashboards.tables import Cell, Column, Kind, Row, Table

if TYPE_CHECKING:
    from allocation.lake import ChargeLinePage, ChargeLineView

_KEYS = ("tenant", "environment", "product", "team")


def lines_table(page: ChargeLinePage, currency: str, caption: str) -> Table:
    """One row per line, exact as the provider printed it; the total is of all pages."""
    columns = [
        Column("start", "Charged from (UTC)", Kind.TIME),
        Column("end", "to (UTC)", Kind.TIME),
        Column("service", "Service"),
        Column("type", "Line type"),
        Column("usage", "Usage type"),
        Column("operation", "Operation"),
        Column("resource", "Resource"),
        Column("account", "Account"),
        Column("region", "Region"),
        Column("quantity", "Quantity", Kind.NUMBER),
        Column("unit", "Unit"),
        Column("list", "List cost", Kind.EXACT, currency),
        Column("billed", "Billed cost", Kind.EXACT, currency),
        Column("effective", "Effective cost", Kind.EXACT, currency),
    ]
    for key in _KEYS:
        columns += [
            Column(key, key.capitalize()),
            Column(f"{key}_rule", f"{key.capitalize()} rule"),
            Column(f"{key}_confidence", f"{key.capitalize()} confidence"),
        ]
    columns += [Column("tags", "Tags"), Column("description", "Description")]
    total = [Cell("Total of all lines")] + [Cell("") for _ in range(len(columns) - 1)]
    total[12], total[13] = Cell(page.total_billed), Cell(page.total_effective)
    return Table(
        "lines",
        caption,
        columns,
        [_row(line) for line in page.lines],
        [Row(total, "total")] if page.total_lines else (),
        empty="No charge line matches this period and these filters.",
    )


def _row(line: ChargeLineView) -> Row:
    cells = [
        Cell(line.charge_period_start),
        Cell(line.charge_period_end),
        Cell(line.service_name),
        Cell(f"{line.charge_category}, {line.x_line_item_type}"),
        _text(line.x_usage_type, "the line names no usage type"),
        _text(line.x_operation, "the line names no operation"),
        _text(line.resource_id, "the line names no resource"),
        _text(line.sub_account_id, "the line names no account"),
        _text(line.region_id, "the line names no region"),
        _amount(line.consumed_quantity, "the line counts nothing"),
        _text(line.consumed_unit, "the line counts nothing"),
        _amount(line.list_cost, "the source names no list price"),
        Cell(line.billed_cost),
        Cell(line.effective_cost),
    ]
    for key in _KEYS:
        cells += [
            _text(getattr(line, key), "no rule named one"),
            Cell(getattr(line, f"{key}_rule")),
            Cell(confidence_text(getattr(line, f"{key}_confidence"))),
        ]
    tags = ", ".join(f"{name}={value}" for name, value in sorted(line.tags.items()))
    return Row([*cells, _text(tags, "the line has no tag"), Cell(line.charge_description)])


def _text(value: str | None, reason: str) -> Cell:
    return Cell(value) if value else Cell(reason=reason)


def _amount(value: Decimal | None, reason: str) -> Cell:
    return Cell(reason=reason) if value is None else Cell(value)


@dataclass(frozen=True)
class Ruled:
    """What a rule said of one key of a line."""

    value: str
    rule: str
    confidence: str


@dataclass(frozen=True)
class ShownLine:
    """A line as the page folds it: the same values as the table, two to a cell."""

    line: ChargeLineView
    kind: str
    billed: str
    effective: str
    rules: tuple[Ruled, ...]


def shown_lines(lines: Sequence[ChargeLineView]) -> list[ShownLine]:
    """The lines with their exact amounts aligned and the rule of each key."""
    billed = numbers.aligned([numbers.exact_money(line.billed_cost) for line in lines])
    effective = numbers.aligned([numbers.exact_money(line.effective_cost) for line in lines])
    return [
        ShownLine(line, _kind(line), in_bill, in_use, tuple(_ruled(line, key) for key in _KEYS))
        for line, in_bill, in_use in zip(lines, billed, effective, strict=True)
    ]


def _kind(line: ChargeLineView) -> str:
    """Charge category and line type, once where both say the same."""
    names = dict.fromkeys([line.charge_category, line.x_line_item_type])
    parts = [", ".join(names), line.x_usage_type, line.x_operation]
    return " · ".join(part for part in parts if part)


def _ruled(line: ChargeLineView, key: str) -> Ruled:
    confidence = confidence_text(getattr(line, f"{key}_confidence"))
    return Ruled(getattr(line, key) or "", getattr(line, f"{key}_rule"), confidence)
