"""Read objects again whose lines were put aside: what can be read by now counts, the rest stays put aside.

A line that was put aside is kept redacted and cut, for privacy, so nothing can be read from the row itself: its
object is read once more, as long as it lies where it lay. Lines that counted before count no second time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path

from django.db import transaction
from django.db.models import Count, F

from finops import clock
from ingestion import usage_lake
from ingestion.core.delivery import DeliveryRef, SourceError, SourceFile
from ingestion.core.logpush import BatchReading
from ingestion.core.logpush_lines import Bounds
from ingestion.core.tsa import Aside
from ingestion.core.tsa_tenants import SIDECAR, RulesError, rules_of
from ingestion.locations.base import Entry, Location
from ingestion.locations.choose import location_of
from ingestion.models import Connection, Delivery, RejectedRow, Source
from ingestion.progress import Progress, silent
from ingestion.registry import TokenObject, TokenSource, UsageSource, source_reader
from ingestion.tsa_models import KIND as STAMPS_API
from ingestion.tsa_models import KINDS as STAMP_KINDS
from ingestion.tsa_services import count_tokens, shown_aside, take_assets
from ingestion.unpacking import Slots
from ingestion.usage import OvertakenError, closed_days, commit_usage, loads_of
from ingestion.usage_api_models import KIND as USAGE_API
from ingestion.usage_models import LogDay, LogObject, UsageLoad
from ingestion.usage_taking import FORWARD, TRIES, files_of_hours, settings_for

_OBJECTS_AT_ONCE = 100
_LINE_NUMBER = re.compile(r":\d+\Z", re.ASCII)
NO_CONNECTION = "no connection says where it lies: an admin adds one for its place"
BY_API = "it was sent by API: who sent it sends the corrected rows again, and what counted before counts once"
KEYS_GONE = "the keys of its day were let go, so lines that counted could count twice"
GONE = "it no longer lies at its place"


class RereadRefusedError(SourceError):
    """The object cannot be read again; the message is one sentence."""


# --- logs --------------------------------------------------------------------------------------------


def refusals(objects: Sequence[LogObject]) -> dict[int, str]:
    """Why objects cannot be read again, as clauses by id; those that can are not in it.

    Their sources and connections are to be loaded. Whether one still lies there is looked up in folders of this
    machine only; in a bucket it is asked when the reading is asked for. One query.
    """
    closed: dict[int, set[date]] = {}
    sources = {one.source_id for one in objects}
    days = LogDay.objects.filter(source__in=sources, keys_left_at__isnull=False)
    for source, day in days.values_list("source_id", "day"):
        closed.setdefault(source, set()).add(day)
    found = {}
    for one in objects:
        connection = one.source.connection
        if connection is None:
            found[one.pk] = NO_CONNECTION
        elif _is_closed(one, closed.get(one.source_id, set())):
            found[one.pk] = KEYS_GONE
        elif connection.location.startswith("/") and not _lies_in(connection.location, one.key):
            found[one.pk] = GONE
    return found


def _is_closed(row: LogObject, closed: Collection[date]) -> bool:
    """Whether lines of the object that counted could no longer be told from new ones."""
    if row.state == LogObject.State.REJECTED or not (row.first_event and row.last_event):
        return False
    return any(row.first_event.date() <= day <= row.last_event.date() for day in closed)


def _lies_in(location: str, key: str) -> bool:
    root = Path(location)
    return (root.parent if root.is_file() else root).joinpath(key).is_file()


def find_object(row: LogObject) -> tuple[Location, Entry]:
    """Where the object lies now. Raises ``RereadRefusedError`` and ``SourceUnavailableError``."""
    connection = row.source.connection
    if connection is None:
        msg = f"{row.key}: {NO_CONNECTION}."
        raise RereadRefusedError(msg)
    location = location_of(connection.location, endpoint_url=connection.endpoint_url)
    entry = location.entry(row.key)
    if entry is None:
        msg = f"{row.key}: {GONE}, so it cannot be read again."
        raise RereadRefusedError(msg)
    if entry.mark != row.mark:
        msg = f"{row.key}: other bytes lie there by now; the next look at its place takes them as new."
        raise RereadRefusedError(msg)
    return location, entry


def reread_log(row: LogObject, *, progress: Progress = silent) -> str:
    """Read one object of a log again; the sentence says what came of it.

    Raises ``RereadRefusedError``, and ``SourceError`` where the place or the lake gives way: then nothing changed.
    """
    location, entry = find_object(row)
    reader = source_reader(row.source.kind)
    if not isinstance(reader, UsageSource):
        msg = f"{row.key}: {row.source.kind} reads no logs."
        raise RereadRefusedError(msg)

    def advance(count: int) -> None:
        progress("reading", min(count, entry.size), entry.size)

    slots = Slots()
    try:
        for _ in range(TRIES):
            load = UsageLoad(source=row.source, mode=UsageLoad.Mode.APPEND, started_at=clock.now())
            read = partial(
                reader.read_usage,
                location,
                [_reference(row.source, entry)],
                slots=slots,
                place=partial(usage_lake.place_of, row.source, load.pk),
                advance=advance,
            )
            try:
                return _reread_once(row, load, read)
            except OvertakenError:
                usage_lake.discard(row.source, load.pk)
            except BaseException:
                # Whatever ends the reading, a Ctrl-C included: no file of it may stay behind.
                usage_lake.discard(row.source, load.pk)
                raise
    finally:
        slots.close()
    msg = f"{row.key}: other workers are reading {row.source.slug}; ask again in a minute."
    raise SourceError(msg)


def _reread_once(row: LogObject, load: UsageLoad, read: Callable[..., BatchReading]) -> str:
    """Read and commit. Raises ``OvertakenError`` where another worker was faster."""
    settings = settings_for(row.source)
    before, closed = loads_of(row.source), closed_days(row.source)
    if _is_closed(row, closed):
        msg = f"{row.key}: {KEYS_GONE}."
        raise RereadRefusedError(msg)
    reading = read(
        settings=settings,
        bounds=Bounds(clock.now() + FORWARD, closed=closed, kept=f"{settings.keys_hours} h"),
        earlier=partial(files_of_hours, row.source),
    )
    if not reading.objects:
        raise SourceError(reading.later[0].later)
    commit_usage(
        load=load,
        reading=reading,
        settings=settings,
        loads_before=before,
        closed=closed,
        replaces=row if row.state != LogObject.State.REJECTED else None,
    )
    (found,) = reading.objects
    if found.refused:
        return f"{row.key} is refused as before: {found.refused}"
    counted = sum(reading.lines_by_day.values())
    return f"{row.key}: {_lines(counted)} more now; {_stay(found.rejected)}."


def _lines(count: int) -> str:
    return "1 line counts" if count == 1 else f"{count:,} lines count"


def _stay(count: int) -> str:
    return "1 stays put aside" if count == 1 else f"{count:,} stay put aside"


def _reference(source: Source, entry: Entry) -> DeliveryRef:
    return DeliveryRef(
        kind=source.kind,
        identity=source.identity,
        source_slug=source.slug,
        source_name=source.name,
        key=entry.key,
        execution_id="",
        delivered_at=None,
        billing_period=None,
        manifest=None,
        files=(SourceFile(entry.key, place=entry.key, size=entry.size, mark=entry.mark),),
        mark=entry.mark,
    )


# --- time stamps -------------------------------------------------------------------------------------


def stamps_refusal(delivery: Delivery) -> str:
    """Why the objects behind a delivery's rejected tokens cannot be read again; empty where they can."""
    if delivery.source.kind in {USAGE_API, STAMPS_API}:
        return BY_API
    if delivery.source.kind in STAMP_KINDS and delivery.source.connection is None:
        return NO_CONNECTION
    return ""


