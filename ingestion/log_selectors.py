"""Reads over usage: how far a log is complete, what was put aside, what the cache did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, Sum

from finops.core.periods import Window
from ingestion.core import watermark as marks
from ingestion.core.cache_said import SAID_METRICS, CacheSaid, caches_said
from ingestion.core.cache_status import CacheRatios, SemanticChange, cache_ratios, crosses_change
from ingestion.models import Source
from ingestion.rereading import refusals
from ingestion.usage import newest_event
from ingestion.usage_models import LogObject, PastObjects, RejectedLine, UsageDay, UsageLoad
from ingestion.usage_taking import settings_for


@dataclass(frozen=True)
class LogHealth:
    """How one log stands; times are in UTC and ``None`` before its first event."""

    source: Source
    loaded: int
    skipped: int
    rejected: int
    lines: int
    duplicates: int
    rejected_lines: int
    newest_event: datetime | None
    watermark: datetime | None
    complete_through: datetime | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CacheAnalysis:
    """What the cache did in a window: ratios, quantities by status, and changes of meaning within it."""

    requests: CacheRatios
    by_status: dict[str, Decimal]
    changes: tuple[SemanticChange, ...]


def watermark(source: Source) -> datetime | None:
    """The time up to which all events of the source are expected to be here."""
    lateness = timedelta(minutes=settings_for(source).lateness_minutes)
    return marks.watermark(newest_event(source), lateness)


def complete_through(source: Source) -> datetime | None:
    """The end of the newest hour of the source that is complete."""
    return marks.complete_through(watermark(source))


def log_health() -> list[LogHealth]:
    """Every log, by name; objects whose rows were forgotten are counted as well."""
    state = LogObject.State
    found = []
    sources = Source.objects.filter(
        Exists(LogObject.objects.filter(source=OuterRef("pk")))
        | Exists(PastObjects.objects.filter(source=OuterRef("pk")))
    )
    for source in sources.select_related("connection"):
        sums = LogObject.objects.filter(source=source).aggregate(
            loaded=Count("pk", filter=Q(state=state.LOADED)),
            skipped=Count("pk", filter=Q(state=state.SKIPPED)),
            refused=Count("pk", filter=Q(state=state.REJECTED)),
            all_lines=Sum("lines"),
            all_duplicates=Sum("duplicates"),
            all_rejected=Sum("rejected"),
        )
        past = PastObjects.objects.filter(source=source).aggregate(
            loaded=Sum("loaded"),
            skipped=Sum("skipped"),
            refused=Sum("refused"),
            all_lines=Sum("lines"),
            all_duplicates=Sum("duplicates"),
            all_rejected=Sum("rejected"),
        )
        both = {name: (sums[name] or 0) + (past[name] or 0) for name in past}
        newest = UsageLoad.objects.filter(source=source).order_by("-committed_at").first()
        mark = watermark(source)
        found.append(
            LogHealth(
                source=source,
                loaded=both["loaded"],
                skipped=both["skipped"],
                rejected=both["refused"],
                lines=both["all_lines"],
                duplicates=both["all_duplicates"],
                rejected_lines=both["all_rejected"],
                newest_event=newest_event(source),
                watermark=mark,
                complete_through=marks.complete_through(mark),
                notes=tuple(newest.notes) if newest else (),
            )
        )
    return found


@dataclass(frozen=True)
class PutAside:
    """An object that was refused (``line`` is ``None``), or a line of one that was not.

    ``refusal`` says in a clause why its object cannot be read again; empty where it can.
    """

    taken_at: datetime
    source: str
    line: int | None
    reason: str
    text: str
    key: str
    object_id: int
    refusal: str = ""


def put_aside(limit: int = 50) -> list[PutAside]:
    """What was put aside last, the newest object first, its lines in order; three queries."""
    related = "source__connection"
    objects = LogObject.objects.filter(state=LogObject.State.REJECTED).select_related(related)
    lines = RejectedLine.objects.filter(log_object__state=LogObject.State.LOADED)
    lines = lines.select_related(f"log_object__{related}").order_by(
        "-log_object__taken_at", "log_object", "line"
    )
    refused, aside = list(objects[:limit]), list(lines[:limit])
    whole = {one.pk: one for one in (*refused, *(line.log_object for line in aside))}
    why = refusals(list(whole.values()))
    found = [_put_aside(one, None, one.reason, "", why.get(one.pk, "")) for one in refused]
    found += [
        _put_aside(one.log_object, one.line, one.reason, one.text, why.get(one.log_object_id, ""))
        for one in aside
    ]
    found.sort(key=lambda one: (one.object_id, one.line or 0))
    return sorted(found, key=lambda one: one.taken_at, reverse=True)[:limit]


def _put_aside(row: LogObject, line: int | None, reason: str, text: str, refusal: str) -> PutAside:
    return PutAside(row.taken_at, row.source.slug, line, reason, text, row.key, row.pk, refusal)


def put_aside_count() -> int:
    """How many lines and objects are put aside, all of them."""
    sums = LogObject.objects.aggregate(
        lines=Sum("rejected", filter=Q(state=LogObject.State.LOADED)),
        objects=Count("pk", filter=Q(state=LogObject.State.REJECTED)),
    )
    return (sums["lines"] or 0) + (sums["objects"] or 0)


def cache_analysis(window: Window, *, host: str = "") -> CacheAnalysis:
    """What the cache did with requests of the window's days (of one host, or of all).

    Subrequests of Workers are among them: it is they whom the cache answers.
    """
    rows = UsageDay.objects.filter(
        day__gte=window.start, day__lt=window.end, metric="cache_requests"
    )
    if host:
        rows = rows.filter(host=host)
    sums = rows.order_by().values_list("cache_status").annotate(total=Sum("quantity"))
    by_status: dict[str, Decimal] = dict(sums)
    changes = crosses_change(_midnight(window.start), _midnight(window.end))
    return CacheAnalysis(cache_ratios(by_status), by_status, changes)


def cache_by_zone(window: Window) -> dict[str, CacheAnalysis]:
    """What the cache did with requests of the window's days, by zone; see ``cache_analysis``."""
    rows = UsageDay.objects.filter(
        day__gte=window.start, day__lt=window.end, metric="cache_requests"
    )
    by_zone: dict[str, dict[str, Decimal]] = {}
    sums = rows.order_by().values_list("zone", "cache_status").annotate(total=Sum("quantity"))
    for zone, status, total in sums:
        by_zone.setdefault(zone, {})[status] = total
    changes = crosses_change(_midnight(window.start), _midnight(window.end))
    return {
        zone: CacheAnalysis(cache_ratios(by_status), by_status, changes)
        for zone, by_status in sorted(by_zone.items())
    }


