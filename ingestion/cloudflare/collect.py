"""One look at a Cloudflare account: which days to ask for, what each gave, and what could not be told."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial

from django.db import DatabaseError

from finops.core.periods import add_months
from finops.core.slugs import slug_of
from finops.logs import redact
from ingestion.bookkeeping import Outcome
from ingestion.cloudflare.client import SCOPE_NAMES, ApiError, Client, token_of
from ingestion.cloudflare.reader import Reader
from ingestion.cloudflare.store import Check, Part, record_check, store_day
from ingestion.cloudflare_models import UsageCheck
from ingestion.core.cloudflare_errors import Refusal, Trouble, skew_problem
from ingestion.core.cloudflare_graphql import Aside, Reading
from ingestion.core.cloudflare_queries import (
    ACCOUNTS,
    DATASETS,
    WORKERS,
    ZONES,
    Dataset,
    Span,
    days_to_read,
    whole_days,
)
from ingestion.core.cloudflare_rest import Deployment, billable_records, read_deployments
from ingestion.core.cloudflare_settings import (
    CloudflareSettings,
    ConnectionSettingsError,
    read_settings,
)
from ingestion.core.delivery import SourceError
from ingestion.core.usage import UsageFact
from ingestion.models import Connection, Source
from ingestion.progress import Progress

REREAD = timedelta(hours=6)
"""How long sampled figures may still change: each look reads the days of so many hours again."""
FIRST = timedelta(days=7)
"""How far back the first look goes."""

YES = "yes"
SAMPLED = "The figures are Cloudflare's estimates from samples."
_STOPPING = frozenset({Trouble.TOKEN, Trouble.BUSY, Trouble.DOWN})
_SLICE_SECONDS = 1.0


@dataclass
class _Look:
    """What one look has found so far."""

    now: datetime
    spans: list[Span] = field(default_factory=list)
    capabilities: dict[str, str] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    failed: dict[str, Outcome] = field(default_factory=dict)
    asides: list[Aside] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: int = 0
    goes_on: bool = False
    is_whole: bool = False

    def fail(self, key: str, error: SourceError) -> None:
        """One outcome for each thing that failed, however often it did."""
        final = not (isinstance(error, ApiError) and error.passes)
        sentence = redact(str(error))
        self.failed.setdefault(key, Outcome(key, "failed", sentence=sentence, final=final))


def collect_usage(
    connection: Connection,
    *,
    now: datetime,
    since: date | None,
    until: date | None,
    progress: Progress,
) -> list[Outcome]:
    """Read what is new in the connection's account into the database, day by day.

    Each day is one transaction; a worker that is killed loses nothing that was stored, and the next look begins
    where it ended.
    """
    try:
        settings = read_settings(connection.settings)
    except ConnectionSettingsError as error:
        return [Outcome(connection.slug, "failed", sentence=str(error), final=True)]
    source = usage_source(connection, settings, now)
    # Months that a person asks for may leave a gap behind them, so they do not move what was read through.
    look = _Look(now, goes_on=since is None and until is None)
    look.spans = _spans(source, now, since, until)
    try:
        _look(look, connection, settings, source, progress)
    except ConnectionSettingsError as error:
        look.fail(connection.slug, SourceError(str(error)))
    except SourceError as error:
        look.fail(connection.slug, error)
    failures = list(look.failed.values())
    record_check(source=source, connection=connection, check=_check(look, failures))
    return [*look.outcomes, *failures]


def usage_source(connection: Connection, settings: CloudflareSettings, now: datetime) -> Source:
    """The account as a source, created on first sight."""
    source = Source.objects.get_or_create(
        kind=connection.kind,
        identity=settings.account,
        defaults={
            "slug": slug_of(f"cloudflare-{settings.account[:8]}"),
            "name": "Cloudflare usage",
            "service_provider_name": "",
            "expected_every_hours": 3,
            "connection": connection,
            "created_at": now,
        },
    )[0]
    if source.connection_id != connection.pk:
        Source.objects.filter(pk=source.pk).update(connection=connection)
    return source


def _spans(source: Source, now: datetime, since: date | None, until: date | None) -> list[Span]:
    if since is None and until is None:
        good = UsageCheck.objects.filter(source=source, data_through__isnull=False)
        through = good.order_by("-data_through").values_list("data_through", flat=True).first()
        # A clock that was set back leaves times that are still to come.
        through = through if through is None else min(through, now)
        return days_to_read(now, through=through, reread=REREAD, first=FIRST)
    first = since or add_months(until or now.date(), 0)
    after = now if until is None else _midnight(add_months(until, 1))
    return whole_days(Span(_midnight(first), min(after, now)))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _look(
    look: _Look,
    connection: Connection,
    settings: CloudflareSettings,
    source: Source,
    progress: Progress,
) -> None:
    def asked() -> None:
        progress("asking", len(look.outcomes), len(look.spans), look.rows)

    def sleep(seconds: float) -> None:
        wait(seconds, progress)

    token = token_of(settings.token_env)
    with Client(connection.location, token, sleep=sleep) as client:
        reader = Reader(client, look.now, asked)
        targets = _targets(look, reader, settings)
        problem = skew_problem(look.now, client.clock_of_api)
        if problem:
            raise ApiError(problem, Refusal(Trouble.OTHER))
        deployments = _Deployments(client, settings.account, look)
        try:
            for span in look.spans:
                _day(look, reader, source, span, targets=targets, deployments=deployments)
            look.is_whole = not look.failed
            _billable(look, client, settings.account)
        finally:
            look.notes += reader.notes
            _tell_fields(look, reader)


def wait(seconds: float, progress: Progress) -> None:
    """Wait in slices, so that a job that is to stop does."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        progress("waiting", 0, 0)
        time.sleep(min(left, _SLICE_SECONDS))