def reread_stamps(delivery: Delivery, *, progress: Progress = silent) -> str:
    """Read the objects behind the delivery's rejected rows again; rows that can be read leave the list.

    What still cannot be read stays where it stands. Raises ``RereadRefusedError`` and ``SourceUnavailableError``.
    """
    source = delivery.source
    connection, reader = source.connection, source_reader(source.kind)
    if connection is None or not isinstance(reader, TokenSource):
        msg = f"{delivery.key}: {stamps_refusal(delivery) or NO_CONNECTION}."
        raise RereadRefusedError(msg)
    location = location_of(connection.location, endpoint_url=connection.endpoint_url)
    wanted = _places(delivery)
    tally = _Tally(source, connection, discovers=reader.id == "tsa_ndjson")
    objects = (
        one
        for one in reader.objects(location)
        if isinstance(one, TokenObject) and shown_aside(Aside(one.entry.key, "")).place in wanted
    )
    while some := list(islice(objects, _OBJECTS_AT_ONCE)):
        tally.read(reader, location, some, progress)
    if not tally.objects and not tally.later:
        msg = f"None of the objects behind these rows lies at {location.text} any more."
        raise RereadRefusedError(msg)
    left = RejectedRow.objects.filter(delivery=delivery).count()
    later = f" {tally.later[0]}" if tally.later else ""
    tokens = "1 token counts" if tally.new == 1 else f"{tally.new:,} tokens count"
    return f"{tally.objects:,} objects read again: {tokens} more now; {_stay(left)}.{later}"


