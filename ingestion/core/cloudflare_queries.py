"""What is asked of Cloudflare's GraphQL Analytics: texts, limits and windows. Pure.

There are no cursors: an answer that fills its page is taken for cut off, and its window is asked for again in
halves. Source: developers.cloudflare.com/analytics/graphql-api (settings node, limits, errors).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

ACCOUNTS, ZONES = "accounts", "zones"
_TAG_OF = {ACCOUNTS: "accountTag", ZONES: "zoneTag"}

SHORTEST_WINDOW = timedelta(minutes=1)
"""A window that is no longer than this is not split any more."""


@dataclass(frozen=True)
class Dataset:
    """One node: its fields as dotted paths; ``optional`` ones are left out where the schema lacks them.

    ``instead`` names what stands in for an optional field, ``metrics`` what a reading of it gives, ``only`` what
    the filter holds beside the window.
    """

    id: str
    scope: str
    title: str
    fields: tuple[str, ...]
    metrics: tuple[str, ...]
    optional: tuple[str, ...] = ()
    instead: tuple[tuple[str, str], ...] = ()
    only: tuple[tuple[str, str], ...] = ()

    def without(self, names: Collection[str]) -> Dataset | None:
        """The dataset without optional fields called ``names``; ``None`` where one of them is needed."""
        gone = [path for path in self.fields if path.rpartition(".")[2] in names]
        if not gone or any(path not in self.optional for path in gone):
            return None
        spare = dict(self.instead)
        fields = [spare.get(path, "") if path in gone else path for path in self.fields]
        return replace(self, fields=tuple(path for path in fields if path))


_HOUR = "dimensions.datetimeHour"
_MOMENT = ((_HOUR, "dimensions.datetime"),)

WORKERS = Dataset(
    "workersInvocationsAdaptive",
    ACCOUNTS,
    "Workers invocations",
    (
        "dimensions.scriptName",
        _HOUR,
        "sum.requests",
        "sum.errors",
        "sum.subrequests",
        "sum.cpuTimeUs",
        "sum.wallTime",
        "quantiles.cpuTimeP50",
        "quantiles.cpuTimeP99",
    ),
    (
        "worker_requests",
        "worker_errors",
        "subrequests",
        "worker_cpu_us",
        "worker_wall_us",
        "worker_cpu_us_p50",
        "worker_cpu_us_p99",
    ),
    optional=(
        _HOUR,
        "sum.subrequests",
        "sum.cpuTimeUs",
        "sum.wallTime",
        "quantiles.cpuTimeP50",
        "quantiles.cpuTimeP99",
    ),
    instead=_MOMENT,
)
R2_OPERATIONS = Dataset(
    "r2OperationsAdaptiveGroups",
    ACCOUNTS,
    "R2 operations",
    (
        "dimensions.bucketName",
        "dimensions.actionType",
        "dimensions.responseStatusCode",
        "dimensions.storageClass",
        _HOUR,
        "sum.requests",
    ),
    ("r2_class_a", "r2_class_b", "r2_free"),
    optional=("dimensions.storageClass", _HOUR),
    instead=_MOMENT,
)
R2_STORAGE = Dataset(
    "r2StorageAdaptiveGroups",
    ACCOUNTS,
    "R2 storage",
    (
        "dimensions.bucketName",
        "dimensions.storageClass",
        _HOUR,
        "max.payloadSize",
        "max.metadataSize",
    ),
    ("r2_stored_bytes",),
    optional=("dimensions.storageClass", _HOUR),
    instead=_MOMENT,
)
ZONE_HTTP = Dataset(
    "httpRequestsAdaptiveGroups",
    ZONES,
    "Requests of a zone",
    (
        "count",
        "sum.edgeResponseBytes",
        "avg.sampleInterval",
        "dimensions.clientRequestHTTPHost",
        "dimensions.cacheStatus",
        _HOUR,
    ),
    ("zone_requests", "zone_edge_bytes"),
    optional=("avg.sampleInterval", _HOUR),
    instead=_MOMENT,
    only=(("requestSource", "eyeball"),),  # what Workers ask for within is no request of a visitor
)
DATASETS: tuple[Dataset, ...] = (WORKERS, R2_OPERATIONS, R2_STORAGE, ZONE_HTTP)
"""Everything that is read."""


# --- texts -------------------------------------------------------------------------------------------


def query_text(dataset: Dataset, limit: int) -> str:
    """The query of ``dataset`` for one account or zone and one window, at most ``limit`` rows."""
    only = "".join(f', {name}: "{value}"' for name, value in dataset.only)
    window = f"datetime_geq: $start, datetime_lt: $end{only}"
    inner = f"{dataset.id}(limit: {limit}, filter: {{{window}}}) {{ {_selection(dataset.fields)} }}"
    return _query("Usage($tag: string!, $start: Time!, $end: Time!)", dataset.scope, inner)


def settings_text(scope: str) -> str:
    """The query for the limits of every dataset of ``scope``."""
    limits = "enabled maxDuration notOlderThan maxPageSize maxNumberOfFields"
    nodes = " ".join(f"{each.id} {{ {limits} }}" for each in DATASETS if each.scope == scope)
    return _query("Limits($tag: string!)", scope, f"settings {{ {nodes} }}")


def _query(head: str, scope: str, inner: str) -> str:
    return (
        f"query {head} {{ viewer {{ {scope}(filter: {{{_TAG_OF[scope]}: $tag}}) {{ {inner} }} }} }}"
    )


def _selection(paths: Collection[str]) -> str:
    groups: dict[str, list[str]] = {}
    for path in paths:
        group, _, name = path.rpartition(".")
        groups.setdefault(group, []).append(name)
    plain = groups.pop("", [])
    return " ".join(
        [*plain, *(f"{group} {{ {' '.join(names)} }}" for group, names in groups.items())]
    )


def time_text(moment: datetime) -> str:
    """A moment as the API writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


