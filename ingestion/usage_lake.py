"""Files of usage in the lake: where they lie, and which of them readers may see (see ``lake``)."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path

from django.conf import settings

from ingestion import lake
from ingestion.core.delivery import SourceError
from ingestion.core.logpush import WrittenFile
from ingestion.lake import LakeTable
from ingestion.models import Source
from ingestion.store import store
from ingestion.usage_models import UsageFile, UsageLoad

TABLES = {"facts": "usage", "keys": "usage-keys"}
"""Kind of file → its table's folder below the lake's root."""


def place_of(source: Source, load: uuid.UUID, kind: str, day: date) -> Path:
    """``usage/source=cloudflare-logpush/day=2026-11-24/load=<id>/part-0.parquet``; its folder is made."""
    folder: Path = settings.LAKE_DIR / _folder(source, load, kind, day)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "part-0.parquet"


def _folder(source: Source, load: uuid.UUID, kind: str, day: date) -> Path:
    return Path(TABLES[kind]) / f"source={source.slug}" / f"day={day}" / f"load={load}"


def catalogue_entry(load: UsageLoad, written: WrittenFile) -> UsageFile:
    """An unsaved catalogue row for a file that lies in the lake; its bytes are on disk by then."""
    path, size = lake.settled(written.path)
    return UsageFile(
        load=load,
        kind=written.kind,
        day=written.day,
        first_hour=written.first_hour,
        last_hour=written.last_hour,
        path=path,
        rows=written.rows,
        bytes=size,
    )


def discard(source: Source, load: uuid.UUID) -> None:
    """Remove the files of a load that never became visible."""
    root: Path = settings.LAKE_DIR
    folders = [
        folder
        for table in TABLES.values()
        for folder in (root / table / f"source={source.slug}").glob(f"day=*/load={load}")
    ]
    keys = [path.relative_to(root).as_posix() for one in folders for path in one.glob("*.parquet")]
    # What is not reached here is an orphan, and swept.
    with suppress(SourceError):
        store().remove(keys)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def files(
    kind: str,
    *,
    sources: Iterable[Source] | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
) -> LakeTable:
    """The files of current usage loads, as the engine takes them; those that may hold [first, last]."""
    found = UsageFile.objects.filter(
        kind=kind, load__state=UsageLoad.State.CURRENT, left_at__isnull=True
    )
    if sources is not None:
        found = found.filter(load__source__in=list(sources))
    if first is not None:
        found = found.filter(last_hour__gte=first)
    if last is not None:
        found = found.filter(first_hour__lte=last)
    kept = store()
    rows = found.order_by("path").values_list("path", "bytes")
    return LakeTable(tuple(str(kept.here(path, size)) for path, size in rows))
