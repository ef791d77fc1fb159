"""Read a batch of Logpush objects into usage facts: the engine reads, rules see distinct values.

Objects are unpacked beside the engine's work. One with a line that is not sound is read again line by line,
its sound lines counted and the others put aside; what is unpacked never has a name on disk.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops.engine import connect
from finops.logs import mask_row, redact
from ingestion.core import cache_said
from ingestion.core import logpush_sql as sql
from ingestion.core.delivery import SourceError
from ingestion.core.logpush import (
    BatchReading,
    LineReject,
    LogSettings,
    ObjectReading,
    WrittenFile,
)
from ingestion.core.logpush_lines import (
    FIELDS,
    LONGEST_LINE,
    NESTED,
    Bounds,
    LineError,
    shown_fields,
    sound_line,
)
from ingestion.core.logpush_values import meanings
from ingestion.locations.base import (
    Advance,
    ChangedUnderneathError,
    SourceUnavailableError,
    UnreadableNowError,
)
from ingestion.unpacking import Slots, Unpacked, lines_of

if TYPE_CHECKING:
    import duckdb

logger = logging.getLogger(__name__)

MOST_REJECTS = 100
"""Of one object so many lines are kept with their reason; all are counted."""
_READ_AT_ONCE = 96 << 20
_TEST_BYTES = 1000
_SHOWN = ("RayID", "EdgeStartTimestamp", "ZoneName")
_TEST_TEXTS = {"test", "tests"}


@dataclass(frozen=True)
class HeldObject:
    """An object that can be brought here: ``held`` gives its path for as long as the context lasts.

    What ``held`` is given is told the bytes as they come.
    """

    key: str
    mark: str
    size: int
    held: Callable[[Advance], AbstractContextManager[Path]]


FilesOfHours = Callable[[str, datetime, datetime], list[str]]
"""Kind, first and last hour → paths of the earlier batches' files that may hold them."""
PlaceOf = Callable[[str, date], Path]
"""Kind and day → where to write the file."""


def read_batch(
    objects: Sequence[HeldObject],
    *,
    settings: LogSettings,
    bounds: Bounds,
    slots: Slots,
    earlier: FilesOfHours,
    place: PlaceOf,
    advance: Advance,
) -> BatchReading:
    """Read the objects and write facts and keys below the lake; nothing is visible by that.

    ``advance`` is told the bytes (packed) as they come. An object that cannot be used says so in its
    reading and does not stop the others. Raises ``SourceUnavailableError`` where the place itself gives way.
    """
    with connect() as engine:
        batch = _Batch(engine, settings, bounds, slots)
        for group in _unpacked(objects, slots, advance):
            batch.take(group)
        return batch.finish(earlier, place)


def _unpacked(
    objects: Sequence[HeldObject], slots: Slots, advance: Advance
) -> Iterator[list[tuple[ObjectReading, Unpacked | None]]]:
    """Groups of objects for the engine; the next group is brought and unpacked while it works."""
    waiting = iter(objects)

    def group() -> list[tuple[ObjectReading, Unpacked | None]]:
        found: list[tuple[ObjectReading, Unpacked | None]] = []
        size = 0
        for one in waiting:
            reading = ObjectReading(one.key, one.mark, one.size)
            unpacked = None
            try:
                with one.held(advance) as path:
                    unpacked = slots.unpack(path, one.key)
                size += unpacked.size
            except SourceUnavailableError:
                raise
            except (ChangedUnderneathError, UnreadableNowError) as error:
                reading.later = redact(str(error))
            except SourceError as error:
                reading.refused = redact(str(error))
            found.append((reading, unpacked))
            if size >= _READ_AT_ONCE:
                break
        return found

    with ThreadPoolExecutor(1, thread_name_prefix="unpack") as pool:
        following = pool.submit(group)
        while found := following.result():
            following = pool.submit(group)
            yield found


