"""Keep usage in the lake small: a day's facts in one file, keys gone that nobody needs. Safe to repeat."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import Count

from finops.core.dialect import literal
from finops.engine import connect
from ingestion import log_objects, usage_lake
from ingestion.core.logpush import WrittenFile
from ingestion.core.path_prefix import OTHER
from ingestion.models import Source
from ingestion.store import store
from ingestion.usage import closed_days, let_keys_go
from ingestion.usage_detail import first_detailed_day
from ingestion.usage_models import RejectedLine, UsageFile, UsageLoad
from ingestion.usage_taking import settings_for

logger = logging.getLogger(__name__)

QUIET = timedelta(days=1)
"""After this time since its last file a day's facts are put together."""
_WITHOUT_PATH = f"CASE WHEN path_prefix = '' THEN '' ELSE {literal(OTHER)} END"


def let_old_keys_go(*, now: datetime) -> int:
    """Let go of keys that no longer tell doubles apart; how many files left."""
    left = 0
    for source in Source.objects.filter(log_days__isnull=False).distinct():
        kept = timedelta(hours=settings_for(source).keys_hours)
        left += let_keys_go(source=source, kept=kept, now=now)
    return left


def forget_rejected_lines(*, now: datetime) -> int:
    """Forget the lines put aside before the end of the newest day whose keys are gone; how many there were.

    Their number stays with their object, and then with the sums of its day.
    """
    count = 0
    for source in Source.objects.filter(log_days__keys_left_at__isnull=False).distinct():
        end = datetime.combine(max(closed_days(source)), time(), now.tzinfo) + timedelta(days=1)
        old = RejectedLine.objects.filter(log_object__source=source, log_object__taken_at__lt=end)
        count += old.delete()[0]
    return count


def forget_old_objects(*, now: datetime) -> int:
    """Keep digests for rows of objects that were taken ``LOG_OBJECT_DAYS`` ago; how many there were."""
    before = now - timedelta(days=settings.LOG_OBJECT_DAYS)
    return sum(
        log_objects.forget_old(
            source=source,
            kept=timedelta(hours=settings_for(source).keys_hours),
            before=before,
        )
        for source in Source.objects.filter(log_look__isnull=False)
    )


def put_hours_together(*, now: datetime) -> int:
    """Of days older than ``USAGE_DETAIL_DAYS`` keep facts by day and host alone; how many files there were."""
    rows = _facts().filter(day__lt=first_detailed_day(now), is_daily=False).order_by()
    days = list(rows.values_list("load__source", "day").distinct())
    return sum(compact_day(source, day, now=now, daily=True) for source, day in days)


def compact_days(*, now: datetime) -> int:
    """Put the facts of past days together, each day into one file; how many files there were."""
    rows = (
        _facts()
        .filter(day__lt=(now - QUIET).date(), load__committed_at__lt=now - QUIET)
        .order_by()
        .values("load__source", "day")
        .annotate(count=Count("pk"))
        .filter(count__gt=1)
    )
    return sum(compact_day(row["load__source"], row["day"], now=now) for row in rows)


def compact_day(source_id: int, day: date, *, now: datetime, daily: bool = False) -> int:
    """Put a day's files of facts together, equal facts into one; how many files there were.

    ``daily`` makes one of its hours, and of the paths of a host: sums by host, status and script hold. Nothing
    changes where the day's files are others by then. Raises ``RuntimeError`` where the new file does not hold
    what the old ones did.
    """
    source = Source.objects.get(pk=source_id)
    old = list(_facts().filter(load__source=source, day=day).select_related("load"))
    if len(old) < (1 if daily else 2):
        return 0
    kept = store()
    paths = ", ".join(literal(str(kept.here(file.path, file.bytes))) for file in old)
    target = usage_lake.place_of(source, uuid.uuid4(), UsageFile.Kind.FACTS, day)
    hour = "CAST(CAST(hour AS DATE) AS TIMESTAMP)" if daily else "hour"
    with connect() as engine:
        engine.execute(
            f"COPY (SELECT * REPLACE ({hour} AS hour, {_WITHOUT_PATH if daily else 'path_prefix'} AS path_prefix, "
            "CAST(sum(quantity) AS DECIMAL(38,18)) AS quantity) FROM "
            f"read_parquet([{paths}], hive_partitioning=false) GROUP BY ALL) "
            f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        )
        before, after = (
            engine.execute(
                f"SELECT {hour}, metric, zone, host, is_sampled, sum(quantity) FROM "
                f"read_parquet([{files}], hive_partitioning=false) GROUP BY ALL ORDER BY ALL"
            ).fetchall()
            for files in (paths, literal(str(target)))
        )
        counted = engine.execute(
            f"SELECT count(*) FROM read_parquet({literal(str(target))})"
        ).fetchone()
    if before != after or counted is None:
        target.unlink()
        msg = (
            f"{source.slug} {day}: the file put together does not hold what {len(old)} files held."
        )
        raise RuntimeError(msg)
    newest = max((file.load for file in old), key=lambda load: load.committed_at)
    entry = usage_lake.catalogue_entry(
        newest,
        WrittenFile(
            UsageFile.Kind.FACTS,
            day,
            min(file.first_hour for file in old),
            max(file.last_hour for file in old),
            target,
            int(counted[0]),
        ),
    )
    if daily:
        entry.is_daily = True
        entry.first_hour = entry.last_hour = datetime.combine(day, time(), UTC)
    kept.keep([entry.path])
    with transaction.atomic():
        Source.objects.select_for_update().get(pk=source.pk)
        mine = _facts().filter(pk__in=[file.pk for file in old])
        if mine.count() != len(old):
            return 0
        mine.update(left_at=now)
        entry.save()
    logger.info("a day's usage put together", extra={"source": source.slug, "files": len(old)})
    return len(old)


def _facts() -> models.QuerySet[UsageFile]:
    """Files of facts that were added to, batch by batch, and that readers are given."""
    return UsageFile.objects.filter(
        kind=UsageFile.Kind.FACTS,
        left_at__isnull=True,
        load__state=UsageLoad.State.CURRENT,
        load__mode=UsageLoad.Mode.APPEND,
    )
