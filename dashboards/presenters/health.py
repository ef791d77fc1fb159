"""Data health: which days have come, what was delivered, and what had to be put aside. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.tables import Action, Cell, Column, Kind, Row, Table
from ingestion.core.grid import DayCell, DayState
from ingestion.rereading import stamps_refusal
from ingestion.tsa_models import KINDS as STAMP_KINDS
from ingestion.usage_api_models import KIND as USAGE_API

if TYPE_CHECKING:
    from finops.job_views import JobRow
    from ingestion.models import Delivery, RejectedRow, Source
    from ingestion.selectors import Freshness, LineTypeCount

SIGNS: dict[DayState, str] = {
    DayState.COMPLETE: "●",
    DayState.PARTIAL: "◐",
    DayState.DUE: "·",
    DayState.LATE: "!",
    DayState.MISSING: "×",
    DayState.OUTSIDE: "",
}
"""One sign per state: the colour only repeats it."""

_WRONG = (DayState.LATE, DayState.MISSING)
_MOST_NAMED = 12


@dataclass(frozen=True)
class GridCell:
    """One day of one source, as the grid shows it: ``text`` is its day with its state and the reason for it."""

    state: str
    sign: str
    text: str


@dataclass(frozen=True)
class GridRow:
    """One source of the grid."""

    name: str
    slug: str
    cells: list[GridCell]


@dataclass(frozen=True)
class Grid:
    """Sources by days; ``wrong`` says in words which days are late or missing, ``wrong_days`` how many are."""

    days: list[date]
    rows: list[GridRow]
    legend: list[tuple[str, str]]
    wrong: list[str]
    wrong_days: int = 0


@dataclass(frozen=True)
class Part:
    """One part of the page, for its table of contents; a ``tone`` says that something wants a look."""

    anchor: str
    label: str
    told: str
    tone: str = ""


def part(anchor: str, label: str, wrong: int, told: str, *, otherwise: str = "") -> Part:
    """A part of the page with ``wrong`` things that want a look, ``told`` in words; or what it holds ``otherwise``."""
    if wrong:
        return Part(anchor, label, f"{numbers.grouped(wrong)} {told}", "warning")
    return Part(anchor, label, otherwise)


def grid(found: Sequence[tuple[Source, Sequence[DayCell]]], days: Sequence[date]) -> Grid:
    """The grid of the sources; days that differ from complete carry their reason in words."""
    rows = [
        GridRow(
            source.name,
            source.slug,
            [
                GridCell(
                    cell.state.value,
                    SIGNS[cell.state],
                    f"{cell.day.day} {cell.day:%b}: {cell.state.value}, {cell.reason}",
                )
                for cell in cells
            ],
        )
        for source, cells in found
    ]
    legend = [(SIGNS[state], state.value) for state in DayState if SIGNS[state]]
    count = sum(cell.state in _WRONG for _, cells in found for cell in cells)
    return Grid(list(days), rows, legend, _wrong(found), count)


def _wrong(found: Sequence[tuple[Source, Sequence[DayCell]]]) -> list[str]:
    """Runs of days that are late or missing, each as one sentence."""
    sentences = []
    for source, cells in found:
        runs: list[list[DayCell]] = []
        for cell in cells:
            if cell.state not in _WRONG:
                continue
            last = runs[-1][-1] if runs else None
            follows = last is not None and cell.day - last.day == timedelta(days=1)
            if last is not None and follows and last.state == cell.state:
                runs[-1].append(cell)
            else:
                runs.append([cell])
        for run in runs:
            first, end = run[0], run[-1]
            span = f"{first.day.day} {first.day:%b}"
            if end is not first:
                span += f" to {end.day.day} {end.day:%b}"
            sentences.append(f"{source.name}, {span}: {first.state.value}; {first.reason}.")
    more = len(sentences) - _MOST_NAMED
    return sentences if more <= 0 else [*sentences[:_MOST_NAMED], f"And {more} more."]


def sentence(
    freshness: Freshness, shown: Grid, jobs: Sequence[JobRow], failed: int, apart: int
) -> str:
    """Whether all data is there; ``failed`` deliveries and ``apart`` totals speak first."""
    if not freshness.total:
        return "No source has delivered yet."
    late = [source.name for source in freshness.sources if source.is_late]
    waiting = [source.name for source in freshness.sources if source.state == "waiting"]
    parts = []
    if apart:
        parts.append(f"{numbers.counted(apart, 'control total differs', 'control totals differ')}")
    if late:
        parts.append(f"{numbers.listed(late)} {'is' if len(late) == 1 else 'are'} late")
    if failed:
        parts.append(numbers.counted(failed, "delivery was refused", "deliveries were refused"))
    if waiting:
        verb = "has" if len(waiting) == 1 else "have"
        parts.append(f"{numbers.listed(waiting)} {verb} delivered nothing yet")
    running = sum(job.is_active for job in jobs)
    if not parts:
        parts.append(f"all {numbers.counted(freshness.total, 'source is', 'sources are')} fresh")
        if shown.wrong:
            parts.append("but days are missing")
        else:
            parts.append("every day that is due has come")
    if running:
        parts.append(numbers.counted(running, "job is under way", "jobs are under way"))
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def deliveries_table(
    rows: Sequence[Delivery],
    *,
    rejects_url: Callable[[int], str],
    again_url: Callable[[int], str] | None,
    then_url: Callable[[Delivery], str],
    running: Mapping[str, JobRow] | None = None,
) -> Table:
    """What was handed over, newest first; ``again_url`` where the person may have it read again.

    ``running`` are the loads under way, by connection: one that is being loaded says how far it is.
    """
    columns = [
        Column("seen", "First seen (UTC)", Kind.TIME),
        Column("source", "Source"),
        Column("period", "Period"),
        Column("state", "State"),
        Column("rows", "Rows", Kind.NUMBER),
        Column("rejected", "Rejected", Kind.NUMBER),
        Column("size", "Size"),
        Column("took", "Took"),
        Column("key", "Key"),
        Column("error", "Why"),
    ]
    if again_url:
        columns.append(Column("do", "Do"))

    def row(delivery: Delivery) -> Row:
        cells = [
            Cell(delivery.discovered_at),
            Cell(delivery.source.name),
            Cell(
                f"{delivery.billing_period:%Y-%m}" if delivery.billing_period else None,
                reason="it is not billed by period",
            ),
            _state(delivery, then_url, running or {}),
            Cell(delivery.rows),
            Cell(delivery.rejected_rows, href=rejects_url(delivery.pk), tone="warning")
            if delivery.rejected_rows
            else Cell(0),
            Cell(numbers.file_size(delivery.bytes)),
            Cell(_took(delivery), reason="it was not read to its end"),
            Cell(delivery.key),
            Cell(delivery.error),
        ]
        if again_url:
            wanted = delivery.billing_period is not None or delivery.rejected_rows
            action = again_action(delivery, again_url(delivery.pk))
            cells.append(Cell("", actions=(action,) if wanted else ()))
        return Row(cells)

    return Table(
        "deliveries",
        "Deliveries, newest first",
        columns,
        [row(delivery) for delivery in rows],
        empty="Nothing has been delivered yet.",
    )


def _state(
    delivery: Delivery, then_url: Callable[[Delivery], str], running: Mapping[str, JobRow]
) -> Cell:
    """Its state; what it became, where it was loaded, leads to the figures of that time."""
    if delivery.state == "rejected":
        return Cell(delivery.state, tone="danger")
    if delivery.state == "loading" and delivery.source.connection:
        job = running.get(delivery.source.connection.slug)
        if job is not None:
            return Cell(delivery.state, note=job.progress_text, percent=job.percent)
    loads = [load for load in delivery.loads.all() if load.committed_at]
    if not loads:
        return Cell(delivery.state)
    newest = loads[-1]
    if newest.state == "current":
        return Cell(delivery.state, note="current")
    if newest.purged_at:
        return Cell(delivery.state, note=f"replaced; its files left on {newest.purged_at:%Y-%m-%d}")
    return Cell(delivery.state, href=then_url(delivery), note="replaced; opens what was known then")


def _took(delivery: Delivery) -> str | None:
    if delivery.started_at is None or delivery.finished_at is None:
        return None
    if delivery.finished_at < delivery.started_at:
        return None
    seconds = (delivery.finished_at - delivery.started_at).total_seconds()
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def again_action(delivery: Delivery, url: str) -> Action:
    """The button that has the bill of this delivery's month, or the objects behind its tokens, read once more."""
    refused = ""
    if delivery.source.kind in {*STAMP_KINDS, USAGE_API}:
        refused = stamps_refusal(delivery)
        label = "Read the objects again"
        return Action(
            label, url, f"{delivery.source.slug} {delivery.key}", refused, f"again-{delivery.pk}"
        )
    if delivery.billing_period is None:
        refused = "deliver a corrected file: its good rows count already"
    elif delivery.source.connection is None:
        refused = "it was loaded by hand: use manage.py ingest --again"
    return Action(
        "Read again", url, f"{delivery.source.slug} {delivery.key}", refused, f"again-{delivery.pk}"
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