def _places(delivery: Delivery) -> frozenset[str]:
    """The keys that rows put aside may be of: a row names its object, its line or the file beside it."""
    rows = RejectedRow.objects.filter(delivery=delivery).order_by()
    found = set(rows.values_list("file", flat=True).distinct())
    found |= {_LINE_NUMBER.sub("", place) for place in found}
    return frozenset(found | {place.removesuffix(SIDECAR) for place in found})


@dataclass(frozen=True)
class _Row:
    pk: int
    place: str
    line: int
    reason: str


class _Tally:
    """What objects gave that were read again."""

    def __init__(self, source: Source, connection: Connection, *, discovers: bool) -> None:
        try:
            self._rules = rules_of(connection.settings)
        except RulesError as error:
            msg = f"Settings of the connection: {error}"
            raise RereadRefusedError(msg) from None
        self._source, self._discovers = source, discovers
        self.objects = self.new = 0
        self.later: list[str] = []

    def read(
        self,
        reader: TokenSource,
        location: Location,
        objects: Sequence[TokenObject],
        progress: Progress,
    ) -> None:
        """Count what is new in these objects, and let go of their rows that are put aside no longer."""
        still: set[tuple[str, int, str]] = set()
        whole: set[bytes] = set()
        pieces = reader.read_tokens(
            location,
            objects,
            rules=self._rules,
            now=clock.now(),
            advance=lambda count: progress("reading", self.objects, 0, count),
        )
        for piece in pieces:
            now = clock.now()
            if piece.assets:
                take_assets(source=self._source, records=piece.assets, asides=(), now=now)
            counted = count_tokens(
                source=self._source,
                records=piece.tokens,
                asides=piece.asides,
                objects=piece.objects,
                discovers=self._discovers,
                now=now,
            )
            asides = [*piece.asides, *(Aside(r.place, why) for r, why in counted.refused)]
            still |= {(one.place, one.line, one.reason) for one in map(shown_aside, asides)}
            whole |= set(piece.objects)
            self.new += counted.new
            self.later += piece.later
        done = [one for one in objects if one.name in whole]
        self.objects += len(done)
        for one in done:
            self._let_go(shown_aside(Aside(one.entry.key, "")).place, still)

    def _let_go(self, place: str, still: Collection[tuple[str, int, str]]) -> None:
        rows = RejectedRow.objects.filter(delivery__source=self._source, file__startswith=place)
        gone = [
            pk
            for pk, file, line, reason in rows.values_list("pk", "file", "line", "reason")
            if _is_of(file, place) and (file, line, reason) not in still
        ]
        with transaction.atomic():
            leaving = RejectedRow.objects.filter(pk__in=gone)
            for delivery, count in (
                leaving.order_by().values_list("delivery").annotate(count=Count("pk"))
            ):
                Delivery.objects.filter(pk=delivery).update(
                    rows=F("rows") - count, rejected_rows=F("rejected_rows") - count
                )
            leaving.delete()


def _is_of(file: str, place: str) -> bool:
    return _LINE_NUMBER.sub("", file).removesuffix(SIDECAR) == place
