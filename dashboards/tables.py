"""One table object behind the page, the CSV and the spreadsheet, so that all three say the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from dashboards import numbers
from finops.core.amounts import EXACT, ZERO, exact_sum, to_cents


class Kind(StrEnum):
    """What a column holds, and so how it is shown, aligned and exported."""

    TEXT = "text"
    MONEY = "money"
    EXACT = "exact"
    PERCENT = "percent"
    POINTS = "points"
    NUMBER = "number"
    MIX = "mix"
    TIME = "time"


@dataclass(frozen=True)
class Mix:
    """How sure the allocation of a cost is: shares that add up to 1."""

    firm: Decimal
    inferred: Decimal
    fallback: Decimal


Value = Decimal | int | str | date | datetime | Mix | None
Tone = Literal["", "quiet", "warning", "danger"]
RowKind = Literal["line", "part", "sum", "total", "rounding"]


@dataclass(frozen=True)
class Column:
    """One column; ``unit`` (a currency) is said once, in its head."""

    key: str
    label: str
    kind: Kind = Kind.TEXT
    unit: str = ""
    note: str = ""
    hatched: bool = False
    title: str = ""

    @property
    def numeric(self) -> bool:
        """Whether the column is aligned to the right."""
        return self.kind not in {Kind.TEXT, Kind.TIME, Kind.MIX}


@dataclass(frozen=True)
class Action:
    """A button of a row: ``url`` is posted to. Where ``refused`` says why not, it is shown disabled."""

    label: str
    url: str
    about: str
    refused: str = ""
    key: str = ""


@dataclass(frozen=True)
class Cell:
    """One value. Without a value the ``reason`` says why it is missing; ``plus`` shows a plus sign.

    ``percent`` draws how much of something is done; ``actions`` are buttons, and no part of an export.
    """

    value: Value = None
    reason: str = ""
    kind: Kind | None = None
    href: str = ""
    note: str = ""
    tone: Tone = ""
    places: int = 1
    plus: bool = False
    percent: int | None = None
    actions: tuple[Action, ...] = ()

    def text(self, column: Column) -> str:
        """The value as people read it, an em dash where it is missing."""
        kind, value = self.kind or column.kind, self.value
        if value is None:
            return numbers.DASH
        if isinstance(value, Decimal | int) and not isinstance(value, bool):
            return _number_text(kind, Decimal(value), self)
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%d %H:%M}"
        if isinstance(value, Mix):
            bands = (
                ("firm", value.firm),
                ("inferred", value.inferred),
                ("fallback", value.fallback),
            )
            return ", ".join(f"{numbers.percent(share)} {name}" for name, share in bands if share)
        return str(value)

    @property
    def sort_key(self) -> tuple[int, Decimal, str]:
        """Numbers by size, texts by letters."""
        if isinstance(self.value, Decimal | int):
            return (0, Decimal(self.value), "")
        if isinstance(self.value, Mix):
            return (0, self.value.firm, "")
        return (1, ZERO, str(self.value).casefold())


def _number_text(kind: Kind, value: Decimal, cell: Cell) -> str:
    if kind is Kind.MONEY:
        return numbers.money(value, plus=cell.plus)
    if kind is Kind.EXACT:
        return numbers.exact_money(value)
    if kind is Kind.PERCENT:
        return numbers.percent(value, cell.places)
    if kind is Kind.POINTS:
        rounded = numbers.round_places(value, cell.places)
        return numbers.signed(f"{abs(rounded):,f}", rounded, plus=True)
    return numbers.grouped(value)


@dataclass(frozen=True)
class Row:
    """One line; ``opens`` is the address of the rows beneath it."""

    cells: Sequence[Cell]
    kind: RowKind = "line"
    key: str = ""
    opens: str = ""
    title: str = ""


@dataclass(frozen=True)
class Table:
    """Columns, rows and footing totals; ``empty`` is said where there is no row."""

    key: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    totals: Sequence[Row] = field(default_factory=tuple)
    empty: str = "Nothing to show."

    def sorted_by(self, sort: str, sortable: Iterable[str]) -> Table:
        """The same table in another order; missing values stay last. Raises ``KeyError``."""
        key = sort.removeprefix("-")
        if key not in set(sortable):
            raise KeyError(key)
        index = next(i for i, column in enumerate(self.columns) if column.key == key)
        present = [row for row in self.rows if row.cells[index].value is not None]
        missing = [row for row in self.rows if row.cells[index].value is None]
        present.sort(key=lambda row: row.cells[index].sort_key, reverse=sort.startswith("-"))
        return Table(
            self.key, self.caption, self.columns, [*present, *missing], self.totals, self.empty
        )


def rounding_left(total: Decimal, shown: Iterable[Decimal]) -> Decimal:
    """What rounding each of ``shown`` to cents leaves against the rounded total.

    Every amount is rounded once, from its exact value, and so is the same on every page; this
    difference is shown as a line of its own, so that the shown lines add up to the shown total.
    """
    return EXACT.subtract(to_cents(total), exact_sum(to_cents(value) for value in shown))