# --- limits ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Limits:
    """What the settings node allows; the defaults are for an API that has no such node."""

    enabled: bool = True
    longest: timedelta = timedelta(days=1)
    oldest: timedelta = timedelta(days=31)
    page: int = 10_000
    fields: int = 30


def read_limits(node: Mapping[str, Any]) -> dict[str, Limits]:
    """The limits by dataset from a ``settings`` node; what is missing or no number stays at its default."""
    found = {}
    for dataset in DATASETS:
        given = node.get(dataset.id)
        if not isinstance(given, Mapping):
            continue
        plain = Limits()
        found[dataset.id] = Limits(
            enabled=given.get("enabled") is not False,
            longest=_seconds(given.get("maxDuration"), plain.longest),
            oldest=_seconds(given.get("notOlderThan"), plain.oldest),
            page=_count(given.get("maxPageSize"), plain.page),
            fields=_count(given.get("maxNumberOfFields"), plain.fields),
        )
    return found


def _count(value: object, default: int) -> int:
    return (
        value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default
    )


def _seconds(value: object, default: timedelta) -> timedelta:
    # Ten years are more than any dataset keeps, and a number that no calendar holds stops nothing.
    return timedelta(seconds=min(_count(value, int(default.total_seconds())), 315_360_000))


def fitted(dataset: Dataset, limits: Limits) -> Dataset | None:
    """``dataset`` with no more fields than allowed: optional ones go, the last first; ``None``: too many."""
    for path in reversed(dataset.optional):
        if len(dataset.fields) <= limits.fields:
            break
        if path not in dict(dataset.instead):
            dataset = dataset.without([path.rpartition(".")[2]]) or dataset
    return dataset if len(dataset.fields) <= limits.fields else None


# --- windows -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """A half-open window of time, in UTC."""

    start: datetime
    end: datetime

    def halves(self) -> tuple[Span, Span] | None:
        """Both halves, cut at a full second; ``None`` where the window is as short as may be."""
        if self.end - self.start <= SHORTEST_WINDOW:
            return None
        seconds = int((self.end - self.start).total_seconds()) // 2
        middle = self.start + timedelta(seconds=seconds)
        return Span(self.start, middle), Span(middle, self.end)


def pieces(span: Span, limits: Limits) -> Iterator[Span]:
    """``span`` in windows that are no longer than the limits allow, without gap or overlap."""
    step = max(limits.longest, SHORTEST_WINDOW)
    start = span.start
    while start < span.end:
        yield Span(start, min(start + step, span.end))
        start += step


def is_kept(span: Span, limits: Limits, now: datetime) -> bool:
    """Whether the API still holds all of ``span``; a minute stands for the way there."""
    return span.start >= now - limits.oldest + timedelta(minutes=1)


def days_to_read(
    now: datetime, *, through: datetime | None, reread: timedelta, first: timedelta
) -> list[Span]:
    """The UTC days to read on ``now``, the last one up to ``now``, oldest first.

    Days that end after ``now - reread`` are read again, because sampled figures still change; so are all since
    ``through``, up to which everything was read. Without it the days of ``first`` are read.
    """
    begin = now - first if through is None else min(through, now - reread)
    return whole_days(Span(begin, now))


def whole_days(span: Span) -> list[Span]:
    """The UTC days that ``span`` touches; the last one is cut at its end."""
    day = span.start.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    while day < span.end:
        found.append(Span(day, min(day + timedelta(days=1), span.end)))
        day += timedelta(days=1)
    return found
