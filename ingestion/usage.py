"""Make usage visible: a load, its files, its objects and the days' sums, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from django.db import transaction

from finops import clock
from finops.bulk import insert_rows, without_collector
from ingestion import usage_lake
from ingestion.core.logpush import BatchReading, DayKey, LogSettings, ObjectReading
from ingestion.core.usage import METRICS
from ingestion.core.watermark import keys_may_go
from ingestion.log_objects import TakenObjects
from ingestion.models import Source
from ingestion.store import store
from ingestion.usage_models import (
    LogDay,
    LogObject,
    RejectedLine,
    UsageDay,
    UsageFile,
    UsageLoad,
)

_PLACES = Decimal("0.0001")
_NOTHING = Decimal(0)
_AT_ONCE = 500


class OvertakenError(Exception):
    """Another worker made usage of the same source visible meanwhile: read again."""


@without_collector()
def commit_usage(
    *,
    load: UsageLoad,
    reading: BatchReading,
    settings: LogSettings,
    loads_before: int,
    closed: frozenset[date],
    replaces: LogObject | None = None,
) -> None:
    """Make a batch of a log visible, all of it or nothing.

    ``load`` is unsaved; ``loads_before`` is how many loads the source had when the reading began: doubles
    were told apart from those. ``closed`` are the days that had no keys then. ``replaces`` is the row of the one
    object of the batch that was taken before and is read again. Raises ``OvertakenError`` where
    others came in between, and ``SourceError`` where the lake's bucket refuses; then nothing has become visible.
    """
    _describe(load, reading, settings)
    entries = [usage_lake.catalogue_entry(load, written) for written in reading.files]
    store().keep(entry.path for entry in entries)
    source = load.source
    with transaction.atomic():
        Source.objects.select_for_update().get(pk=source.pk)
        if (
            loads_of(source) != loads_before
            or (not _is_there(replaces) if replaces else _taken(source, reading))
            or (closed_days(source) - closed) & set(reading.lines_by_day)
        ):
            raise OvertakenError
        load.committed_at = clock.now()
        load.save(force_insert=True)
        UsageFile.objects.bulk_create(entries)
        if replaces:
            _record_again(replaces, reading.objects[0])
        else:
            _record_objects(load, reading)
        add_days(source=source, days=reading.days, is_sampled=settings.is_sampled)
        _add_lines(source, reading.lines_by_day)


def loads_of(source: Source) -> int:
    """How many loads of usage the source ever had."""
    return UsageLoad.objects.filter(source=source).count()


def closed_days(source: Source) -> frozenset[date]:
    """The days whose keys were let go: whether a line of such a day was counted is no longer known."""
    days = LogDay.objects.filter(source=source, keys_left_at__isnull=False)
    return frozenset(days.values_list("day", flat=True))


def state_of(reading: ObjectReading) -> tuple[str, str]:
    """What became of an object, and why in one sentence."""
    if reading.refused:
        return LogObject.State.REJECTED, reading.refused
    if reading.skipped:
        return LogObject.State.SKIPPED, f"{reading.key}: {reading.skipped}."
    if reading.lines and reading.lines == reading.rejected:
        first = reading.rejects[0].reason
        return (
            LogObject.State.REJECTED,
            f"{reading.key}: none of its {reading.lines} lines can be read. The first: {first}",
        )
    return LogObject.State.LOADED, ""


def _taken(source: Source, reading: BatchReading) -> bool:
    marks = [(one.key, one.mark) for one in reading.objects]
    return bool(TakenObjects(source).taken(marks, again=True))


def _is_there(row: LogObject) -> bool:
    return LogObject.objects.filter(pk=row.pk, rejected=row.rejected, lines=row.lines).exists()


def _describe(load: UsageLoad, reading: BatchReading, settings: LogSettings) -> None:
    read = [one for one in reading.objects if state_of(one)[0] == LogObject.State.LOADED]
    hours = [hour for file in reading.files for hour in (file.first_hour, file.last_hour)]
    events = [one.last_event for one in read if one.last_event]
    load.first_hour, load.last_hour = min(hours, default=None), max(hours, default=None)
    # A clock that runs ahead must not call an hour complete that has not passed.
    load.newest_event = min(max(events), load.started_at) if events else None
    load.objects_read = len(read)
    load.lines = sum(one.lines for one in reading.objects)
    load.duplicates = sum(one.duplicates for one in reading.objects)
    load.rejected = sum(one.rejected for one in reading.objects)
    load.sample_rate = settings.sample_rate
    load.notes = list(reading.notes)


def _record_objects(load: UsageLoad, reading: BatchReading) -> None:
    keys = [one.key for one in reading.objects]
    # Read again: what was said of it before no longer holds.
    LogObject.objects.filter(
        source=load.source, key__in=keys, state=LogObject.State.REJECTED
    ).filter(mark__in=[one.mark for one in reading.objects]).delete()
    rows = []
    for one in reading.objects:
        state, reason = state_of(one)
        rows.append(
            LogObject(
                source=load.source,
                key=one.key,
                mark=one.mark,
                bytes=one.bytes,
                state=state,
                reason=_text(reason),
                lines=one.lines,
                duplicates=one.duplicates,
                rejected=one.rejected,
                first_event=one.first_event,
                last_event=one.last_event,
                load=load,
                taken_at=load.committed_at,
            )
        )
    LogObject.objects.bulk_create(rows, batch_size=500)
    RejectedLine.objects.bulk_create(
        [
            line
            for row, one in zip(rows, reading.objects, strict=True)
            for line in _rejected_lines(row, one)
        ],
        batch_size=1000,
    )


def _record_again(row: LogObject, one: ObjectReading) -> None:
    """Write what an object gave that was taken before: its lines that counted came as doubles of themselves.

    The row stays the one that was there, with the load that brought it first.
    """
    known_before = row.lines - row.rejected
    LogObject.objects.filter(pk=row.pk).update(
        lines=one.lines,
        duplicates=row.duplicates + max(one.duplicates - known_before, 0),
        rejected=one.rejected,
        first_event=min(filter(None, (row.first_event, one.first_event)), default=None),
        last_event=max(filter(None, (row.last_event, one.last_event)), default=None),
    )
    RejectedLine.objects.filter(log_object=row).delete()
    RejectedLine.objects.bulk_create(_rejected_lines(row, one), batch_size=1000)


def _rejected_lines(row: LogObject, one: ObjectReading) -> list[RejectedLine]:
    return [
        RejectedLine(
            log_object=row,
            line=reject.line,
            reason=_text(reject.reason)[:300],
            text=_text(reject.text),
        )
        for reject in one.rejects
    ]


def add_days(*, source: Source, days: Mapping[DayKey, Decimal], is_sampled: bool) -> None:
    """Add quantities to the source's days; call it in the transaction that makes them visible.

    A quantity is rounded half-even to 4 decimals here; the lake keeps all of them.
    """
    fields = ("day", "zone", "host", "cache_status", "script", "metric")
    rows = UsageDay.objects.filter(
        source=source, day__in={key[0] for key in days}, is_sampled=is_sampled
    )
    hosts = sorted({key[2] for key in days})
    known: dict[DayKey, tuple[int, Decimal]] = {
        (row[2], row[3], row[4], row[5], row[6], row[7]): (row[0], row[1])
        for at in range(0, len(hosts), _AT_ONCE)
        for row in rows.filter(host__in=hosts[at : at + _AT_ONCE]).values_list(
            "pk", "quantity", *fields
        )
    }
    grown = [known[key][0] for key in days if key in known]
    for at in range(0, len(grown), _AT_ONCE):
        UsageDay.objects.filter(pk__in=grown[at : at + _AT_ONCE]).delete()
    insert_rows(
        UsageDay,
        ("source_id", *fields, "quantity", "unit", "is_sampled"),
        (
            (
                source.pk,
                *key,
                known.get(key, (0, _NOTHING))[1]
                + quantity.quantize(_PLACES, rounding=ROUND_HALF_EVEN),
                METRICS[key[5]].unit,
                is_sampled,
            )
            for key, quantity in days.items()
        ),
    )


def _add_lines(source: Source, lines_by_day: Mapping[date, int]) -> None:
    known = {row.day: row for row in LogDay.objects.filter(source=source, day__in=lines_by_day)}
    for day, lines in lines_by_day.items():
        row = known.get(day) or LogDay(source=source, day=day)
        row.lines += lines
        row.save()


def _text(text: str) -> str:
    # No database takes a NUL as text; the sign for it says that it was there.
    return text.replace("\0", "␀")


def let_keys_go(*, source: Source, kept: timedelta, now: datetime) -> int:
    """Let go of the keys of days that the log went past by more than ``kept``; how many files left.

    From then on a line of such a day is put aside: whether it was counted is no longer known.
    """
    newest = newest_event(source)
    if newest is None:
        return 0
    left = 0
    for day in LogDay.objects.filter(source=source, keys_left_at__isnull=True):
        mine = UsageFile.objects.filter(
            load__source=source, kind=UsageFile.Kind.KEYS, day=day.day, left_at__isnull=True
        )
        written = max(mine.values_list("load__committed_at", flat=True), default=None)
        end = datetime.combine(day.day, datetime.min.time(), now.tzinfo) + timedelta(days=1)
        if written is not None and keys_may_go(end, newest, written, now, kept):
            with transaction.atomic():
                Source.objects.select_for_update().get(pk=source.pk)
                left += mine.update(left_at=now)
                LogDay.objects.filter(pk=day.pk).update(keys_left_at=now)
    return left


def newest_event(source: Source) -> datetime | None:
    """The newest event of the source that counts (UTC)."""
    newest: datetime | None = (
        UsageLoad.objects.filter(source=source, state=UsageLoad.State.CURRENT)
        .order_by("-newest_event")
        .exclude(newest_event__isnull=True)
        .values_list("newest_event", flat=True)
        .first()
    )
    return newest
