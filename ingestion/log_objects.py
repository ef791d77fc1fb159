"""Which objects of a log were taken: the newest as rows, older ones as digests; and where to look for new ones."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from ingestion.core.delivery import DeliveryRef
from ingestion.core.log_days import day_of_key, first_day
from ingestion.models import Source
from ingestion.usage_models import LogLook, LogObject, PastObjects

WHOLE_EVERY = timedelta(days=1)
"""A look between lists only what may be new."""
_WIDTH = 16
_AT_ONCE = 500
_FORGOTTEN_AT_ONCE = 5_000
_DAYS_HELD = 64


class TakenObjects:
    """Tells the objects of a source that were taken, refused ones among them, from those that are new."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._past: dict[str, frozenset[bytes]] = {}

    def new(self, refs: Sequence[DeliveryRef], *, again: bool = False) -> list[DeliveryRef]:
        """Those that nothing is known of; ``again`` counts refused ones as new while their rows are there."""
        marks = [(ref.key, ref.mark) for ref in refs]
        taken = self.taken(marks, again=again)
        return [ref for ref in refs if (ref.key, ref.mark) not in taken]

    def taken(
        self, marks: Sequence[tuple[str, str]], *, again: bool = False
    ) -> set[tuple[str, str]]:
        """Of keys with their marks those that were taken."""
        found: set[tuple[str, str]] = set()
        for at in range(0, len(marks), _AT_ONCE):
            some = marks[at : at + _AT_ONCE]
            rows = LogObject.objects.filter(source=self._source, key__in=[key for key, _ in some])
            if again:
                rows = rows.exclude(state=LogObject.State.REJECTED)
            here = set(rows.values_list("key", "mark"))
            self._hold({named_day(key) for key, _ in some})
            found.update(
                one for one in some if one in here or digest(*one) in self._past[named_day(one[0])]
            )
        return found

    def _hold(self, days: Collection[str]) -> None:
        lacking = {day for day in days if day not in self._past}
        if len(self._past) + len(lacking) > _DAYS_HELD:
            self._past, lacking = {}, set(days)
        if not lacking:
            return
        self._past |= dict.fromkeys(lacking, frozenset())
        rows = PastObjects.objects.filter(source=self._source, named_day__in=lacking)
        for day, digests in rows.values_list("named_day", "digests"):
            self._past[day] = frozenset(_split(bytes(digests)))


def digest(key: str, mark: str) -> bytes:
    """What is kept of an object whose row was forgotten."""
    text = f"{key}\0{mark}".encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=_WIDTH).digest()


def named_day(key: str) -> str:
    """The day that a key names, as ``PastObjects`` has it."""
    day = day_of_key(key)
    return day.isoformat() if day else ""


def _split(digests: bytes) -> Iterable[bytes]:
    return (digests[at : at + _WIDTH] for at in range(0, len(digests), _WIDTH))


# --- where to look --------------------------------------------------------------------------------


def since(source: Source | None, *, kept: timedelta, now: datetime) -> date | None:
    """The first day that this look must list; ``None`` where the whole place is to be listed.

    That is once a day, and as long as no such look came to its end. ``kept`` is how long keys of lines are kept.
    """
    look = LogLook.objects.filter(source=source).first() if source else None
    if look is None or look.whole_at is None or now - look.whole_at >= WHOLE_EVERY:
        return None
    return _floor(look, kept)


def _floor(look: LogLook, kept: timedelta) -> date | None:
    if look.newest_event is None:
        return None
    floor = first_day(look.newest_event, kept)
    return min(floor, look.left_from) if look.left_from else floor


def note_look(
    source: Source,
    *,
    began: datetime,
    was_whole: bool,
    newest: datetime | None,
    left: Iterable[DeliveryRef],
) -> None:
    """Write down a look that came to its end; ``left`` are the objects that could not be read at it.

    One that did not end changes nothing: the next lists from where it did.
    """
    days = [day for ref in left if (day := day_of_key(ref.key))]
    values: dict[str, Any] = {
        "newest_event": min(newest, began) if newest else None,
        "left_from": min(days, default=None),
    }
    if was_whole:
        values["whole_at"] = began
    LogLook.objects.update_or_create(source=source, defaults=values)


# --- forgetting -----------------------------------------------------------------------------------


def forget_old(*, source: Source, kept: timedelta, before: datetime) -> int:
    """Put digests in the place of rows that were taken before ``before`` and no look between meets; how many.

    Those whose keys name no day are met by each look, and known to it by their digests. Nothing of them counts
    again for that: a listing of the whole place still knows them, by key and mark.
    """
    look = LogLook.objects.filter(source=source).first()
    floor = _floor(look, kept) if look else None
    if floor is None:
        return 0
    count, last = 0, 0
    while True:
        rows = LogObject.objects.filter(source=source, pk__gt=last, taken_at__lt=before)
        rows = rows.order_by("pk")[:_FORGOTTEN_AT_ONCE]
        with transaction.atomic():
            # Those who take objects in hold the source as well.
            Source.objects.select_for_update().get(pk=source.pk)
            found = list(rows)
            if not found:
                return count
            last = found[-1].pk
            old = [row for row in found if _is_before(row, floor)]
            _keep_digests(source, old)
            ids = [row.pk for row in old]
            for at in range(0, len(ids), _AT_ONCE):
                LogObject.objects.filter(pk__in=ids[at : at + _AT_ONCE]).delete()
            count += len(ids)


def _is_before(row: LogObject, floor: date) -> bool:
    day = day_of_key(row.key)
    return day is None or day < floor


def _keep_digests(source: Source, rows: Sequence[LogObject]) -> None:
    by_day: dict[str, list[LogObject]] = {}
    for row in rows:
        by_day.setdefault(named_day(row.key), []).append(row)
    known = {
        past.named_day: past
        for past in PastObjects.objects.filter(source=source, named_day__in=by_day)
    }
    state = LogObject.State
    for day, mine in by_day.items():
        past = known.get(day) or PastObjects(source=source, named_day=day, digests=b"")
        past.digests = bytes(past.digests) + b"".join(digest(row.key, row.mark) for row in mine)
        past.loaded += sum(row.state == state.LOADED for row in mine)
        past.skipped += sum(row.state == state.SKIPPED for row in mine)
        past.refused += sum(row.state == state.REJECTED for row in mine)
        past.lines += sum(row.lines for row in mine)
        past.duplicates += sum(row.duplicates for row in mine)
        past.rejected += sum(row.rejected for row in mine)
        past.save()
