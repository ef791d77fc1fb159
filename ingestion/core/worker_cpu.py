"""CPU per request of each Worker as a series, and what its deployments changed. Pure.

CPU time is the sum that is billed, never a quantile times requests.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from finops.core.amounts import ZERO, exact_sum, ratio
from ingestion.core.usage import UsageFact

Step = Literal["hour", "day"]

NO_REQUESTS = "no request in this time"
NO_CPU = "Cloudflare gave no sum of CPU time"


@dataclass(frozen=True)
class CpuPoint:
    """One hour or day of one script: µs of CPU, requests, and one by the other.

    ``per_request`` is in µs; it is ``None`` where ``reason`` says why. The quantiles are of single
    invocations, over a day the highest of its hours.
    """

    moment: datetime
    requests: Decimal
    cpu_us: Decimal | None
    per_request: Decimal | None
    reason: str = ""
    p50: Decimal | None = None
    p99: Decimal | None = None
    is_sampled: bool = False


@dataclass(frozen=True)
class Marker:
    """One deployment on the series of its script."""

    script: str
    moment: datetime
    message: str = ""


@dataclass(frozen=True)
class Change:
    """CPU per request in the time before and after a deployment, in µs, and one by the other."""

    marker: Marker
    before: Decimal
    after: Decimal
    times: Decimal


def cpu_series(facts: Iterable[UsageFact], step: Step = "hour") -> dict[str, list[CpuPoint]]:
    """Points of each script in order of time, scripts by their CPU time, the most first."""
    found: dict[tuple[str, datetime], dict[str, list[Decimal]]] = defaultdict(
        lambda: defaultdict(list)
    )
    sampled: set[tuple[str, datetime]] = set()
    for fact in facts:
        moment = fact.hour if step == "hour" else fact.hour.replace(hour=0)
        found[fact.script, moment][fact.metric].append(fact.quantity)
        if fact.is_sampled:
            sampled.add((fact.script, moment))
    series: dict[str, list[CpuPoint]] = defaultdict(list)
    for (script, moment), values in sorted(found.items()):
        series[script].append(_point(moment, values, is_sampled=(script, moment) in sampled))
    return dict(sorted(series.items(), key=lambda item: (-total_cpu(item[1]), item[0])))


def _point(moment: datetime, values: dict[str, list[Decimal]], *, is_sampled: bool) -> CpuPoint:
    requests = exact_sum(values["worker_requests"])
    cpu = exact_sum(values["worker_cpu_us"]) if values["worker_cpu_us"] else None
    per_request = None if cpu is None else ratio(cpu, requests)
    reason = NO_CPU if cpu is None else NO_REQUESTS if per_request is None else ""
    return CpuPoint(
        moment,
        requests,
        cpu,
        per_request,
        reason,
        max(values["worker_cpu_us_p50"], default=None),
        max(values["worker_cpu_us_p99"], default=None),
        is_sampled,
    )


def total_cpu(points: Iterable[CpuPoint]) -> Decimal:
    """All CPU time of ``points`` in µs."""
    return exact_sum(point.cpu_us or ZERO for point in points)


def per_request(points: Sequence[CpuPoint]) -> Decimal | None:
    """CPU per request over ``points`` that have both, in µs: the sums by each other, not a mean of means."""
    known = [point for point in points if point.cpu_us is not None]
    return ratio(total_cpu(known), exact_sum(point.requests for point in known))


def change_at(
    points: Sequence[CpuPoint],
    marker: Marker,
    around: timedelta,
    until: datetime | None = None,
    earlier: Sequence[datetime] = (),
) -> Change | None:
    """What CPU per request was within ``around`` before and after a deployment.

    A point that holds a deployment is left out, for it holds two versions. ``until`` is where the next deployment
    begins. ``earlier`` are the moments of those before, in order: the time before is that of the last version that
    served for a whole point. ``None`` where one side has no request or no CPU time.
    """
    width = min(
        (b.moment - a.moment for a, b in itertools.pairwise(points)),
        default=timedelta(hours=1),
    )
    end = marker.moment + around if until is None else min(until, marker.moment + around)
    before = [
        p
        for p in points
        if marker.moment - around <= p.moment <= marker.moment - width
        and not any(p.moment < moment < p.moment + width for moment in earlier)
    ]
    since = max((m for m in earlier if before and m <= before[-1].moment), default=None)
    before = [p for p in before if since is None or p.moment >= since]
    after = [p for p in points if p.moment >= marker.moment and p.moment + width <= end]
    old, new = per_request(before), per_request(after)
    times = None if old is None or new is None else ratio(new, old)
    if old is None or new is None or times is None:
        return None
    return Change(marker, old, new, times)


def largest_change(
    series: dict[str, list[CpuPoint]], markers: Sequence[Marker], around: timedelta
) -> Change | None:
    """The deployment after which CPU per request rose most, by factor; ``None`` where it rose after none."""
    changes = []
    for script, points in series.items():
        own = sorted((m for m in markers if m.script == script), key=lambda marker: marker.moment)
        moments = [marker.moment for marker in own]
        for number, marker in enumerate(own):
            until = next(iter(moments[number + 1 :]), None)
            change = change_at(points, marker, around, until, moments[:number])
            if change and change.times > 1:
                changes.append(change)
    return max(changes, key=lambda change: change.times, default=None)
