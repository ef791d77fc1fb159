"""Reads over deliveries, loads and what was put aside."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django.db.models import Max, OuterRef, Prefetch, Q, QuerySet, Subquery

from finops.core.focus import CostKind
from finops.core.periods import add_months, month_text
from ingestion.api_registry import api_sources
from ingestion.cloudflare_models import UsageCheck
from ingestion.core.lateness import bills_whole_months, late_by
from ingestion.core.months import MonthStatus, month_status
from ingestion.core.watermark import LATENESS, watermark
from ingestion.estimate_models import SOURCE_KIND as ESTIMATES
from ingestion.invoice_models import SOURCE_KIND as INVOICES
from ingestion.models import Connection, Delivery, Load, RejectedRow, Source
from ingestion.registry import sources as readers
from ingestion.tsa_models import KINDS as STAMP_KINDS
from ingestion.tsa_selectors import newest_token
from ingestion.usage_api_models import KIND as USAGE_API
from ingestion.usage_api_models import UsageRecord
from ingestion.usage_models import LogpushSettings, UsageLoad

_GIVES = {"charges": "bills", "usage": "logs", "tokens": "tokens"}


@dataclass(frozen=True)
class SourceFreshness:
    """Whether a source has delivered in time; ``reason`` says what is wrong, or how new it is.

    ``due_at`` is when newer data is expected at the latest (none: when it comes), ``late_by`` how long ago that was
    (zero: it is not over); where nothing has come, the time is counted from when the source was first seen.
    ``gives`` is bills, logs, tokens, revenue or API; ``connection`` is a slug.
    """

    slug: str
    name: str
    newest: datetime | None
    fresh: bool
    reason: str
    kind: str
    service_provider_name: str
    expected_every_hours: int
    last_delivery_at: datetime | None
    gives: str = ""
    due_at: datetime | None = None
    late_by: timedelta = timedelta(0)
    connection: str = ""

    @property
    def provider(self) -> str:
        """Whose data it is, for people; empty for what has no provider, as revenue."""
        if self.gives == "bills" and not self.service_provider_name and self.newest is not None:
            return "several providers"
        return self.service_provider_name

    @property
    def is_late(self) -> bool:
        """Whether newer data should be here."""
        return self.late_by > timedelta(0)

    @property
    def state(self) -> str:
        """In one word; a new source waits until its first data is late."""
        return "late" if self.is_late else "fresh" if self.fresh else "waiting"


@dataclass(frozen=True)
class Freshness:
    """How new the figures are: the header of every page."""

    as_of: datetime | None
    sources: tuple[SourceFreshness, ...]

    @property
    def fresh_count(self) -> int:
        """How many sources are in time."""
        return sum(source.fresh for source in self.sources)

    @property
    def total(self) -> int:
        """How many sources are expected to deliver."""
        return len(self.sources)


@dataclass(frozen=True)
class LineTypeCount:
    """How many charge lines the current loads hold of one provider line type."""

    line_type: str
    lines: int
    known: bool


def freshness(now: datetime) -> Freshness:
    """How new the data of every active source is, on ``now``.

    A bill is as new as the newest usage in it, as is what clients send; a log is as new as its watermark (its
    newest event, less what may still come late), time stamps as their newest token, an API as what was last read
    of it whole; revenue and invoices are as new as their last delivery, and late only when they never came.
    ``as_of`` is what bills say: invoices, which may be about days to come, only where there is nothing else.
    Estimates are made here, so they are no source that could be late.
    """
    current = Q(loads__state=Load.State.CURRENT)
    loaded = Q(deliveries__state=Delivery.State.LOADED)
    rows = (
        Source.objects.filter(is_active=True)
        .exclude(kind=ESTIMATES)
        .select_related("connection")
        .annotate(
            newest_usage=Max("loads__data_through", filter=current),
            newest_period=Max("loads__billing_period", filter=current),
            newest_delivery=Max("deliveries__finished_at", filter=loaded),
            newest_sent=Subquery(
                UsageRecord.objects.filter(source=OuterRef("pk"))
                .order_by("-hour")
                .values("hour")[:1]
            ),
            newest_look=Subquery(
                UsageCheck.objects.filter(source=OuterRef("pk"), data_through__isnull=False)
                .order_by("-data_through")
                .values("data_through")[:1]
            ),
            newest_stamp=newest_token(),
            lateness_minutes=Subquery(
                LogpushSettings.objects.filter(connection=OuterRef("connection")).values(
                    "lateness_minutes"
                )[:1]
            ),
        )
    )
    events = dict(
        UsageLoad.objects.order_by().values_list("source").annotate(newest=Max("newest_event"))
    )
    found = tuple(_freshness(source, events.get(source.pk), now) for source in rows)
    usage = [(row.kind != INVOICES, row.newest_usage) for row in rows if row.newest_usage]
    return Freshness(as_of=max(usage)[1] if usage else None, sources=found)


def _freshness(source: Source, event: datetime | None, now: datetime) -> SourceFreshness:
    usage: datetime | None = source.newest_usage  # type: ignore[attr-defined]  # annotated above
    allowed: int | None = source.lateness_minutes  # type: ignore[attr-defined]  # annotated above
    delivered: datetime | None = source.newest_delivery  # type: ignore[attr-defined]  # annotated above
    sent: datetime | None = source.newest_sent  # type: ignore[attr-defined]  # annotated above
    looked: datetime | None = source.newest_look  # type: ignore[attr-defined]  # annotated above
    stamped: datetime | None = source.newest_stamp  # type: ignore[attr-defined]  # annotated above
    if usage is None and event is not None:
        usage = watermark(event, LATENESS if allowed is None else timedelta(minutes=allowed))
    is_stamped = source.kind in STAMP_KINDS
    is_sent, is_asked = source.kind == USAGE_API, source.kind in api_sources()
    if is_sent:
        usage = None if sent is None else sent + timedelta(hours=1)
    elif is_asked:
        usage = looked
    elif is_stamped:
        usage = stamped
    bills = is_billed(source)
    every = timedelta(hours=source.expected_every_hours)
    if bills and not (is_sent or is_asked or is_stamped):
        usage = billed_until(source.newest_period, usage, source.expected_every_hours)  # type: ignore[attr-defined]  # annotated above
    comes_regularly = bills or is_sent or is_asked or is_stamped
    newest = usage if comes_regularly else delivered or usage
    due_at: datetime | None = (newest or source.created_at) + every
    late = late_by(newest, source.created_at, every, now)
    if newest is None:
        fresh, reason = False, "Nothing has been loaded yet."
    elif not comes_regularly:
        fresh, reason = True, "Invoices count when they come."
        due_at, late = None, timedelta(0)
    else:
        fresh = not late
        hours = max((now - newest) // timedelta(hours=1), 0)
        reason = (
            f"The newest usage is {hours} hours old; expected within {source.expected_every_hours}."
            if newest <= now
            else f"It is billed until {newest:%Y-%m-%d}."
        )
    return SourceFreshness(
        slug=source.slug,
        name=source.name,
        newest=newest,
        fresh=fresh,
        reason=reason,
        kind=source.kind,
        service_provider_name=source.service_provider_name,
        expected_every_hours=source.expected_every_hours,
        last_delivery_at=delivered,
        gives=_gives(source.kind),
        due_at=due_at,
        late_by=late,
        connection=source.connection.slug if source.connection else "",
    )


def is_billed(source: Source) -> bool:
    """Whether bills of it are expected again and again; whose they are may differ from line to line."""
    if source.kind == INVOICES:
        return False
    reader = readers().get(source.kind)
    return bool(source.service_provider_name) or bool(reader and reader.produces == "charges")


def billed_until(
    newest_period: date | None, data_through: datetime | None, expected_every_hours: int
) -> datetime | None:
    """Up to when a source's bills say what was used: whole months, where it bills month by month.

    Lines of a month at a time name no day up to which they are known; then the bill covers its month.
    """
    if newest_period is None or (data_through and not bills_whole_months(expected_every_hours)):
        return data_through
    month_end = datetime.combine(add_months(newest_period, 1), time(), UTC)
    return max(month_end, data_through or month_end)


def _gives(kind: str) -> str:
    """What a source of this kind delivers; what no reader reads is asked of an API, sent to ours, or typed."""
    if kind in STAMP_KINDS:
        return "tokens"
    if kind == INVOICES:
        return "invoices"
    if kind == USAGE_API or kind in api_sources():
        return "API"
    reader = readers().get(kind)
    return _GIVES.get(reader.produces, reader.produces) if reader else "bills"


def last_whole_day(now: datetime) -> date | None:
    """The last day whose cost has come whole, as pages end with it; none where no bill is loaded."""
    as_of = freshness(now).as_of
    return None if as_of is None else as_of.date() - timedelta(days=1)


def data_through(loads: Iterable[Load] | None = None) -> datetime | None:
    """The end of the newest usage in bills: those among ``loads``, or the current ones.

    Invoices, which may be about days to come, count only where there is nothing else.
    """
    queryset = current_bills() if loads is None else loads
    moments = [
        (load.source.kind != INVOICES, load.data_through)
        for load in queryset
        if load.data_through and is_bill(load)
    ]
    return max(moments)[1] if moments else None


def current_loads(*, start: date | None = None, end: date | None = None) -> QuerySet[Load]:
    """The loads that readers see; with ``start`` and ``end``, those with lines charged in between."""
    loads = Load.objects.filter(state=Load.State.CURRENT).select_related("source")
    if start is not None:
        loads = loads.filter(last_day__gte=start)
    return loads if end is None else loads.filter(first_day__lt=end)


def current_bills(*, start: date | None = None, end: date | None = None) -> QuerySet[Load]:
    """The current loads without estimates."""
    return current_loads(start=start, end=end).exclude(kind=CostKind.ESTIMATED.value)


def is_bill(load: Load) -> bool:
    """Whether it is what a provider charges, not an estimate of it."""
    return load.kind != CostKind.ESTIMATED


def loads_at(moment: datetime, *, start: date | None = None, end: date | None = None) -> list[Load]:
    """The loads that readers saw at ``moment``; with ``start`` and ``end`` as for ``current_loads``."""
    loads = Load.objects.filter(committed_at__lte=moment).exclude(superseded_at__lte=moment)
    if start is not None:
        loads = loads.filter(last_day__gte=start)
    if end is not None:
        loads = loads.filter(first_day__lt=end)
    return list(loads.select_related("source"))


def shared_bills() -> list[str]:
    """Sentences about accounts whose bill of a month is loaded from more than one source.

    Two exports may split a bill between them; if both hold all of it, it counts twice.
    """
    found: dict[tuple[date, str], list[str]] = defaultdict(list)
    for load in current_bills().order_by("billing_period", "source__slug"):
        for account in load.billing_accounts:
            found[load.billing_period, account].append(load.source.slug)
    return [
        f"The bill of account {account} for {month_text(period)} is loaded from {' and '.join(slugs)}: "
        "if they hold the same lines, these count twice."
        for (period, account), slugs in found.items()
        if len(slugs) > 1
    ]


def deliveries(limit: int = 50) -> list[Delivery]:
    """The newest deliveries, with their sources, connections and loads; estimates are no deliveries."""
    rows = Delivery.objects.exclude(source__kind=ESTIMATES).select_related("source__connection")
    return list(
        rows.prefetch_related(Prefetch("loads", Load.objects.order_by("started_at")))[:limit]
    )


def delivery_rows(
    *,
    source: str = "",
    state: str = "",
    billing_period: date | None = None,
    since: datetime | None = None,
) -> QuerySet[Delivery]:
    """Deliveries with their sources; what is given narrows them. ``since`` is when they were first seen."""
    rows = Delivery.objects.exclude(source__kind=ESTIMATES).select_related("source")
    if source:
        rows = rows.filter(source__slug=source)
    if state:
        rows = rows.filter(state=state)
    if billing_period is not None:
        rows = rows.filter(billing_period=billing_period)
    return rows if since is None else rows.filter(discovered_at__gte=since)


def connections() -> list[Connection]:
    """The places that are looked at, by name."""
    return list(Connection.objects.all())


def rejected_rows(delivery_id: int, limit: int = 100, offset: int = 0) -> list[RejectedRow]:
    """Rows that were put aside from one delivery, in file order."""
    return list(reject_rows(delivery_id)[offset : offset + limit])


def reject_rows(delivery_id: int) -> QuerySet[RejectedRow]:
    """The same, to be asked for in parts."""
    return RejectedRow.objects.filter(delivery_id=delivery_id)


def line_types() -> list[LineTypeCount]:
    """Provider line types in the current loads, most lines first; unknown ones are marked."""
    counts: Counter[str] = Counter()
    unknown: set[str] = set()
    for load in current_bills().only("line_types", "unknown_line_types", "source"):
        counts.update(load.line_types)
        unknown |= set(load.unknown_line_types)
    return [
        LineTypeCount(name or "(none)", lines, name not in unknown)
        for name, lines in counts.most_common()
    ]


def month_statuses(today: date) -> dict[tuple[str, date], tuple[MonthStatus, str]]:
    """How settled each current load is, with the reason, by source slug and billing period."""
    return {
        (load.source.slug, load.billing_period): month_status(
            load.billing_period,
            data_through=load.data_through,
            is_invoiced=load.is_invoiced,
            today=today,
            final_after=timedelta(days=settings.BILL_FINAL_AFTER_DAYS),
        )
        for load in current_bills()
        if load.lines or load.source.kind != INVOICES  # emptied: its invoice was paid, or is void
    }
