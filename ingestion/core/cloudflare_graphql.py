"""Answers of Cloudflare's GraphQL Analytics as usage facts. Pure.

Every node read here is adaptive, that is sampled: its figures are estimates and marked so. Rows that cannot be
read, or that lie outside the window that was asked for, are put aside with a reason.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from ingestion.core.cloudflare_errors import Refusal, Trouble, refusal_of_errors, short
from ingestion.core.cloudflare_queries import (
    R2_OPERATIONS,
    R2_STORAGE,
    WORKERS,
    ZONE_HTTP,
    Dataset,
    Span,
)
from ingestion.core.r2 import is_known, operation_metric
from ingestion.core.usage import UsageFact

LARGEST = Decimal("9e14")
_PLACES = Decimal("0.0001")
OTHER_HOSTS = "other"
"""Stands for the hosts of a zone that are too many to be kept one by one."""


@dataclass(frozen=True)
class Aside:
    """A row that was put aside: where it stands in the answer, and why."""

    place: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """What one answer, or several of one dataset, gave; ``rows`` counts every row, read or put aside."""

    facts: tuple[UsageFact, ...] = ()
    rows: int = 0
    asides: tuple[Aside, ...] = ()
    notes: tuple[str, ...] = ()


class AnswerError(Exception):
    """An answer that cannot be used; ``refusal`` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.said)
        self.refusal = refusal


class _RowError(ValueError):
    """A row that cannot be read; the message is a clause."""


def parse_json(body: bytes) -> Any:
    """JSON with decimals in place of floats. Raises ``ValueError`` for anything else, NaN included."""

    def refuse(text: str) -> None:
        msg = f"{text} is no number"
        raise ValueError(msg)

    return json.loads(body, parse_float=Decimal, parse_constant=refuse)


def scope_of(body: object, scope: str) -> Mapping[str, Any]:
    """The one account or zone of an answer. Raises ``AnswerError`` where there is none, or errors beside it."""
    if not isinstance(body, Mapping):
        raise AnswerError(Refusal(Trouble.OTHER, "the answer is no JSON object"))
    errors = body.get("errors")
    if errors:
        raise AnswerError(refusal_of_errors(errors if isinstance(errors, list) else [errors]))
    try:
        found = body["data"]["viewer"][scope]
    except (KeyError, TypeError):
        raise AnswerError(Refusal(Trouble.SCHEMA, f"the answer holds no viewer.{scope}")) from None
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise AnswerError(Refusal(Trouble.SCHEMA, f"viewer.{scope} is no list of objects"))
    if len(found) != 1:
        raise AnswerError(Refusal(Trouble.MISSING, f"{len(found)} {scope} bear that id"))
    node: Mapping[str, Any] = found[0]
    return node


def rows_of(body: object, dataset: Dataset) -> Sequence[Any]:
    """The rows of ``dataset`` in an answer. Raises ``AnswerError``."""
    rows = scope_of(body, dataset.scope).get(dataset.id)
    if not isinstance(rows, list):
        raise AnswerError(
            Refusal(Trouble.SCHEMA, f"{dataset.id} is no list", unknown=(dataset.id,))
        )
    return rows


def read_rows(rows: Sequence[Any], dataset: Dataset, span: Span, tag: str) -> Reading:
    """Facts of the rows of one window of one account or zone (``tag``)."""
    facts: list[UsageFact] = []
    asides: list[Aside] = []
    unknown: set[str] = set()
    make = _MAKERS[dataset.id]
    for number, row in enumerate(rows, start=1):
        try:
            if not isinstance(row, Mapping):
                raise _RowError("it is no object")
            found = make(row, span, tag)
        except _RowError as error:
            asides.append(Aside(f"{dataset.id} row {number}", f"{error}"))
            continue
        facts += found
        if dataset is not R2_OPERATIONS:
            continue
        action = str(row["dimensions"].get("actionType"))
        if not is_known(action):
            unknown.add(short(action))
    notes = tuple(
        f"R2 action {name} is not in the price list's table; it goes by its name."
        for name in sorted(unknown)
    )
    return Reading(_merged(facts), len(rows), tuple(asides), (*notes, *_sampling(rows, dataset)))


