"""How far off estimates were, once the bill had come. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.tables import Cell, Column, Kind, Row, Table
from finops.core.amounts import ZERO, money_text, to_cents

if TYPE_CHECKING:
    from ingestion.estimate_selectors import MeterError

_FREE = "the bill charges nothing"


def errors_table(rows: Sequence[MeterError]) -> Table:
    """One row a meter and month; amounts are in the row's own currency."""
    columns = (
        Column("meter", "Meter"),
        Column("month", "Month"),
        Column("days", "Days", Kind.NUMBER, title="Whole days that a bill has reached the end of"),
        Column("currency", "Currency"),
        Column("estimated", "Estimated", Kind.MONEY),
        Column("billed", "Billed", Kind.MONEY),
        Column("error", "Error", Kind.PERCENT, title="Estimated less billed, by billed"),
        Column("mape", "Mean error of days", Kind.PERCENT, title="Mean of absolute errors (MAPE)"),
    )
    return Table(
        "meter-errors",
        "Bill against estimate, by meter and month",
        columns,
        [_row(row) for row in rows],
        empty="No estimate has met its bill yet.",
    )


def errors_sentence(rows: Sequence[MeterError]) -> str:
    """The largest error of the newest month, and on how many days it rests; empty where there is none."""
    known = [row for row in rows if row.mape is not None and row.period == rows[0].period]
    if not known:
        return ""
    worst = max(known, key=lambda row: row.mape or ZERO)
    rests = (
        " This rests on one day so far: it says little yet."
        if worst.days == 1
        else f" This rests on {worst.days} days."
    )
    return (
        f"In {worst.period:%b %Y} estimates were off by at most {numbers.percent(worst.mape or ZERO, 2)} "
        f"({worst.title}: estimated {money_text(worst.estimated, worst.currency)}, "
        f"billed {money_text(worst.billed, worst.currency)}).{rests}"
    )


def _row(row: MeterError) -> Row:
    return Row(
        (
            Cell(row.title, note=row.provider),
            Cell(f"{row.period:%b %Y}"),
            Cell(row.days),
            Cell(row.currency),
            Cell(to_cents(row.estimated)),
            Cell(to_cents(row.billed)),
            Cell(reason=_FREE) if row.error is None else Cell(row.error, places=2),
            Cell(reason=_FREE) if row.mape is None else Cell(row.mape, places=2),
        )
    )
