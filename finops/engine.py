"""The engine: one DuckDB connection in the worker's process, bounded and closed to the outside."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    import duckdb


@contextmanager
def connect(*, threads: int = 0) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private engine with a memory limit, which spills to disk and loads no extension.

    ``threads`` 0 takes every core. Use one connection for one job or one page, never share it.
    """
    import duckdb  # noqa: PLC0415  # 0.14 s that pages without lake queries need not pay

    settings.LAKE_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="engine-", dir=_scratch()) as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": settings.ENGINE_MEMORY_LIMIT,
            "temp_directory": spill,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": False,
        }
        if threads:
            config["threads"] = threads
        connection = duckdb.connect(":memory:", config=config)
        try:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()


@contextmanager
def cursors(
    engine: duckdb.DuckDBPyConnection, count: int
) -> Iterator[list[duckdb.DuckDBPyConnection]]:
    """Connections to the same tables for other threads; whatever ends the block early interrupts them."""
    made = [engine.cursor() for _ in range(count)]
    try:
        yield made
    except BaseException:
        for one in made:
            one.interrupt()
        raise


def sweep_scratch(*, before: datetime) -> int:
    """Remove what engines of killed processes spilled and nobody wrote to since ``before``; how many there were."""
    count = 0
    for folder in _scratch().glob("engine-*"):
        with suppress(FileNotFoundError):
            newest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
            if datetime.fromtimestamp(newest, UTC) < before:
                shutil.rmtree(folder, ignore_errors=True)
                count += 1
    return count


def beside_another() -> int:
    """Threads for an engine while one other thread is busy: more threads than cores only wait."""
    return max((os.cpu_count() or 2) - 1, 1)


def _scratch() -> Path:
    path: Path = settings.LAKE_DIR / ".scratch"
    path.mkdir(parents=True, exist_ok=True)
    return path
