"""Keep the lake small and true: retention, orphans, compaction. Each step is safe to repeat.

Nothing that a reader may have been given is removed at once: a file that left the catalogue stays for
``lake.LEFT_BEHIND``.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count

from finops.core.dialect import literal
from finops.engine import connect, sweep_scratch
from ingestion import lake, usage_detail, usage_upkeep
from ingestion.models import LakeFile, Load, Source
from ingestion.progress import Progress, silent
from ingestion.store import BucketStore, store
from ingestion.tsa_services import forget_old
from ingestion.usage_models import UsageFile

logger = logging.getLogger(__name__)

SMALL_FILE = 64 << 20
"""Bytes below which a file is worth putting together with others."""


@dataclass(frozen=True)
class Upkeep:
    """What one round did."""

    purged_loads: int
    swept_files: int
    swept_loads: int
    compacted_files: int
    keys_left: int
    objects_forgotten: int
    hours_put_together: int

    def __str__(self) -> str:
        return (
            f"{self.purged_loads} old loads removed, {self.swept_loads} abandoned loads and "
            f"{self.swept_files} orphaned files swept, {self.compacted_files} small files put together, "
            f"{self.keys_left} files of old logs' keys let go, {self.objects_forgotten} old objects of logs "
            f"kept as digests, {self.hours_put_together} rows of hours put together into days."
        )


def upkeep(*, now: datetime, progress: Progress = silent) -> Upkeep:
    """One round of everything."""
    progress("retention", 0, 3)
    purged = purge(before=now - timedelta(days=settings.LOAD_RETENTION_DAYS), now=now)
    progress("compaction", 1, 3)
    compacted = sum(compact(load, now=now) for load in _scattered())
    compacted += usage_upkeep.put_hours_together(now=now)
    compacted += usage_upkeep.compact_days(now=now)
    hours = usage_detail.put_hours_together(now=now)
    keys_left = usage_upkeep.let_old_keys_go(now=now)
    usage_upkeep.forget_rejected_lines(now=now)
    forgotten = usage_upkeep.forget_old_objects(now=now)
    forget_old(now=now)
    progress("sweeping", 2, 3)
    abandoned = sweep_loads(before=now - lake.LEFT_BEHIND)
    swept = sweep_files(before=now - lake.LEFT_BEHIND)
    sweep_scratch(before=now - lake.LEFT_BEHIND)
    kept = store()
    if isinstance(kept, BucketStore):
        kept.trim_copies(settings.CACHE_MAX_BYTES, unused_since=now - timedelta(hours=1))
    progress("sweeping", 3, 3)
    return Upkeep(purged, swept, abandoned, compacted, keys_left, forgotten, hours)


def purge(*, before: datetime, now: datetime) -> int:
    """Let go of the files of loads that were replaced before ``before``; how many loads there were.

    Their control totals, rejects and restatements stay.
    """
    old = Load.objects.filter(
        state=Load.State.SUPERSEDED, superseded_at__lt=before, purged_at__isnull=True
    )
    count = 0
    for load in old:
        with transaction.atomic():
            LakeFile.objects.filter(load=load, left_at__isnull=True).update(left_at=now)
            count += Load.objects.filter(pk=load.pk, purged_at__isnull=True).update(purged_at=now)
    return count


def sweep_loads(*, before: datetime) -> int:
    """Remove staged loads that nobody works on and that began before ``before``."""
    count = 0
    for load in Load.objects.filter(state=Load.State.STAGED, started_at__lt=before).select_related(
        "source"
    ):
        if not lake.is_claimed(load):
            lake.discard(load)
            count += Load.objects.filter(pk=load.pk, state=Load.State.STAGED).delete()[0] > 0
    return count


def sweep_files(*, before: datetime) -> int:
    """Remove files that left the catalogue, or were written and never entered it, before ``before``."""
    kept = store()
    gone = [
        path
        for files in (LakeFile.objects, UsageFile.objects)
        for path in files.filter(left_at__lt=before).values_list("path", flat=True)
    ]
    kept.remove(gone)
    LakeFile.objects.filter(path__in=gone).delete()
    UsageFile.objects.filter(path__in=gone).delete()
    # Listed before the catalogue is read: a file that is entered in between is younger than any orphan.
    found = [key for key, written in kept.listing() if written < before]
    known = set(LakeFile.objects.values_list("path", flat=True))
    known |= set(UsageFile.objects.values_list("path", flat=True))
    orphans = [key for key in found if key not in known]
    kept.remove(orphans)
    return len(gone) + len(orphans)


def _scattered() -> list[Load]:
    """Current loads whose charge lines lie in several small files."""
    files = (
        LakeFile.objects.filter(
            kind=LakeFile.Kind.CHARGES,
            load__state=Load.State.CURRENT,
            left_at__isnull=True,
            bytes__lt=SMALL_FILE,
        )
        .values("load")
        .annotate(count=Count("pk"))
        .filter(count__gt=1)
    )
    return list(
        Load.objects.filter(pk__in=[row["load"] for row in files])
        .select_related("source")
        .order_by("billing_period")
    )


def compact(load: Load, *, now: datetime) -> int:
    """Put the load's small files of charge lines together; how many there were.

    Nothing changes where the load is replaced meanwhile. Raises ``RuntimeError`` where the new file does
    not hold what the old ones did.
    """
    small = list(
        LakeFile.objects.filter(
            load=load, kind=LakeFile.Kind.CHARGES, left_at__isnull=True, bytes__lt=SMALL_FILE
        )
    )
    groups: list[list[LakeFile]] = [[]]
    for file in small:
        if sum(one.bytes for one in groups[-1]) + file.bytes > 4 * SMALL_FILE:
            groups.append([])
        groups[-1].append(file)
    return sum(_put_together(load, group, now) for group in groups if len(group) > 1)


def _put_together(load: Load, small: list[LakeFile], now: datetime) -> int:
    kept = store()
    paths = ", ".join(literal(str(kept.here(file.path, file.bytes))) for file in small)
    target = lake.folder_of(load, LakeFile.Kind.CHARGES) / f"part-{uuid.uuid4().hex}.parquet"
    with connect() as engine:
        engine.execute(
            f"COPY (SELECT * FROM read_parquet([{paths}], hive_partitioning=false)) "
            f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        )
        before, after = (
            engine.execute(
                "SELECT billing_currency, count(*), sum(billed_cost), sum(effective_cost) "
                f"FROM read_parquet([{files}], hive_partitioning=false) GROUP BY 1 ORDER BY 1"
            ).fetchall()
            for files in (paths, literal(str(target)))
        )
    rows = sum(file.rows for file in small)
    if before != after or sum(int(row[1]) for row in after) != rows:
        target.unlink()
        msg = f"{load}: the file put together does not hold what {len(small)} files held."
        raise RuntimeError(msg)
    entry = lake.catalogue_entry(load, LakeFile.Kind.CHARGES, target, rows)
    lake.publish([entry])
    with transaction.atomic():
        Source.objects.select_for_update().get(pk=load.source_id)
        mine = LakeFile.objects.filter(
            pk__in=[file.pk for file in small],
            left_at__isnull=True,
            load__state=Load.State.CURRENT,
        )
        if mine.count() != len(small):
            return 0
        LakeFile.objects.filter(pk__in=[file.pk for file in small]).update(left_at=now)
        entry.save()
    logger.info("files put together", extra={"load": str(load.pk), "files": len(small)})
    return len(small)
