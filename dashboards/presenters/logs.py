"""Logs on Data health: how far each is complete, and what of them was put aside. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from dashboards import numbers
from dashboards.tables import Action, Cell, Column, Kind, Row, Table
from ingestion.core.cache_status import FORWARD_CAUSES, cause, largest_cause

if TYPE_CHECKING:
    from ingestion.core.cache_said import CacheSaid
    from ingestion.log_selectors import CacheAnalysis, LogHealth, PutAside

_NO_EVENT = "no event has come"
_NOT_READ = "its values are no Cache-Status as RFC 9211 has it"
_NOT_ASKED = "the cache was asked for nothing"
_REDACTED = "it is kept redacted, for privacy: its object is read instead"


def logs_table(rows: Sequence[LogHealth]) -> Table:
    """Each log with its objects, its lines, and the hour up to which it is complete."""
    columns = (
        Column("log", "Log"),
        Column("complete", "Complete through (UTC)", Kind.TIME),
        Column("newest", "Newest event (UTC)", Kind.TIME),
        Column("watermark", "Watermark (UTC)", Kind.TIME),
        Column("loaded", "Objects", Kind.NUMBER),
        Column("skipped", "Skipped", Kind.NUMBER),
        Column("refused", "Refused", Kind.NUMBER),
        Column("lines", "Lines", Kind.NUMBER),
        Column("doubles", "Doubles", Kind.NUMBER),
        Column("rejected", "Lines put aside", Kind.NUMBER),
    )
    return Table(
        "logs",
        "Logs: how far they are complete",
        columns,
        [
            Row(
                (
                    Cell(row.source.name, note=" ".join((row.source.slug, *row.notes))),
                    Cell(row.complete_through, reason=_NO_EVENT),
                    Cell(row.newest_event, reason=_NO_EVENT),
                    Cell(row.watermark, reason=_NO_EVENT),
                    Cell(row.loaded),
                    Cell(row.skipped),
                    Cell(row.rejected, tone="danger" if row.rejected else ""),
                    Cell(row.lines),
                    Cell(row.duplicates),
                    Cell(row.rejected_lines, tone="warning" if row.rejected_lines else ""),
                )
            )
            for row in rows
        ],
        empty="No log is read yet.",
    )


def cache_table(rows: Mapping[str, CacheAnalysis]) -> Table:
    """What the cache did for each zone: ratios of the requests it looked up, and what kept most out of it."""
    columns = (
        Column("zone", "Zone"),
        Column("looked_up", "Requests looked up", Kind.NUMBER),
        Column("hit", "Hit ratio", Kind.PERCENT),
        Column("bypass", "Bypass ratio", Kind.PERCENT),
        Column("cause", "Largest cause of what was not served"),
    )
    return Table(
        "cache",
        "Cache: last 7 days by zone, requests and subrequests",
        columns,
        [
            Row(
                (
                    Cell(zone or None, reason="the job does not write ZoneName"),
                    Cell(row.requests.looked_up),
                    Cell(row.requests.hit, reason=_NOT_ASKED),
                    Cell(row.requests.bypass, reason=_NOT_ASKED),
                    _cause(row),
                )
            )
            for zone, row in rows.items()
        ],
        empty="No request of these days is read.",
    )


def caches_before_table(rows: Sequence[CacheSaid]) -> Table:
    """What the caches before Cloudflare said of the origin's responses (RFC 9211)."""
    columns = (
        Column("zone", "Zone"),
        Column("cache", "Cache"),
        Column("responses", "Responses", Kind.NUMBER),
        Column("hit", "Hit ratio", Kind.PERCENT),
        Column("forward", "Why it mostly went forward"),
        Column("stored", "Stored", Kind.NUMBER),
        Column("collapsed", "Shared a request", Kind.NUMBER),
    )
    return Table(
        "caches-before",
        "What the caches before Cloudflare said, last 7 days (Cache-Status, RFC 9211)",
        columns,
        [
            Row(
                (
                    Cell(row.zone or None, reason="the job does not write ZoneName"),
                    Cell(row.cache or "(unreadable)", tone="" if row.cache else "warning"),
                    Cell(row.responses),
                    Cell(row.hit, reason=_NOT_READ if not row.cache else _NOT_ASKED),
                    _forward(row),
                    Cell(row.stored),
                    Cell(row.collapsed),
                )
            )
            for row in rows
        ],
        empty="No log carries Cache-Status.",
    )


def _forward(row: CacheSaid) -> Cell:
    if not row.cache:
        return Cell(reason=_NOT_READ)
    if not row.forwards:
        return Cell(reason="it went forward for nothing")
    reason, amount = row.forwards[0]
    return Cell(reason, note=f"{FORWARD_CAUSES[reason]}: {amount.normalize():,f} responses")


def _cause(row: CacheAnalysis) -> Cell:
    status = largest_cause(row.by_status)
    if not status:
        return Cell(reason="nothing was kept out of the cache")
    return Cell(status, note=cause(status))


def put_aside_table(
    rows: Sequence[PutAside], again_url: Callable[[int], str] | None = None
) -> Table:
    """Objects that were refused and lines that were put aside, the newest first.

    ``again_url`` where the person may have an object read again: its first row has the buttons.
    """
    columns = [
        Column("what", "What"),
        Column("reason", "Why"),
        Column("text", "Line, redacted"),
        Column("object", "Object"),
        Column("log", "Log"),
        Column("taken", "Taken (UTC)", Kind.TIME),
    ]
    if again_url:
        columns.append(Column("do", "Do"))
    lines = []
    seen: set[int] = set()
    for row in rows:
        cells = [
            Cell("object" if row.line is None else f"line {row.line}"),
            Cell(_without_place(row)),
            Cell(row.text or None, reason="nothing of it can be shown"),
            Cell(row.key),
            Cell(row.source),
            Cell(row.taken_at),
        ]
        if again_url:
            first = row.object_id not in seen
            cells.append(Cell("", actions=_again(row, again_url) if first else ()))
            seen.add(row.object_id)
        lines.append(Row(cells))
    return Table(
        "put-aside",
        f"{numbers.counted(len(rows), 'object or line', 'objects and lines')} put aside last",
        columns,
        lines,
        empty="Nothing was put aside.",
    )


def _without_place(row: PutAside) -> str:
    """The reason without what stands in the columns beside it."""
    told = row.reason.removeprefix(row.key).removeprefix(f", line {row.line}").removeprefix(": ")
    return f"{told[:1].upper()}{told[1:]}" if told.startswith(("the ", "it ", "none ")) else told


def _again(row: PutAside, again_url: Callable[[int], str]) -> tuple[Action, ...]:
    about = f"{row.source} {row.key}"
    read = Action(
        "Read the object again",
        again_url(row.object_id),
        about,
        row.refusal,
        f"object-{row.object_id}",
    )
    if row.line is None:
        return (read,)
    return (Action("Retry the line", "", about, _REDACTED), read)
