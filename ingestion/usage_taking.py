"""Take a log's new objects in, batch by batch. Each batch is visible as a whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from django.db import DataError

from finops import clock
from finops.logs import redact
from ingestion import log_objects, usage_lake
from ingestion.bookkeeping import Outcome
from ingestion.core.delivery import DeliveryRef, Problem
from ingestion.core.logpush import BatchReading, LogSettings, ObjectReading
from ingestion.core.logpush_lines import Bounds
from ingestion.locations.base import Location, SourceUnavailableError
from ingestion.log_objects import TakenObjects
from ingestion.models import Connection, Source
from ingestion.progress import Progress, silent
from ingestion.registry import UsageSource
from ingestion.taking import source_of
from ingestion.unpacking import Slots
from ingestion.usage import (
    OvertakenError,
    closed_days,
    commit_usage,
    loads_of,
    newest_event,
    state_of,
)
from ingestion.usage_models import LogObject, LogpushSettings, UsageLoad

logger = logging.getLogger(__name__)

MOST_OBJECTS = 400
MOST_BYTES = 80 << 20
"""Of a batch, as delivered: about a million lines. One object may be larger."""
TRIES = 5
_LISTED_AT_ONCE = 500
FORWARD = timedelta(minutes=10)
"""How far a clock may run ahead of ours before an event lies in the future."""


def take_usage(
    reader: UsageSource,
    location: Location,
    *,
    again: bool = False,
    whole: bool = True,
    connection: Connection | None = None,
    progress: Progress = silent,
) -> list[Outcome]:
    """Take what is new at ``location``; ``again`` reads also objects that were rejected before.

    Without ``whole`` only what may be new is listed, but once a day everything (``log_objects.since``). Whatever
    is wrong with an object becomes its state and does not stop the others; one that cannot be read now is left
    to the next look. Where the place gives way, what was taken by then stays. Raises
    ``SourceUnavailableError`` where the place cannot be listed.
    """
    began = clock.now()
    known = Source.objects.filter(kind=reader.id, identity=reader.identity(location)).first()
    kept = timedelta(hours=settings_for(known).keys_hours) if known else timedelta()
    since = None if whole else log_objects.since(known, kept=kept, now=began)
    found = _Listing(reader, known)
    for some in _chunks(reader.objects(location, since)):
        found.take(some, again=again)
    outcomes = [_failed(problem) for problem in found.problems]
    source = found.source
    if source is None or (not found.count and (found.problems or since is None)):
        nothing = Problem(f"{location.text}: no log object is there.")
        return outcomes or [_failed(nothing)]
    if connection and source.connection_id != connection.pk:
        Source.objects.filter(pk=source.pk).update(connection=connection)
        source.connection = connection
    total, done = sum(ref.files[0].size for ref in found.new), 0
    slots = Slots()
    try:
        for batch in _batches(found.new):

            def advance(count: int) -> None:
                nonlocal done
                done += count
                progress("reading", min(done, total), total)

            take = partial(_take_batch, reader, location, source, slots=slots, advance=advance)
            outcomes += take(batch, again=again)
    except SourceUnavailableError as error:
        outcomes.append(_failed(Problem(str(error))))
    else:
        log_objects.note_look(
            source,
            began=began,
            was_whole=since is None,
            newest=newest_event(source),
            left=TakenObjects(source).new(found.new),
        )
    finally:
        slots.close()
    if not outcomes:
        sentence = "Every object was taken before; nothing changed."
        outcomes.append(Outcome(source.identity, "unchanged", source.slug, sentence=sentence))
    return outcomes


class _Listing:
    """What a look finds: of the objects only those are kept that are new."""

    def __init__(self, reader: UsageSource, source: Source | None) -> None:
        self._reader = reader
        self.source = source
        self._taken = TakenObjects(source) if source else None
        self.problems: list[Problem] = []
        self.new: list[DeliveryRef] = []
        self.count = 0

    def take(self, found: Sequence[DeliveryRef | Problem], *, again: bool) -> None:
        self.problems += [one for one in found if isinstance(one, Problem)]
        refs = [one for one in found if isinstance(one, DeliveryRef)]
        if not refs:
            return
        self.count += len(refs)
        if self._taken is None:
            self.source = source_of(self._reader, refs[0])
            self._taken = TakenObjects(self.source)
        self.new += self._taken.new(refs, again=again)


def _chunks(found: Iterator[DeliveryRef | Problem]) -> Iterator[list[DeliveryRef | Problem]]:
    while some := list(islice(found, _LISTED_AT_ONCE)):
        yield some


def settings_for(source: Source) -> LogSettings:
    """The settings of the connection that the source is found at; the defaults where there are none."""
    row = LogpushSettings.objects.filter(connection=source.connection_id).first()
    if row is None:
        return LogSettings()
    return LogSettings(
        sample_rate=row.sample_rate,
        filtered=row.filtered,
        path_depth=row.path_depth,
        names_follow=tuple(row.names_follow.lower().split()),
        most_prefixes=row.most_prefixes,
        most_hosts=row.most_hosts,
        lateness_minutes=row.lateness_minutes,
        keys_hours=row.keys_hours,
    )


def _failed(problem: Problem) -> Outcome:
    return Outcome(key="", status="failed", sentence=redact(problem.sentence))


def _batches(refs: Sequence[DeliveryRef]) -> Iterator[list[DeliveryRef]]:
    batch: list[DeliveryRef] = []
    size = 0
    for ref in refs:
        if batch and (len(batch) == MOST_OBJECTS or size + ref.files[0].size > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(ref)
        size += ref.files[0].size
    if batch:
        yield batch


def _take_batch(
    reader: UsageSource,
    location: Location,
    source: Source,
    batch: list[DeliveryRef],
    *,
    slots: Slots,
    advance: Callable[[int], None],
    again: bool,
) -> list[Outcome]:
    """Read and commit a batch; where another worker was faster, what is still new of it.

    Where engine or database refuse what a batch holds, it is halved, down to the one object that is refused.
    """
    refused = ""
    for _ in range(TRIES):
        load = UsageLoad(source=source, mode=UsageLoad.Mode.APPEND, started_at=clock.now())
        before = loads_of(source)
        batch = TakenObjects(source).new(batch, again=again)
        if not batch:
            return []
        settings = settings_for(source)
        bounds = _bounds(source, settings)
        try:
            reading = (
                _refusal(batch[0], refused)
                if refused
                else reader.read_usage(
                    location,
                    batch,
                    settings=settings,
                    bounds=bounds,
                    slots=slots,
                    earlier=partial(files_of_hours, source),
                    place=partial(usage_lake.place_of, source, load.pk),
                    advance=advance,
                )
            )
            if reading.objects:
                commit_usage(
                    load=load,
                    reading=reading,
                    settings=settings,
                    loads_before=before,
                    closed=bounds.closed,
                )
        except OvertakenError:
            usage_lake.discard(source, load.pk)
            logger.info("batch was overtaken", extra={"source": source.slug})
            continue
        except BaseException as error:
            # Whatever ends the reading, a Ctrl-C included: no file of it may stay behind.
            usage_lake.discard(source, load.pk)
            if refused or not _is_about_data(error):
                raise
            logger.warning(
                "batch could not be taken", exc_info=error, extra={"source": source.slug}
            )
            if len(batch) == 1:
                refused = redact(str(error)).split("\n", 1)[0][:150].rstrip(".")
                continue
            half = len(batch) // 2
            take = partial(_take_batch, reader, location, source, slots=slots, advance=advance)
            return [*take(batch[:half], again=again), *take(batch[half:], again=again)]
        return _outcomes(source, reading)
    msg = f"{source.slug}: other workers are reading it; what is left is taken at the next look."
    return [Outcome(key=source.slug, status="failed", source=source.slug, sentence=msg)]


def _is_about_data(error: BaseException) -> bool:
    """Whether a number or a text was what engine or database do not take; another try would fail as well."""
    names = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    is_engines = bool(names & {"duckdb.DataError", "_duckdb.DataError"})
    return is_engines or isinstance(error, ValueError | ArithmeticError | DataError)


def _refusal(ref: DeliveryRef, reason: str) -> BatchReading:
    sentence = f"{ref.key}: what it holds cannot be counted ({reason}). Look at its numbers, then deliver it again."
    return BatchReading((ObjectReading(ref.key, ref.mark, ref.files[0].size, refused=sentence),))


def _bounds(source: Source, settings: LogSettings) -> Bounds:
    return Bounds(
        latest=clock.now() + FORWARD,
        closed=closed_days(source),
        kept=f"{settings.keys_hours} h",
    )


def files_of_hours(source: Source, kind: str, first: datetime, last: datetime) -> list[str]:
    """The files of earlier batches of the source that may hold these hours."""
    return list(usage_lake.files(kind, sources=[source], first=first, last=last).paths)


def _outcomes(source: Source, reading: BatchReading) -> list[Outcome]:
    """One outcome for what was loaded, and one for each object that was refused or left for later."""
    states = [(one, *state_of(one)) for one in reading.objects]
    outcomes = [
        Outcome(one.key, "failed", source.slug, sentence=reason)
        for one, state, reason in states
        if state == LogObject.State.REJECTED
    ]
    outcomes += [
        Outcome(one.key, "failed", source.slug, sentence=one.later) for one in reading.later
    ]
    good = [one for one, state, _ in states if state == LogObject.State.LOADED]
    skipped = [one for one, state, _ in states if state == LogObject.State.SKIPPED]
    if good:
        named = good[0].key if len(good) == 1 else f"{good[0].key} and {len(good) - 1} more"
        outcomes.append(
            Outcome(
                key=named,
                status="loaded",
                source=source.slug,
                rows=sum(one.lines for one in good),
                rejected_rows=sum(one.rejected for one in good),
                bytes=sum(one.bytes for one in good),
            )
        )
    elif skipped:
        sentence = "Nothing in it is a log line."
        outcomes.append(Outcome(skipped[0].key, "unchanged", source.slug, sentence=sentence))
    return outcomes
