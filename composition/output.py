"""How commands show work and figures on a terminal, and plainly where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ingestion.progress import Progress as Reporter
from ingestion.progress import silent


def console(stream: TextIO) -> Console:
    """A console on ``stream`` that never guesses markup in data and wraps nothing when piped."""
    interactive = stream.isatty()
    return Console(
        file=stream, markup=False, highlight=False, soft_wrap=not interactive, emoji=False
    )


@contextmanager
def progress_bars(stream: TextIO) -> Iterator[Reporter]:
    """One bar a stage while a command works; nothing where nobody watches."""
    if not stream.isatty():
        yield silent
        return
    bars = Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[rows]}"),
        console=Console(file=stream),
        transient=True,
    )
    with bars:
        tasks: dict[str, int] = {}

        def report(stage: str, done: int, total: int, rows: int = 0) -> None:
            if stage not in tasks:
                tasks[stage] = int(bars.add_task(stage, total=None, rows=""))
            told = f"{rows:,} rows" if rows else ""
            bars.update(tasks[stage], completed=done, total=total or None, rows=told)  # type: ignore[arg-type]  # rich's TaskID is an int

        yield report


def print_table(
    stream: OutputWrapper | TextIO,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
) -> None:
    """A table with ``(heading, "left" | "right")`` columns."""
    table = Table(
        title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    for heading, side in columns:
        table.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    # Django's wrapper would end each write with a line end.
    out = cast("TextIO", stream._out if isinstance(stream, OutputWrapper) else stream)
    target = console(out)
    if not out.isatty():
        target.width = 220
    target.print(table)
