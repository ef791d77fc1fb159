"""One look at a Cloudflare account: which days to ask for, what each gave, and what could not be told."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial

from django.db import DatabaseError

from finops.core.periods import add_months
from finops.core.slugs import slug_of
from finops.logs import redact
from ingestion.bookkeeping import Outcome
from ingestion.cloudflare.billable import take_billable
from ingestion.cloudflare.client import SCOPE_NAMES, ApiError, Client, token_of
from ingestion.cloudflare.reader import Reader
from ingestion.cloudflare.store import (
    Advance,
    Check,
    Part,
    read_through,
    record_check,
    store_day,
    store_deployments,
)
from ingestion.core.billable_usage import MOST_DAYS
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
from ingestion.core.cloudflare_rest import Deployment, read_deployments
from ingestion.core.cloudflare_settings import (
    CloudflareSettings,
    ConnectionSettingsError,
    read_settings,
)
from ingestion.core.delivery import SourceError
from ingestion.models import Connection, Source
from ingestion.progress import Progress

REREAD = timedelta(hours=6)
"""How long sampled figures may still change: each look reads the days of so many hours again."""
FIRST = timedelta(days=7)
"""How far back the first look goes."""

YES = "yes"
SAMPLED = "The figures are Cloudflare's estimates from samples."
_STOPPING = frozenset({Trouble.TOKEN, Trouble.BUSY})
_DOWN_IN_A_ROW = 3
_SLICE_SECONDS = 1.0


Target = tuple[Dataset, str]
"""A dataset with the account or zone that it is read for."""
Plan = dict[Span, list[Target]]
"""Days, oldest first, with what is to be read of each."""


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
    scripts: set[str] = field(default_factory=set)
    halted: set[Target] = field(default_factory=set)
    down: int = 0

    def stops(self, error: ApiError) -> bool:
        """Whether the rest cannot be read either: no token, no calls left, or one after the other unanswered."""
        self.down = self.down + 1 if error.trouble is Trouble.DOWN else 0
        return error.trouble in _STOPPING or self.down >= _DOWN_IN_A_ROW

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
    where it ended, for each dataset of each account and zone.
    """
    try:
        settings = read_settings(connection.settings)
    except ConnectionSettingsError as error:
        return [Outcome(connection.slug, "failed", sentence=str(error), final=True)]
    source = usage_source(connection, settings, now)
    # Months that a person asks for may leave a gap behind them, so they do not move what was read through.
    look = _Look(now, goes_on=since is None and until is None)
    asked = None if look.goes_on else _months(now, since, until)
    try:
        _look(look, connection, settings, source, asked=asked, progress=progress)
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


def _months(now: datetime, since: date | None, until: date | None) -> list[Span]:
    first = since or add_months(until or now.date(), 0)
    after = now if until is None else _midnight(add_months(until, 1))
    return whole_days(Span(_midnight(first), min(after, now)))


def _plan(
    look: _Look,
    source: Source,
    connection: Connection,
    targets: Iterable[Target],
    asked: list[Span] | None,
) -> Plan:
    """What to read of each day: the days that were ``asked`` for, or what each target lacks."""
    known = read_through(source, connection)
    plan: Plan = {}
    for dataset, tag in targets:
        through = known.get((dataset.id, tag))
        # A clock that was set back leaves times that are still to come.
        through = None if through is None else min(through, look.now)
        lacking = days_to_read(look.now, through=through, reread=REREAD, first=FIRST)
        for span in lacking if asked is None else asked:
            plan.setdefault(span, []).append((dataset, tag))
    return dict(sorted(plan.items(), key=lambda item: item[0].start))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _look(
    look: _Look,
    connection: Connection,
    settings: CloudflareSettings,
    source: Source,
    *,
    asked: list[Span] | None,
    progress: Progress,
) -> None:
    def report() -> None:
        progress("asking", len(look.outcomes), len(look.spans), look.rows)

    def sleep(seconds: float) -> None:
        wait(seconds, progress)

    token = token_of(settings.token_env)
    with Client(connection.location, token, sleep=sleep) as client:
        reader = Reader(client, look.now, report)
        targets = _targets(look, reader, settings)
        problem = skew_problem(client.offset)
        if problem:
            raise ApiError(problem, Refusal(Trouble.OTHER))
        plan = _plan(look, source, connection, targets, asked)
        look.spans = list(plan)
        try:
            for span, wanted in plan.items():
                _day(look, reader, source, connection, span, targets=wanted)
            _deployments(look, client, settings.account, source)
            _billable(look, client, settings.account, source)
        finally:
            look.notes += reader.notes
            _tell_fields(look, reader)