Target = tuple[Dataset, str]


def _targets(look: _Look, reader: Reader, settings: CloudflareSettings) -> list[Target]:
    """Datasets with the accounts and zones that they can be read for. Raises what stops the whole look."""
    found: list[Target] = []
    scopes = [(ACCOUNTS, settings.account), *((ZONES, zone) for zone in settings.zones)]
    for scope, tag in scopes:
        try:
            reader.learn_limits(scope, tag)
        except ApiError as error:
            if error.trouble in _STOPPING or scope == ACCOUNTS:
                raise
            look.fail(f"{SCOPE_NAMES[scope]} {tag}", error)
            continue
        for dataset in DATASETS:
            if dataset.scope != scope:
                continue
            if reader.limits_of(dataset, tag).enabled:
                look.capabilities.setdefault(dataset.id, YES)
                found.append((dataset, tag))
            else:
                look.capabilities[dataset.id] = "not in the plan of this account"
    return found


def _day(
    look: _Look,
    reader: Reader,
    source: Source,
    span: Span,
    *,
    targets: Iterable[Target],
    deployments: _Deployments,
) -> None:
    """Read one day and store what of it was read whole. Raises what stops the whole look."""
    day = span.start.date()
    facts: list[UsageFact] = []
    parts: list[Part] = []
    readings: list[Reading] = []
    for dataset, tag in targets:
        name = f"{dataset.title} ({SCOPE_NAMES[dataset.scope]} {tag})"
        if name in look.failed:
            continue
        if not reader.is_kept(dataset, tag, span):
            days = reader.limits_of(dataset, tag).oldest.days
            look.notes.append(
                f"{dataset.title}: the API keeps {days} days; older ones stay as they are here."
            )
            continue
        try:
            reading = reader.read(dataset, tag, span)
        except ApiError as error:
            if error.trouble in _STOPPING:
                raise
            look.fail(name, error)
            look.capabilities[dataset.id] = error.trouble.value
            continue
        readings.append(reading)
        facts += reading.facts
        parts.append(Part(dataset.metrics, tag if dataset.scope == ZONES else ""))
        if dataset is WORKERS:
            deployments.of({fact.script for fact in reading.facts})
    if not parts:
        return
    try:
        store_day(source=source, day=day, facts=facts, parts=parts, deployments=deployments.found)
    except (DatabaseError, ValueError) as error:
        reason = redact(str(error)).split("\n", 1)[0][:200]
        look.fail(f"{day}", SourceError(f"The usage of {day} could not be stored ({reason})."))
        return
    asides = [aside for reading in readings for aside in reading.asides]
    rows = sum(reading.rows for reading in readings)
    look.asides += asides
    look.rows += rows
    look.notes += [note for reading in readings for note in reading.notes]
    if any(fact.is_sampled for fact in facts):
        look.notes.append(SAMPLED)
    look.outcomes.append(
        Outcome(f"{day}", "loaded", source.slug, rows=rows, rejected_rows=len(asides))
    )


@dataclass
class _Deployments:
    """The deployments of the scripts that were seen, each asked for once a look."""

    client: Client
    account: str
    look: _Look
    found: list[Deployment] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def of(self, scripts: set[str]) -> None:
        """Ask for the deployments of scripts that were not asked for before."""
        look = self.look
        for script in sorted(scripts - self.asked):
            if look.capabilities.get("deployments", YES) != YES:
                return
            self.asked.add(script)
            try:
                read = partial(read_deployments, account=self.account, script=script, now=look.now)
                found, asides = self.client.deployments(self.account, script, read)
            except ApiError as error:
                if error.trouble in _STOPPING:
                    raise
                if error.trouble is not Trouble.MISSING:  # a script that is gone still has usage
                    look.capabilities["deployments"] = redact(str(error))
                continue
            look.capabilities["deployments"] = YES
            self.found += found
            look.asides += asides
            look.rows += len(found) + len(asides)


def _billable(look: _Look, client: Client, account: str) -> None:
    """Whether the billable usage may be read; it is a restricted alpha, so a no is no problem."""
    start = look.now.replace(day=1)
    try:
        records = client.billable_usage(account, start, look.now, billable_records)
    except ApiError as error:
        if error.trouble is Trouble.TOKEN:
            raise
        look.capabilities["billable_usage"] = f"no ({error.trouble.value})"
    else:
        look.capabilities["billable_usage"] = YES
        look.notes.append(f"Billable usage can be read: {records:,} records this month.")


def _tell_fields(look: _Look, reader: Reader) -> None:
    """Which fields the schema lacks; the sum of CPU time is told in any case."""
    for dataset_id, names in reader.missing.items():
        for name in sorted(names):
            look.capabilities[f"{dataset_id}.{name}"] = "not in the schema"
    key = f"{WORKERS.id}.cpuTimeUs"
    if look.capabilities.get(WORKERS.id) == YES and key not in look.capabilities:
        gone = "sum.cpuTimeUs" not in reader.form_of(WORKERS).fields
        look.capabilities[key] = "more fields than the plan allows" if gone else YES


def _check(look: _Look, failures: list[Outcome]) -> Check:
    more = f" And {len(failures) - 1} more." if len(failures) > 1 else ""
    whole = look.goes_on and look.is_whole and not failures
    return Check(
        checked_at=look.now,
        window_start=look.spans[0].start if look.spans else None,
        window_end=look.spans[-1].end if look.spans else None,
        data_through=look.spans[-1].end if look.spans and whole else None,
        capabilities=look.capabilities,
        problem=f"{failures[0].sentence}{more}" if failures else "",
        rows=look.rows,
        asides=tuple(look.asides),
        notes=tuple(dict.fromkeys(look.notes)),
    )
