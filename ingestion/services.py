"""Take deliveries in, from wherever they lie: find, bring here, verify, read, hand on.

``ingest`` reads a place that someone names, ``collect`` a connection. Each delivery ends in exactly one
outcome, and one that fails leaves the ledger as it was.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from django.db import DatabaseError

from finops import clock
from finops.logs import redact
from ingestion.api_registry import api_sources
from ingestion.bookkeeping import Outcome, outcome_of
from ingestion.bring import brought, refuse_changed
from ingestion.core.delivery import (
    DeliveryRef,
    LoadRefusedError,
    Problem,
    SourceError,
)
from ingestion.locations.base import ChangedUnderneathError, Location
from ingestion.locations.choose import location_of
from ingestion.models import Connection, Delivery, Load, Source
from ingestion.progress import Progress, silent
from ingestion.registry import SourceReader, TokenSource, UsageSource, source_reader
from ingestion.taking import Verified, failed, source_of, take_verified, verify_all
from ingestion.tsa_taking import take_places_tokens
from ingestion.usage_taking import take_usage
from ingestion.verify import FileFacts

logger = logging.getLogger(__name__)

TRIES = 3


@dataclass(frozen=True)
class IngestReport:
    """What one call did."""

    outcomes: tuple[Outcome, ...]

    @property
    def exit_code(self) -> int:
        """0 loaded, 1 loaded with rejects or with a failed part, 2 nothing loaded."""
        good = [outcome for outcome in self.outcomes if outcome.status != "failed"]
        if not good:
            return 2
        clean = len(good) == len(self.outcomes) and not any(o.rejected_rows for o in good)
        return 0 if clean else 1


def ingest(
    *,
    kind: str,
    location: str | Path,
    endpoint_url: str = "",
    period: date | None = None,
    again: bool = False,
    progress: Progress = silent,
) -> IngestReport:
    """Load everything that ``location`` (a folder, or ``s3://bucket/prefix``) holds for the source ``kind``.

    Raises ``finops.registry.UnknownPlugin`` where no such source exists. A delivery that was loaded
    before changes nothing, and with its mark unchanged it is not even read; ``again`` reads and loads a
    bill once more. A newer delivery of the same period replaces it.
    """
    reader = source_reader(kind)
    try:
        place = location_of(location, endpoint_url=endpoint_url)
        if isinstance(reader, UsageSource):
            if period:
                return IngestReport(
                    (_refused(Problem("Usage has no billing period: leave --period out.")),)
                )
            connection = Connection.objects.filter(kind=kind, location=place.text).first()
            return IngestReport(
                tuple(
                    take_usage(reader, place, again=again, connection=connection, progress=progress)
                )
            )
        if isinstance(reader, TokenSource):
            if period:
                return IngestReport(
                    (_refused(Problem("Time stamps have no billing period: leave --period out.")),)
                )
            connection = Connection.objects.filter(kind=kind, location=place.text).first()
            return IngestReport(
                tuple(
                    take_places_tokens(
                        reader, place, again=again, connection=connection, progress=progress
                    )
                )
            )
        found = reader.discover(place, period)
    except SourceError as error:
        return IngestReport((_refused(Problem(str(error))),))
    outcomes = [_refused(problem) for problem in found.problems]
    outcomes += [
        take(reader, place, ref, again=again, progress=progress) for ref in found.deliveries
    ]
    return IngestReport(tuple(outcomes))


def _refused(problem: Problem) -> Outcome:
    return Outcome(key="", status="failed", sentence=redact(problem.sentence))


def take(
    reader: SourceReader,
    location: Location,
    ref: DeliveryRef,
    *,
    again: bool = False,
    connection: Connection | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Take one delivery; whatever is wrong with it becomes its outcome and does not stop the next.

    Where its files change while they are read, it is found and read anew, up to ``TRIES`` times.
    """
    source = source_of(reader, ref)
    if connection and source.connection_id != connection.pk:
        Source.objects.filter(pk=source.pk).update(connection=connection)
    known = None if again else _bears_the_mark_of(source, ref)
    if known:
        return outcome_of(known, "unchanged", "It was loaded before; nothing changed.")
    for tries_left in reversed(range(TRIES)):
        try:
            return _take_once(
                reader, location, ref, source, progress, again=again, last=not tries_left
            )
        except ChangedUnderneathError as changed:
            logger.info("delivery changed while it was read", extra={"reason": str(changed)})
            ref = _found_again(reader, location, ref) or ref
    raise AssertionError  # the last try makes every error an outcome


def _found_again(reader: SourceReader, location: Location, ref: DeliveryRef) -> DeliveryRef | None:
    try:
        found = reader.discover(location, ref.billing_period).deliveries
    except SourceError:
        return None
    return next((other for other in found if other.identity == ref.identity), None)


def _bears_the_mark_of(source: Source, ref: DeliveryRef) -> Delivery | None:
    """The delivery that is loaded, where what was found bears its mark."""
    if not ref.mark:
        return None
    return Delivery.objects.filter(
        source=source,
        billing_period=ref.billing_period,
        manifest_etag=ref.mark,
        state=Delivery.State.LOADED,
        loads__state=Load.State.CURRENT,
    ).first()


def _take_once(  # the parts of one delivery, passed on once
    reader: SourceReader,
    location: Location,
    ref: DeliveryRef,
    source: Source,
    progress: Progress,
    *,
    again: bool,
    last: bool,
) -> Outcome:
    facts: dict[str, FileFacts] = {}
    sha256 = ""
    try:
        with brought(location, ref, progress) as here:
            sha256 = verify_all(reader, here, facts, progress)
            reader.check(here, facts)
            still = partial(refuse_changed, location, ref)
            return take_verified(
                Verified(reader, here, source, facts, sha256, progress, still, again)
            )
    except ChangedUnderneathError as error:
        if not last:
            raise
        return failed(source, ref, facts, redact(str(error)), sha256)
    except (SourceError, LoadRefusedError) as error:
        return failed(source, ref, facts, redact(str(error)), sha256)
    except Exception as error:
        if not _is_about_data(error):
            raise
        logger.exception("delivery could not be loaded", extra={"delivery_key": ref.key})
        reason = redact(str(error)).split("\n", 1)[0][:200]
        return failed(source, ref, facts, f"{ref.key}: it could not be loaded ({reason}).", sha256)


def _is_about_data(error: Exception) -> bool:
    """Whether files, engine or database refused what was in the delivery; all else is our mistake."""
    engine = type(error).__module__.partition(".")[0] in {"duckdb", "_duckdb"}
    return engine or isinstance(error, OSError | ValueError | ArithmeticError | DatabaseError)


# --- connections -------------------------------------------------------------------------------------


def collect(
    *,
    connection: Connection,
    since: date | None = None,
    until: date | None = None,
    again: bool = False,
    whole: bool = True,
    progress: Progress = silent,
) -> IngestReport:
    """Look at a connection and load what is new, oldest month first.

    ``since`` and ``until`` are the first days of the first and the last month that are wanted; ``again``
    loads also bills that did not change; without ``whole`` of a log only what may be new is listed. The
    connection remembers when it was looked at, and why that failed. Raises ``finops.registry.UnknownPlugin``
    where its reader does not exist.
    """
    if connection.kind in api_sources():
        api = api_sources()[connection.kind]
        return _noted(
            connection,
            api.collect(connection, now=clock.now(), since=since, until=until, progress=progress),
        )
    reader = source_reader(connection.kind)
    outcomes: list[Outcome] = []
    try:
        place = location_of(connection.location, endpoint_url=connection.endpoint_url)
        if isinstance(reader, UsageSource):
            outcomes += take_usage(
                reader,
                place,
                again=again,
                whole=whole,
                connection=connection,
                progress=progress,
            )
        elif isinstance(reader, TokenSource):
            outcomes += take_places_tokens(
                reader, place, again=again, connection=connection, progress=progress
            )
        else:
            found = reader.discover(place, since if since and since == until else None)
            outcomes += [_refused(problem) for problem in found.problems]
            wanted = [ref for ref in found.deliveries if _is_wanted(ref, since, until)]
            for ref in wanted:
                outcomes.append(
                    take(reader, place, ref, again=again, connection=connection, progress=progress)
                )
    except SourceError as error:
        outcomes.append(_refused(Problem(str(error))))
    return _noted(connection, outcomes)


def _noted(connection: Connection, outcomes: list[Outcome]) -> IngestReport:
    """The report; the connection remembers the look and its first problem."""
    problems = [outcome.sentence for outcome in outcomes if outcome.status == "failed"]
    more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
    Connection.objects.filter(pk=connection.pk).update(
        checked_at=clock.now(), problem=f"{problems[0]}{more}" if problems else ""
    )
    return IngestReport(tuple(outcomes))


def _is_wanted(ref: DeliveryRef, since: date | None, until: date | None) -> bool:
    month = ref.billing_period
    return month is None or (
        (since is None or since <= month) and (until is None or month <= until)
    )