def wait(seconds: float, progress: Progress) -> None:
    """Wait in slices, so that a job that is to stop does."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        progress("waiting", 0, 0)
        time.sleep(min(left, _SLICE_SECONDS))


def _targets(look: _Look, reader: Reader, settings: CloudflareSettings) -> list[Target]:
    """Datasets with the accounts and zones that they can be read for. Raises what stops the whole look."""
    found: list[Target] = []
    scopes = [(ACCOUNTS, settings.account), *((ZONES, zone) for zone in settings.zones)]
    for scope, tag in scopes:
        try:
            reader.learn_limits(scope, tag)
        except ApiError as error:
            if look.stops(error) or scope == ACCOUNTS:
                raise
            look.fail(f"{SCOPE_NAMES[scope]} {tag}", error)
            continue
        look.down = 0
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
    connection: Connection,
    span: Span,
    *,
    targets: Iterable[Target],
) -> None:
    """Read one day and store what of it was read whole. Raises what stops the whole look, then too."""
    readings: dict[Target, Reading] = {}
    stopped: ApiError | None = None
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
            if look.stops(error):
                stopped = error
                break
            look.fail(name, error)
            look.capabilities[dataset.id] = error.trouble.value
            continue
        look.down = 0
        readings[dataset, tag] = reading
    if readings:
        _keep(look, source, connection, span, readings)
    if stopped:
        raise stopped


def _keep(
    look: _Look,
    source: Source,
    connection: Connection,
    span: Span,
    readings: Mapping[Target, Reading],
) -> None:
    """Store what was read of one day. A day that cannot be stored is read again by the next look."""
    day = span.start.date()
    facts = [fact for reading in readings.values() for fact in reading.facts]
    parts = [Part(each.metrics, tag if each.scope == ZONES else "") for each, tag in readings]
    whole = tuple((each.id, tag) for each, tag in readings if (each, tag) not in look.halted)
    advance = Advance(connection, whole, span.end) if look.goes_on else None
    try:
        store_day(source=source, day=day, facts=facts, parts=parts, advance=advance)
    except (DatabaseError, ValueError) as error:
        look.halted |= readings.keys()
        look.fail(f"{day}", SourceError(_not_stored(f"The usage of {day}", error)))
        return
    look.scripts |= {fact.script for fact in facts if fact.script}
    asides = [aside for reading in readings.values() for aside in reading.asides]
    rows = sum(reading.rows for reading in readings.values())
    look.asides += asides
    look.rows += rows
    look.notes += [note for reading in readings.values() for note in reading.notes]
    if any(fact.is_sampled for fact in facts):
        look.notes.append(SAMPLED)
    look.outcomes.append(
        Outcome(f"{day}", "loaded", source.slug, rows=rows, rejected_rows=len(asides))
    )


def _not_stored(what: str, error: Exception) -> str:
    reason = redact(str(error)).split("\n", 1)[0][:200]
    return f"{what} could not be stored ({reason})."


def _deployments(look: _Look, client: Client, account: str, source: Source) -> None:
    """Ask for the deployments of the scripts that were seen, as long as they may be read, and add new ones."""
    deployed: list[Deployment] = []
    for script in sorted(look.scripts):
        read = partial(read_deployments, account=account, script=script, now=look.now)
        try:
            found, asides = client.deployments(account, script, read)
        except ApiError as error:
            if error.trouble is Trouble.MISSING:  # a script that is gone still has usage
                continue
            look.capabilities["deployments"] = redact(str(error))
            break
        look.capabilities["deployments"] = YES
        deployed += found
        look.asides += asides
        look.rows += len(found) + len(asides)
    try:
        store_deployments(source=source, deployments=deployed)
    except (DatabaseError, ValueError) as error:
        look.fail("deployments", SourceError(_not_stored("The deployments", error)))


def _billable(look: _Look, client: Client, account: str, source: Source) -> None:
    """Read what will be billed, of the last 31 days or of those asked for; a no is no problem.

    So many days hold the day on which a billing cycle begins, which Cloudflare asks for. A newer record of a day
    takes the place of an older one.
    """
    last = look.now.date()
    first = last - timedelta(days=MOST_DAYS - 1)
    if look.spans and not look.goes_on:
        first, last = look.spans[0].start.date(), min(last, look.spans[-1].start.date())
    try:
        told = take_billable(client, source, account, first, last)
    except (DatabaseError, ValueError) as error:
        look.fail("billable usage", SourceError(_not_stored("The billable usage", error)))
        look.capabilities["billable_usage"] = "not stored"
        return
    look.asides += told.asides
    look.rows += told.records + len(told.asides)
    look.capabilities["billable_usage"] = f"no ({told.refused})" if told.refused else YES


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
    whole = look.goes_on and not failures
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
