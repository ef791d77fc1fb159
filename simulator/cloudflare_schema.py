"""The part of Cloudflare's GraphQL schema that is answered here, and how answers are made. Pure.

Names of nodes, fields and scalars are Cloudflare's; a group is what the chosen dimensions tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    graphql_sync,
)

from simulator import cloudflare_usage as usage
from simulator.cloudflare_usage import Sample

_TIMES = "date datetime datetimeHour datetimeMinute datetimeFifteenMinutes"
_NODES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "workersInvocationsAdaptive": (
        "accounts",
        {
            "dimensions": f"scriptName status {_TIMES}",
            "sum": "requests errors subrequests cpuTimeUs wallTime",
            "quantiles": "cpuTimeP50 cpuTimeP99",
        },
    ),
    "r2OperationsAdaptiveGroups": (
        "accounts",
        {
            "dimensions": f"bucketName actionType actionStatus responseStatusCode storageClass {_TIMES}",
            "sum": "requests",
        },
    ),
    "r2StorageAdaptiveGroups": (
        "accounts",
        {
            "dimensions": f"bucketName storageClass {_TIMES}",
            "max": "objectCount uploadCount payloadSize metadataSize",
        },
    ),
    "httpRequestsAdaptiveGroups": (
        "zones",
        {
            "": "count",
            "dimensions": f"clientRequestHTTPHost cacheStatus edgeResponseStatus requestSource {_TIMES}",
            "sum": "edgeResponseBytes visits",
            "avg": "sampleInterval",
        },
    ),
}
_FILTERED: Mapping[str, str] = {"httpRequestsAdaptiveGroups": "requestSource"}
"""What a node can be filtered by, beside the time."""
_FILTER = "datetime_geq: Time datetime_gt: Time datetime_leq: Time datetime_lt: Time"
_LIMITS = "enabled maxDuration notOlderThan maxPageSize maxNumberOfFields"


@dataclass(frozen=True)
class Limits:
    """What one query may ask for; times in seconds."""

    longest: int = 259_200
    oldest: int = 2_678_400
    page: int = 10_000
    fields: int = 30


@lru_cache(maxsize=8)
def schema(without: frozenset[str] = frozenset()) -> GraphQLSchema:
    """The schema, lacking the fields and nodes called ``without``."""
    parts = [
        "scalar Time scalar string scalar uint64 scalar number",
        "type Query { viewer: viewer }",
        "type viewer { accounts(filter: AccountFilter): [account!] zones(filter: ZoneFilter): [zone!] }",
        "input AccountFilter { accountTag: string } input ZoneFilter { zoneTag: string }",
        f"type Limits {{ {' '.join(f'{name}: number' for name in _LIMITS.split())} }}",
    ]
    for scope, name in (("accounts", "account"), ("zones", "zone")):
        nodes = [node for node, (of, _) in _NODES.items() if of == scope and node not in without]
        fields = [f"{node}(limit: uint64, filter: {node}Filter): [{node}Row!]" for node in nodes]
        settings = " ".join(f"{node}: Limits" for node in nodes) or "none: Limits"
        parts.append(f"type {name}Settings {{ {settings} }}")
        parts.append(f"type {name} {{ {' '.join(fields)} settings: {name}Settings }}")
    for node, (_, groups) in _NODES.items():
        more = " ".join(f"{each}: string" for each in _FILTERED.get(node, "").split())
        parts.append(f"input {node}Filter {{ {_FILTER} {more} }}")
        row = [f"{field}: number" for field in groups.get("", "").split()]
        for group, names in groups.items():
            if group:
                kept = [each for each in names.split() if each not in without] or ["none"]
                inner = " ".join(f"{each}: number" for each in kept)
                parts.append(f"type {node}_{group} {{ {inner} }}")
                row.append(f"{group}: {node}_{group}")
        parts.append(f"type {node}Row {{ {' '.join(row)} }}")
    return build_schema("\n".join(parts))


@dataclass(frozen=True)
class World:
    """Who answers: the company of ``seed`` at ``now``, within ``limits``."""

    seed: int
    now: datetime
    limits: Limits
    without: frozenset[str] = frozenset()

    def answer(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a GraphQL answer; errors lie inside it, as Cloudflare has it."""
        root = {"viewer": {"accounts": self._accounts, "zones": self._zones}}
        result = graphql_sync(schema(self.without), query, root, variable_values=dict(variables))
        errors = [_error(error, self.now) for error in result.errors or ()]
        return {"data": None if errors else result.data, "errors": errors or None}

    def _accounts(self, _info: GraphQLResolveInfo[Any], **given: Any) -> list[dict[str, Any]]:
        if given.get("filter", {}).get("accountTag") != usage.account_id(self.seed):
            return []
        sources: dict[str, Callable[[datetime, datetime], Iterable[Sample]]] = {
            "workersInvocationsAdaptive": lambda a, b: usage.workers(self.seed, a, b),
            "r2OperationsAdaptiveGroups": lambda a, b: usage.r2_operations(self.seed, a, b),
            "r2StorageAdaptiveGroups": lambda a, b: usage.r2_storage(self.seed, a, b),
        }
        return [self._node(sources)]

    def _zones(self, _info: GraphQLResolveInfo[Any], **given: Any) -> list[dict[str, Any]]:
        tag = given.get("filter", {}).get("zoneTag")
        if tag not in usage.zone_ids(self.seed):
            return []
        read = {
            "httpRequestsAdaptiveGroups": lambda a, b: usage.zone_http(self.seed, tag, a, b),
        }
        return [self._node(read)]

    def _node(
        self, sources: Mapping[str, Callable[[datetime, datetime], Iterable[Sample]]]
    ) -> dict[str, Any]:
        limits = {
            "enabled": True,
            "maxDuration": self.limits.longest,
            "notOlderThan": self.limits.oldest,
            "maxPageSize": self.limits.page,
            "maxNumberOfFields": self.limits.fields,
        }
        node: dict[str, Any] = {"settings": dict.fromkeys(sources, limits)}
        for name, source in sources.items():
            node[name] = self._resolver(source)
        return node

    def _resolver(
        self, source: Callable[[datetime, datetime], Iterable[Sample]]
    ) -> Callable[..., list[dict[str, Any]]]:
        def resolve(info: GraphQLResolveInfo[Any], **given: Any) -> list[dict[str, Any]]:
            window, limit = given.get("filter", {}), int(given.get("limit", 100))
            start = _time(window.get("datetime_geq"))
            end = _time(window.get("datetime_lt") or window.get("datetime_leq"))
            self._refuse(start, end, limit)
            names = _chosen(info, "dimensions")
            # What has not ended is not told: a quarter is there once it is over.
            samples = source(start, min(end, self.now - usage.QUARTER))
            wanted = {name: value for name, value in window.items() if "datetime" not in name}
            fitting = (each for each in samples if wanted.items() <= dict(each.about).items())
            return _grouped(fitting, names)[:limit]

        return resolve

    def _refuse(self, start: datetime, end: datetime, limit: int) -> None:
        limits = self.limits
        if limit > limits.page:
            raise GraphQLError(f"limit must be positive number and not greater than {limits.page}")
        if start < self.now - timedelta(seconds=limits.oldest):
            raise GraphQLError(f"cannot request data older than {limits.oldest}s")
        if end - start > timedelta(seconds=limits.longest):
            raise GraphQLError(f"query time range is wider than {limits.longest}s")


