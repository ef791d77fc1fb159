"""Tags that show tables, charts and small drawings; every drawing has words beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from string import ascii_lowercase
from typing import Any

from django import template
from django.template import Context, RequestContext
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from dashboards import numbers
from dashboards.state import NARROWING, PageState
from dashboards.tables import Cell, Column, Kind, Mix, Row, Table

register = template.Library()

_FIGURE = re.compile(r"[−+]?\d[\d,]*(?:\.\d+)? (?:%|points\b|[A-Z]{3}\b)")
_BAR_WIDTH = 100
_LONG_TEXT = 40


@dataclass(frozen=True)
class ShownCell:
    """A cell with its text, ready for the template."""

    cell: Cell
    column: Column
    text: str
    heads_row: bool
    bar: tuple[Segment, ...] = ()
    mark: str = ""
    pad: str = ""

    @property
    def is_long(self) -> bool:
        """Whether the text is long enough to be broken over lines."""
        return not self.column.numeric and len(self.text) > _LONG_TEXT


@dataclass(frozen=True)
class Segment:
    """One part of a share bar: its place in a drawing 100 wide."""

    name: str
    x: str
    width: str
    percent: str


@dataclass(frozen=True)
class ShownRow:
    """A row with its shown cells."""

    row: Row
    cells: list[ShownCell]
    number: int


@dataclass(frozen=True)
class Head:
    """A column's head, as a link where the table can be sorted by it."""

    column: Column
    url: str = ""
    order: str = ""


@dataclass(frozen=True)
class Note:
    """Why values are missing: one reason, and the letter that stands beside each dash."""

    mark: str
    reason: str


def _rows(table: Table, rows: Iterable[Row], marks: dict[str, str]) -> list[ShownRow]:
    shown = []
    for number, row in enumerate(rows, start=1):
        cells = [
            ShownCell(
                cell,
                column,
                cell.text(column),
                index == 0,
                segments(cell.value),
                marks.get(cell.reason, ""),
            )
            for index, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True))
        ]
        shown.append(ShownRow(row, cells, number))
    return shown


def _aligned(
    table: Table, rows: list[ShownRow], totals: list[ShownRow]
) -> tuple[list[ShownRow], list[ShownRow]]:
    """The same rows with the points of exact amounts above each other: ``pad`` stands for missing digits."""
    every = [*rows, *totals]
    for index, column in enumerate(table.columns):
        if column.kind is not Kind.EXACT:
            continue
        texts = numbers.aligned([shown.cells[index].text for shown in every])
        for shown, text in zip(every, texts, strict=True):
            bare = text.rstrip(numbers.FIGURE_SPACE)
            shown.cells[index] = replace(shown.cells[index], text=bare, pad=text[len(bare) :])
    return rows, totals


def _marks(table: Table) -> dict[str, str]:
    """A letter for each distinct reason, in reading order."""
    cells = (cell for row in (*table.rows, *table.totals) for cell in row.cells)
    reasons = dict.fromkeys(cell.reason for cell in cells if cell.value is None and cell.reason)
    return dict(zip(reasons, ascii_lowercase, strict=False))


def segments(value: object) -> tuple[Segment, ...]:
    """The parts of a share bar, in order, without the empty ones."""
    if not isinstance(value, Mix):
        return ()
    parts, start = [], Decimal(0)
    for name in ("firm", "inferred", "fallback"):
        share: Decimal = getattr(value, name)
        if share:
            width = share * _BAR_WIDTH
            parts.append(Segment(name, f"{start:.2f}", f"{width:.2f}", numbers.percent(share)))
            start += width
    return tuple(parts)


@register.inclusion_tag("dashboards/_table.html", takes_context=True)
def show_table(
    context: Context,
    table: Table,
    *,
    state: PageState | None = None,
    sortable: tuple[str, ...] = (),
    default_sort: str = "",
    variant: str = "",
) -> dict[str, Any]:
    """A table; with ``sortable`` the heads of these columns are links that sort."""
    current = (state.sort if state else "") or default_sort
    heads = [
        _head(column, state, current) if state and column.key in sortable else Head(column)
        for column in table.columns
    ]
    marks = _marks(table)
    rows, totals = _aligned(
        table, _rows(table, table.rows, marks), _rows(table, table.totals, marks)
    )
    return {
        "table": table,
        "heads": heads,
        "rows": rows,
        "totals": totals,
        "notes": [Note(mark, reason) for reason, mark in marks.items()],
        "variant": variant,
        "prefix": f"{table.key}-",
        "span": len(table.columns),
        "csrf_token": context.get("csrf_token"),
    }


def _head(column: Column, state: PageState, current: str) -> Head:
    descending = current == f"-{column.key}"
    ascending = current == column.key
    first = f"-{column.key}" if column.numeric or column.key == "mix" else column.key
    target = column.key if descending else f"-{column.key}" if ascending else first
    order = "descending" if descending else "ascending" if ascending else ""
    return Head(column, state.url(sort=target), order)


@register.inclusion_tag("dashboards/_share_bar.html")
def share_bar(value: Mix) -> dict[str, Any]:
    """How sure the allocation is: a bar with its legend in words."""
    return {"segments": segments(value), "text": Cell(value).text(Column("mix", ""))}


@dataclass(frozen=True)
class Choice:
    """One filter of the form."""

    name: str
    value: str
    choices: tuple[str, ...]


@register.inclusion_tag("dashboards/_filters.html", takes_context=True)
def filter_bar(context: RequestContext, *, with_columns: bool = False) -> dict[str, Any]:
    """Period presets, the filter form and the removable chips of this page."""
    state: PageState = context["state"]
    found = context.get("choices")
    filters = [
        Choice(name, state.get(name), _with_chosen(getattr(found, f"{name}s", ()), state.get(name)))
        for name in NARROWING
    ]
    return {
        "state": state,
        "filters": filters,
        "with_columns": with_columns,
        "granularity_chosen": state.get("granularity"),
        "keep": [
            {"name": name, "value": state.get(name)}
            for name in ("category", "service", "charge", "sort")
        ],
        "narrowed": context.get("narrowed"),
        "coverage": context.get("coverage"),
        "currencies": context.get("currencies"),
        "currency": context.get("currency"),
        "closing": context.get("closing"),
        "as_of_today": context.get("as_of_today"),
    }


def _with_chosen(choices: tuple[str, ...], chosen: str) -> tuple[str, ...]:
    """The choices, and the chosen one even where it does not occur in this period."""
    return (*choices, chosen) if chosen and chosen not in choices else choices


@register.filter
def figures(text: str) -> SafeString:
    """Keep a number and its unit on one line: ``71.8 %`` never breaks before the sign."""
    escaped = str(conditional_escape(text))
    return mark_safe(  # noqa: S308  # escaped on the line above
        _FIGURE.sub(lambda found: f'<span class="nowrap">{found[0]}</span>', escaped)
    )


@register.filter
def money(value: Decimal) -> str:
    """An amount in cents."""
    return numbers.money(value)


@register.filter
def exact(value: Decimal) -> str:
    """An amount with every digit it has."""
    return numbers.exact_money(value)


@register.filter
def count(value: int) -> str:
    """A count with thousands separators."""
    return numbers.grouped(value)


@register.filter
def goal_text(value: Decimal) -> str:
    """A goal without idle zeros."""
    return numbers.goal_text(value)