def caches_before(window: Window) -> list[CacheSaid]:
    """What the caches before Cloudflare said in the window's days, by zone and cache (see ``CacheSaid``).

    Empty where no log carries ``Cache-Status`` (RFC 9211).
    """
    rows = UsageDay.objects.filter(
        day__gte=window.start, day__lt=window.end, metric__in=SAID_METRICS
    )
    sums = rows.order_by().values_list("zone", "metric", "cache_status")
    return caches_said(sums.annotate(total=Sum("quantity")))


def days_counted(window: Window) -> dict[int, set[date]]:
    """Source → the days of the window that something was counted on."""
    found: dict[int, set[date]] = {}
    rows = UsageDay.objects.filter(day__gte=window.start, day__lt=window.end)
    for source, day in rows.order_by().values_list("source_id", "day").distinct():
        found.setdefault(source, set()).add(day)
    return found


@dataclass(frozen=True)
class UsageSpan:
    """From the first day that a source counted anything on to its newest event; how late events may still come."""

    first_day: date | None
    newest_event: datetime | None
    lateness: timedelta = marks.LATENESS


def usage_spans() -> dict[int, UsageSpan]:
    """The span of every source of usage, by source."""
    rows = UsageLoad.objects.filter(state=UsageLoad.State.CURRENT).order_by().values_list("source")
    return {
        source: UsageSpan(
            first.date() if first else None,
            newest,
            marks.LATENESS if allowed is None else timedelta(minutes=allowed),
        )
        for source, first, newest, allowed in rows.annotate(
            first=Min("first_hour"),
            newest=Max("newest_event"),
            allowed=Max("source__connection__logpush__lateness_minutes"),
        )
    }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