def _sampling(rows: Sequence[Any], dataset: Dataset) -> tuple[str, ...]:
    """How coarse the sample is, where the answer says so."""
    groups = [row.get("avg") for row in rows if isinstance(row, Mapping)]
    found = [group.get("sampleInterval") for group in groups if isinstance(group, Mapping)]
    known = (each for each in found if isinstance(each, int | Decimal) and each < LARGEST)
    coarsest = max(known, default=1)
    if coarsest <= 1:
        return ()
    return (f"{dataset.title}: at the coarsest, 1 event in {round(coarsest):,} was looked at.",)


def joined(readings: Iterable[Reading]) -> Reading:
    """Readings of windows side by side as one: flows add up, levels keep their highest."""
    every = list(readings)
    return Reading(
        _merged(fact for each in every for fact in each.facts),
        sum(each.rows for each in every),
        tuple(aside for each in every for aside in each.asides),
        tuple(dict.fromkeys(note for each in every for note in each.notes)),
    )


def daily_peaks(facts: Iterable[UsageFact]) -> tuple[UsageFact, ...]:
    """Stored bytes as one fact a day, at its first hour: the day's peak of each bucket and class."""
    peaks: dict[UsageFact, Decimal] = {}
    for fact in facts:
        key = replace(fact, hour=fact.hour.replace(hour=0), quantity=Decimal(0))
        peaks[key] = max(peaks.get(key, Decimal(0)), fact.quantity)
    return tuple(replace(key, quantity=peak) for key, peak in peaks.items())


def bounded_hosts(facts: Iterable[UsageFact], most: int) -> tuple[UsageFact, ...]:
    """Facts of zones with the ``most`` hosts by requests of each zone and hour; the rest is ``OTHER_HOSTS``.

    Sums stay what they were, also by cache status.
    """
    every = list(facts)
    requests: dict[tuple[str, datetime], dict[str, Decimal]] = defaultdict(dict)
    for fact in every:
        hosts = requests[fact.zone, fact.hour]
        count = fact.quantity if fact.metric == "zone_requests" else Decimal(0)
        hosts[fact.host] = hosts.get(fact.host, Decimal(0)) + count
    kept = {
        key: set(sorted(hosts, key=lambda host: (-hosts[host], host))[:most])
        for key, hosts in requests.items()
    }
    return _merged(
        fact if fact.host in kept[fact.zone, fact.hour] else replace(fact, host=OTHER_HOSTS)
        for fact in every
    )


# --- one row -----------------------------------------------------------------------------------------


@dataclass
class _Row:
    """One row while it is read."""

    data: Mapping[str, Any]
    span: Span
    about: dict[str, str] = field(default_factory=dict)

    def hour(self) -> datetime:
        dimensions = self.group("dimensions")
        text = dimensions.get("datetimeHour") or dimensions.get("datetime")
        try:
            read = datetime.fromisoformat(str(text))
            moment = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        except (ValueError, OverflowError):
            raise _RowError(f"its time {short(str(text))!r} is no time") from None
        hour = moment.replace(minute=0, second=0, microsecond=0)
        # The hour of a window that was cut inside it begins before the window.
        first = self.span.start.replace(minute=0, second=0, microsecond=0)
        if not (first <= hour and moment < self.span.end):
            raise _RowError(f"its time {moment:%Y-%m-%d %H:%M} lies outside the window asked for")
        return hour

    def group(self, name: str) -> Mapping[str, Any]:
        found = self.data.get(name)
        if not isinstance(found, Mapping):
            raise _RowError(f"it has no {name}")
        return found

    def text(self, name: str, *, needed: bool = False) -> str:
        value = self.group("dimensions").get(name)
        if needed and not (isinstance(value, str) and value):
            raise _RowError(f"it has no {name}")
        text = "" if value is None else str(value)
        if len(text) > 255 or "\0" in text:
            raise _RowError(f"its {name} is no name")
        return text

    def quantity(self, group: str, name: str, *, needed: bool = True) -> Decimal | None:
        source = self.group(group) if group else self.data
        value = source.get(name)
        if value is None and not needed:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise _RowError(f"its {name} is no number")
        try:
            number = Decimal(value).quantize(_PLACES, rounding=ROUND_HALF_EVEN)
        except InvalidOperation:
            raise _RowError(f"its {name} is too large") from None
        if number < 0 or number > LARGEST:
            raise _RowError(f"its {name} is {'negative' if number < 0 else 'too large'}")
        return number

    def count(self, group: str, name: str) -> Decimal:
        return self.quantity(group, name) or Decimal(0)

    def fact(self, metric: str, quantity: Decimal) -> UsageFact:
        return UsageFact(self.hour(), metric, quantity, is_sampled=True, **self.about)