class _Batch:
    """The engine's tables of one batch, filled group by group."""

    def __init__(
        self,
        engine: duckdb.DuckDBPyConnection,
        settings: LogSettings,
        bounds: Bounds,
        slots: Slots,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._bounds = bounds
        self._slots = slots
        self._readings: list[ObjectReading] = []
        self._tables: list[str] = []

    def take(self, group: Sequence[tuple[ObjectReading, Unpacked | None]]) -> None:
        """Read a group's lines, and give its memory back."""
        first = len(self._readings)
        self._readings += [reading for reading, _ in group]
        files = {number: unpacked for number, (_, unpacked) in enumerate(group, first) if unpacked}
        for number, unpacked in list(files.items()):
            if not unpacked.size:
                self._readings[number].skipped = "the object is empty"
                self._slots.give_back(files.pop(number))
        odd = {number for number, unpacked in files.items() if unpacked.is_odd}
        odd |= self._read({number: one for number, one in files.items() if number not in odd})
        mended = {number: self._mended(number, files[number]) for number in sorted(odd)}
        still = self._read({number: one for number, one in mended.items() if one.size})
        for unpacked in (*files.values(), *mended.values()):
            self._slots.give_back(unpacked)
        for number in still:
            reading = self._readings[number]
            reading.refused = (
                f"{reading.key}: the engine cannot read it. Tell those who keep this product."
            )
            logger.error("object is sound to one reader only", extra={"object_key": reading.key})

    def _read(self, files: dict[int, Unpacked]) -> set[int]:
        """Put the files' lines into ``lines``; those that hold one which is not sound are left out."""
        if not files:
            return set()
        before = len(self._tables)
        paths = {number: unpacked.path for number, unpacked in files.items()}
        if not any(
            self._inserted(sql.source(paths, is_forgiving=forgiving)) for forgiving in (False, True)
        ):
            return set(files)
        if self._one(f"SELECT count(inner_json) FROM {self._tables[-1]}"):
            self._insert(sql.merged_source(files))
        tables = self._tables[before:]
        bad = {
            int(row[0])
            for table in tables
            for row in self._engine.execute(
                f"SELECT DISTINCT object FROM {table} WHERE NOT sound"
            ).fetchall()
        }
        for table in tables if bad else ():
            self._engine.execute(f"DELETE FROM {table} WHERE {sql.among(bad)}")
        return bad

    def _inserted(self, rows: str) -> bool:
        """Whether the engine can read these rows; then they are among ``lines``."""
        try:
            self._insert(rows)
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in {"duckdb", "_duckdb"}:
                raise
            return False
        return True

    def _insert(self, rows: str) -> None:
        table = f"lines_{len(self._tables)}"
        select = sql.typed(
            rows,
            depth=self._settings.path_depth,
            latest=int(self._bounds.latest.timestamp()),
            closed=sorted(day.isoformat() for day in self._bounds.closed),
        )
        # A new table takes rows in parallel; adding to one copies them again.
        self._engine.execute(f"CREATE TABLE {table} AS {select}")
        self._tables.append(table)
        self._engine.execute(sql.lines_view(self._tables))

    def _one(self, statement: str) -> Any:
        row = self._engine.execute(statement).fetchone()
        return row[0] if row else None

    # --- line by line ----------------------------------------------------------------------------

    def _mended(self, number: int, unpacked: Unpacked) -> Unpacked:
        """The object's sound lines as a file; the others are put aside."""
        reading = self._readings[number]
        if unpacked.size < _TEST_BYTES and _is_test(unpacked):
            reading.skipped = "it is what Cloudflare writes to test a destination"
            return self._slots.write(iter(()))
        return self._slots.write(self._sound(reading, unpacked))

    def _sound(self, reading: ObjectReading, unpacked: Unpacked) -> Iterator[bytes]:
        for line, raw in lines_of(unpacked, LONGEST_LINE):
            text = ""
            try:
                if raw is None:
                    msg = f"the line is longer than {LONGEST_LINE >> 20} MB"
                    raise LineError(msg)
                text = _decoded(raw)
                sound = sound_line(text, self._bounds)
                if sound is not None:
                    yield sound.encode() + b"\n"
            except LineError as error:
                reading.rejected += 1
                reading.lines += 1
                if len(reading.rejects) < MOST_REJECTS:
                    shown = mask_row(shown_fields(text), _SHOWN) if text else ""
                    reason = redact(f"{reading.key}, line {line}: {error}.")
                    reading.rejects.append(LineReject(line, reason, shown))

    # --- the end ---------------------------------------------------------------------------------

    def finish(self, earlier: FilesOfHours, place: PlaceOf) -> BatchReading:
        """Count what was not counted before, and write it."""
        objects = tuple(one for one in self._readings if not one.later)
        later = tuple(one for one in self._readings if one.later)
        if not self._tables or not self._one("SELECT count(*) FROM lines"):
            return BatchReading(objects, later=later)
        run = self._engine.execute
        run(sql.FIRSTS)
        hours = run("SELECT min(hour), max(hour) FROM firsts").fetchone()
        first, last = (datetime.fromtimestamp(int(hour), UTC) for hour in hours or ())
        if keys := earlier("keys", first, last):
            run(sql.forget(keys))
        is_all = self._one("SELECT (SELECT count(*) FROM firsts) = (SELECT count(*) FROM lines)")
        run(sql.ALL_COUNTED if is_all else sql.COUNTED)
        by_day = self._count_lines(are_all_counted=bool(is_all))
        run(sql.GROUPS)
        self._say_meanings()
        run(sql.MEANT)
        run(sql.kept_hosts(earlier("facts", first, last), self._settings.most_hosts))
        if self._one(sql.HAS_MORE_HOSTS):
            run(sql.OTHER_HOSTS)
        run(sql.known(earlier("facts", first, last)))
        run(sql.kept(self._settings.most_prefixes))
        factor = format(self._settings.factor, "f") if self._settings.is_sampled else ""
        run(sql.facts(factor))
        self._say_caches(earlier("facts", first, last), sql.scaled(factor))
        return BatchReading(
            objects=objects,
            files=tuple(self._written(place)),
            days={tuple(row[:6]): Decimal(row[6]) for row in run(sql.BY_DAY).fetchall()},
            lines_by_day=by_day,
            notes=tuple(self._notes()),
            later=later,
        )

    def _count_lines(self, *, are_all_counted: bool) -> dict[date, int]:
        """Tell each object what it held; lines that count, by UTC day."""
        by_day: Counter[date] = Counter()
        tables = ("lines",) if are_all_counted else ("lines", "counted")
        for table in tables:
            rows = self._engine.execute(sql.PER_OBJECT_AND_HOUR.format(lines=table)).fetchall()
            for number, hour, lines, first, last in rows:
                reading = self._readings[number]
                if table == tables[-1]:
                    by_day[datetime.fromtimestamp(hour, UTC).date()] += lines
                    reading.duplicates -= lines
                if table == "lines":
                    reading.lines += lines
                    reading.duplicates += lines
                    start, end = (datetime.fromtimestamp(second, UTC) for second in (first, last))
                    reading.first_event = min(reading.first_event or start, start)
                    reading.last_event = max(reading.last_event or end, end)
        return dict(by_day)

    def _say_meanings(self) -> None:
        """Ask the rules for each distinct raw value once."""
        for name, meaning in meanings(
            self._settings.path_depth, self._settings.names_follow
        ).items():
            rows = self._engine.execute(f"SELECT DISTINCT {name} FROM groups").fetchall()
            raw = [row[0] for row in rows]
            self._engine.execute(
                f"CREATE TABLE meaning_{name} AS SELECT unnest(CAST($1 AS VARCHAR[])) AS raw, "
                "unnest(CAST($2 AS VARCHAR[])) AS meaning",
                [raw, [meaning(value) for value in raw]],
            )

    def _say_caches(self, facts: list[str], amount: str) -> None:
        """Add what the caches before Cloudflare said, where lines carry it."""
        self._engine.execute(cache_said.SAID)
        texts = [row[0] for row in self._engine.execute(cache_said.TEXTS).fetchall()]
        if texts:
            self._engine.execute(cache_said.MEANING, cache_said.meaning_lists(texts))
            is_sampled = str(self._settings.is_sampled).lower()
            self._engine.execute(cache_said.said_facts(facts, amount, is_sampled))

    def _written(self, place: PlaceOf) -> Iterable[WrittenFile]:
        for kind, spans in sql.SPANS.items():
            for day, first, last, rows in sorted(self._engine.execute(spans).fetchall()):
                path = place(kind, day)
                self._engine.execute(sql.write(kind, day.isoformat(), str(path)))
                yield WrittenFile(
                    kind, day, first.replace(tzinfo=UTC), last.replace(tzinfo=UTC), path, rows
                )

    def _notes(self) -> Iterable[str]:
        found = self._engine.execute(sql.NEVER_GIVEN)
        names = [column[0] for column in found.description or ()]
        lacking = [
            name
            for name, is_lacking in zip(names, found.fetchone() or (), strict=True)
            if is_lacking
        ]
        if lacking:
            yield f"The job does not write {', '.join(lacking)}: what is counted of them is 0."
        unread = self._one(
            f"SELECT sum(quantity) FROM facts WHERE metric = '{cache_said.UNREADABLE}'"
        )
        if unread:
            yield f"Of {int(unread):,} responses Cache-Status cannot be read: they count without it."
        if self._settings.is_sampled:
            yield f"The job logs {self._settings.sample_rate:f} of the requests: quantities are scaled."
        if self._settings.filtered:
            yield f"The job leaves out: {self._settings.filtered}"


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        msg = "the line is not UTF-8 text"
        raise LineError(msg) from None


def _is_test(unpacked: Unpacked) -> bool:
    """Whether an object is the payload of a destination's test: one line that is no log line at all."""
    lines = [raw for _, raw in lines_of(unpacked, LONGEST_LINE) if raw and raw.strip()]
    if len(lines) != 1:
        return False
    text = lines[0].decode(errors="replace").strip()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text.lower() in _TEST_TEXTS
    if isinstance(found, dict):
        return not set(found) & {*FIELDS, NESTED}
    return isinstance(found, str) and found.lower() in _TEST_TEXTS