def _time(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        raise GraphQLError(f"error parsing args: {text!r} is no time") from None


def _chosen(info: GraphQLResolveInfo[Any], group: str) -> list[str]:
    """The names that the query selects below ``group``."""
    return [
        inner.name.value
        for node in info.field_nodes
        for field in (node.selection_set.selections if node.selection_set else ())
        if isinstance(field, FieldNode) and field.name.value == group and field.selection_set
        for inner in field.selection_set.selections
        if isinstance(inner, FieldNode)
    ]


_HIGHEST = frozenset(
    {"payloadSize", "metadataSize", "objectCount", "uploadCount", "cpuTimeP50", "cpuTimeP99"}
)


def _grouped(samples: Iterable[Sample], names: list[str]) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], dict[str, list[int]]] = {}
    for sample in samples:
        about = dict(sample.about) | _times(sample.moment)
        figures = groups.setdefault(tuple(about.get(name) for name in names), {})
        for name, value in sample.figures:
            figures.setdefault(name, []).append(value)
    return [_row(dict(zip(names, key, strict=True)), figures) for key, figures in groups.items()]


def _times(moment: datetime) -> dict[str, str]:
    text = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "date": f"{moment:%Y-%m-%d}",
        "datetime": text,
        "datetimeHour": f"{moment:%Y-%m-%dT%H:00:00Z}",
        "datetimeMinute": text,
        "datetimeFifteenMinutes": text,
    }


def _row(dimensions: dict[str, Any], figures: Mapping[str, list[int]]) -> dict[str, Any]:
    values = {name: max(each) if name in _HIGHEST else sum(each) for name, each in figures.items()}
    intervals = figures.get("sampleInterval", [1])
    return {
        "dimensions": dimensions,
        "sum": values,
        "max": values,
        "quantiles": values,
        "avg": {"sampleInterval": sum(intervals) / len(intervals)},
        "count": values.get("count", 0),
    }


def _error(error: GraphQLError, now: datetime) -> dict[str, Any]:
    """An error as Cloudflare words it."""
    message = error.message
    if message.startswith("Cannot query field"):
        message = f'unknown field "{message.split(chr(39))[1]}"'
    path = [str(part) for part in error.path] if error.path else None
    return {
        "message": message,
        "path": path,
        "extensions": {"timestamp": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"},
    }