_WORKER_SUMS = (
    ("worker_requests", "requests", True),
    ("worker_errors", "errors", True),
    ("subrequests", "subrequests", False),
    ("worker_cpu_us", "cpuTimeUs", False),
    ("worker_wall_us", "wallTime", False),
)
_WORKER_LEVELS = (("worker_cpu_us_p50", "cpuTimeP50"), ("worker_cpu_us_p99", "cpuTimeP99"))


def _workers(data: Mapping[str, Any], span: Span, tag: str) -> list[UsageFact]:
    row = _Row(data, span)
    row.about = {"account": tag, "script": row.text("scriptName", needed=True)}
    found = [
        row.fact(metric, value)
        for metric, name, needed in _WORKER_SUMS
        if (value := row.quantity("sum", name, needed=needed)) is not None
    ]
    if "quantiles" in data:
        found += [
            row.fact(metric, value)
            for metric, name in _WORKER_LEVELS
            if (value := row.quantity("quantiles", name, needed=False)) is not None
        ]
    return found


def _r2_operations(data: Mapping[str, Any], span: Span, tag: str) -> list[UsageFact]:
    row = _Row(data, span)
    row.about = _bucket(row, tag)
    status = row.quantity("dimensions", "responseStatusCode")
    metric = operation_metric(row.text("actionType", needed=True), int(status or 0))
    return [row.fact(metric, row.count("sum", "requests"))]


def _r2_storage(data: Mapping[str, Any], span: Span, tag: str) -> list[UsageFact]:
    row = _Row(data, span)
    row.about = _bucket(row, tag)
    size = row.count("max", "payloadSize") + row.count("max", "metadataSize")
    if size > LARGEST:
        raise _RowError("its size is too large")
    return [row.fact("r2_stored_bytes", size)]


def _bucket(row: _Row, tag: str) -> dict[str, str]:
    return {
        "account": tag,
        "bucket": row.text("bucketName", needed=True),
        "storage_class": row.text("storageClass"),
    }


def _zone_http(data: Mapping[str, Any], span: Span, tag: str) -> list[UsageFact]:
    row = _Row(data, span)
    row.about = {
        "zone": tag,
        "host": row.text("clientRequestHTTPHost"),
        "cache_status": row.text("cacheStatus"),
    }
    return [
        row.fact("zone_requests", row.count("", "count")),
        row.fact("zone_edge_bytes", row.count("sum", "edgeResponseBytes")),
    ]


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Span, str], list[UsageFact]]] = {
    WORKERS.id: _workers,
    R2_OPERATIONS.id: _r2_operations,
    R2_STORAGE.id: _r2_storage,
    ZONE_HTTP.id: _zone_http,
}

_LEVELS = frozenset({"worker_cpu_us_p50", "worker_cpu_us_p99", "r2_stored_bytes"})


def _merged(facts: Iterable[UsageFact]) -> tuple[UsageFact, ...]:
    """Facts about the same thing in the same hour as one: sums of flows, the highest of levels.

    The quantiles of several groups have no common quantile; the highest one is an upper bound.
    """
    found: dict[UsageFact, list[Decimal]] = defaultdict(list)
    for fact in facts:
        found[replace(fact, quantity=Decimal(0))].append(fact.quantity)
    return tuple(
        replace(key, quantity=max(values) if key.metric in _LEVELS else sum(values, Decimal(0)))
        for key, values in found.items()
    )
