"""A tenant's statement as a table that foots in both directions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from allocation.core.pnl import Pnl
from dashboards import numbers
from dashboards.shown import NO_SPLIT, Shown, is_empty, shown
from dashboards.state import PageState
from dashboards.tables import Cell, Column, Kind, Row, RowKind, Table
from finops.core.amounts import EXACT, ZERO, exact_sum
from finops.core.periods import Window

if TYPE_CHECKING:
    from allocation.core.figures import Statement, StatementColumn

Amount = Callable[[Shown], Decimal | None]
_ABSENT = "nothing is loaded for these days"


@dataclass(frozen=True)
class Frame:
    """What a statement needs beside its figures."""

    state: PageState
    currency: str
    goal: Decimal
    services_path: str
    narrowed: str = ""
    gap: str = ""
    """Which bills of the period are missing; empty where none is."""
    previous_gap: str = ""
    """Why the period before is not whole; empty where it is."""
    unallocated: Decimal | None = None
    """Cost that nobody bears yet, where the reader may see it."""
    closed: Mapping[str, str] = field(default_factory=dict)
    """Closed months, ``YYYY-MM``, with the mark for the head of their column."""


@dataclass(frozen=True)
class _Part:
    """One column while the statement is built."""

    pnl: Pnl
    figures: Shown
    window: Window
    absent: bool


class _Builder:
    def __init__(self, statement: Statement, frame: Frame) -> None:
        self.frame = frame
        self.statement = statement
        self.parts = [
            # A column without any cost is one whose bill is missing, where one is.
            self._part(column.pnl, column.window, "" if column.pnl.direct else frame.gap)
            for column in statement.columns
        ]
        self.total = self._part(statement.total, frame.state.window, frame.gap)
        self.previous = self._part(statement.previous, frame.state.period.previous)
        self.several = len(self.parts) > 1
        self.rounded = self.several and any(
            self._rounding(amount) for amount in (*self._amounts(), *self._profits())
        )

    def _part(self, pnl: Pnl, window: Window, gap: str = "") -> _Part:
        return _Part(pnl, shown(pnl, self.frame.narrowed, gap), window, is_empty(pnl))

    def categories(self) -> list[str]:
        """Categories of the page and of the period before, the dearest first."""
        every = {**self.previous.pnl.direct, **self.total.pnl.direct}
        return sorted(every, key=lambda name: (-self.total.pnl.direct.get(name, ZERO), name))

    def taxes(self) -> list[str]:
        """What stands below the line."""
        return sorted({*self.total.pnl.below_line, *self.previous.pnl.below_line})

    def _amounts(self) -> list[Amount]:
        rows: list[Amount] = [lambda s: s.revenue, lambda s: s.cost, lambda s: s.credits]
        rows += [_direct(name) for name in self.categories()]
        return rows + [_below(name) for name in self.taxes()]

    def _profits(self) -> list[Amount]:
        return [lambda s: s.gross_profit, lambda s: s.after_credits]

    def _rounding(self, amount: Amount) -> Decimal:
        """What the shown columns lack to add up to the shown total, where there is one."""
        if amount(self.total.figures) is None:
            return ZERO
        cells = exact_sum(amount(part.figures) or ZERO for part in self.parts)
        return EXACT.subtract(amount(self.total.figures) or ZERO, cells)

    def columns(self) -> list[Column]:
        unit = self.frame.currency
        columns = [Column("line", "")]
        for column in self.statement.columns if self.several else ():
            note = self.frame.closed.get(column.key) or _reach(column)
            columns.append(
                Column(
                    column.key, column.label, Kind.MONEY, unit, note, hatched=not column.complete
                )
            )
        if self.rounded:
            title = "What rounding each column to cents leaves against the exact total"
            columns.append(Column("rounding", "Rounding", Kind.MONEY, unit, title=title))
        whole = all(column.complete for column in self.statement.columns)
        columns.append(Column("total", "Total", Kind.MONEY, unit, hatched=not whole))
        if self.frame.state.compare:
            before = self.frame.state.period.previous
            title = f"{before.start} to {before.last_day}"
            partly = bool(self.frame.previous_gap)
            note = "in part" if partly else ""
            columns.append(
                Column("previous", "Previous", Kind.MONEY, unit, note, hatched=partly, title=title)
            )
            columns.append(Column("change", "Change", Kind.MONEY, unit))
        return columns

    def money_row(
        self,
        label: Cell,
        amount: Amount,
        *,
        reason: str = "",
        kind: RowKind = "line",
        opens: str = "",
        key: str = "",
        link: Callable[[Window], str] | None = None,
    ) -> Row:
        columns = self.parts if self.several else ()
        cells = [label, *(self._cell(part, amount, reason, link) for part in columns)]
        if self.rounded:
            left = self._rounding(amount)
            cells.append(Cell(left, tone="quiet") if left else Cell(""))
        cells.append(self._cell(self.total, amount, reason, link))
        if self.frame.state.compare:
            cells.append(self._cell(self.previous, amount, reason, link))
            cells.append(self._change(amount, reason))
        return Row(cells, kind=kind, key=key, opens=opens)

    def _cell(
        self, part: _Part, amount: Amount, reason: str, link: Callable[[Window], str] | None
    ) -> Cell:
        value = amount(part.figures)
        if part.absent:
            return Cell(reason=_ABSENT)
        if value is None:
            return Cell(reason=reason or part.figures.reason)
        if link is not None and value:
            return Cell(value, href=link(part.window))
        return Cell(value, tone="" if value else "quiet")

    def _change(self, amount: Amount, reason: str) -> Cell:
        now, before = amount(self.total.figures), amount(self.previous.figures)
        if self.frame.previous_gap:
            return Cell(reason=self._not_whole())
        if self.total.absent or self.previous.absent:
            return Cell(reason="one of the two periods holds nothing")
        if now is None and before is None:
            return Cell(reason=reason or self.total.figures.reason)
        change = numbers.Change(now or ZERO, before or ZERO)
        note = f"{change.arrow} {change.word}"
        if change.share is not None:
            note = f"{note} {numbers.percent(abs(change.share))}" if change.amount else note
        return Cell(change.amount, note=note, plus=True)

    def share_row(
        self, label: str, share: Amount, *, kind: RowKind = "line", near: bool = False
    ) -> Row:
        """A row of shares; ``near`` keeps enough decimals beside the goal."""
        cells = [Cell(label)]
        parts: list[_Part | None] = [*(self.parts if self.several else ()), None, self.total]
        if self.frame.state.compare:
            parts.append(self.previous)
        for part in parts:
            if part is None:
                cells += [Cell("")] if self.rounded else []
                continue
            value = share(part.figures)
            if part.absent or value is None:
                cells.append(
                    Cell(kind=Kind.PERCENT, reason=_ABSENT if part.absent else part.figures.reason)
                )
                continue
            places = numbers.places_beside(value, self.frame.goal) if near else 1
            cells.append(Cell(value, kind=Kind.PERCENT, places=places))
        if self.frame.state.compare:
            cells.append(self._points_change(share))
        return Row(cells, kind=kind)

    def _not_whole(self) -> str:
        return f"the period before is not whole: {self.frame.previous_gap}"

    def _points_change(self, share: Amount) -> Cell:
        now, before = share(self.total.figures), share(self.previous.figures)
        if self.frame.previous_gap:
            return Cell(kind=Kind.POINTS, reason=self._not_whole())
        if now is None or before is None:
            return Cell(kind=Kind.POINTS, reason="one of the two periods has no margin")
        value = numbers.percent_value(now) - numbers.percent_value(before)
        return Cell(value, kind=Kind.POINTS, note=f"{numbers.arrow(value)} points")

    def rows(self) -> list[Row]:
        rows = [self.money_row(Cell("Revenue"), lambda s: s.revenue, kind="sum")]
        rows += [self._category_row(name) for name in self.categories()]
        rows.append(
            self.money_row(
                Cell("Shared cost"), lambda s: s.shared, reason=self._shared_reason(), kind="part"
            )
        )
        rows.append(self.money_row(Cell("Cost of revenue"), lambda s: s.cost, kind="sum"))
        rows.append(self.money_row(Cell("Gross profit"), lambda s: s.gross_profit, kind="total"))
        rows.append(self.share_row("Gross margin %", lambda s: s.margin, kind="sum", near=True))
        if any(part.figures.has_bounds for part in (*self.parts, self.total)):
            rows.append(
                self.share_row("at the lowest %", lambda s: s.margin_low, kind="part", near=True)
            )
            rows.append(
                self.share_row("at the highest %", lambda s: s.margin_high, kind="part", near=True)
            )
        rows.append(self.money_row(Cell("Credits"), lambda s: s.credits))
        rows.append(
            self.money_row(
                Cell("Gross profit after credits"), lambda s: s.after_credits, kind="sum"
            )
        )
        rows.append(
            self.share_row("Gross margin after credits %", lambda s: s.margin_after_credits)
        )
        for name in self.taxes():
            rows.append(self.money_row(Cell(f"{name}, below the line"), _below(name)))
        return rows

    def _category_row(self, name: str) -> Row:
        state, frame = self.frame.state, self.frame
        return self.money_row(
            Cell(name, href=state.link(frame.services_path, category=name)),
            _direct(name),
            kind="part",
            key=name,
            opens=state.link(frame.services_path, category=name),
            link=lambda window: state.window_link(frame.services_path, window, category=name),
        )

    def _shared_reason(self) -> str:
        if self.frame.unallocated is None:
            return NO_SPLIT
        amount = f"{numbers.money(self.frame.unallocated)} {self.frame.currency}"
        return f"{NO_SPLIT}; {amount} of company cost is unallocated in this period"


def _reach(column: StatementColumn) -> str:
    """Which days a column holds, where they are not all of its month or have not all come."""
    window = column.window
    if not column.complete:
        alone = window.days == 1 or column.last_day is None
        return "incomplete" if alone else f"to {column.last_day:%-d %b}"
    if window.days == 1 or window.is_whole_months():
        return ""
    return f"{window.start:%-d} to {window.last_day:%-d %b}"


def _direct(name: str) -> Amount:
    return lambda figures: figures.direct.get(name, ZERO)


def _below(name: str) -> Amount:
    return lambda figures: figures.below_line.get(name, ZERO)


def statement_table(statement: Statement, frame: Frame, caption: str) -> Table:
    """The statement's rows; every column foots, and the columns foot to the total.

    Where rounding each column to cents does not add up to the rounded total, a column "Rounding"
    holds the difference, because no amount is rounded differently on two pages.
    """
    builder = _Builder(statement, frame)
    return Table("statement", caption, builder.columns(), builder.rows(), empty="No figures.")
