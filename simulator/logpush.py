"""One hour of the company's Cloudflare logs, as a Logpush job writes them. Pure and seeded.

Format: Cloudflare, Logs, dataset ``http_requests`` with RFC 3339 times; six objects an hour, named by their span.
What comes from origins is what AWS bills for as sent to the internet, of every tenant and in every hour. As in life
some lines come an hour late, and now and then an object is delivered twice under two names.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import PurePosixPath

from simulator import catalogue, company, numbers, resources, rhythm, seeded
from simulator.company import MEDIA, TENANTS, Tenant
from simulator.cur import SimulatedFile
from simulator.lines import Change, Month, hourly_amounts
from simulator.rhythm import Rhythm

ROOT = PurePosixPath("cloudflare") / "http_requests"
SCRIPT = "media-resize"
SPAN = timedelta(hours=48)
"""How far back the first fill has logs: a job begins to push when it is made, and cannot backfill."""

_HOUR = timedelta(hours=1)
_OBJECTS = 6
_THOUSAND = 1000
SAMPLED = 10_000
"""The job logs one request of so many (its ``sample_rate`` is the inverse), so that a demo is small."""
_GB = 2**30
SENT = (catalogue.EC2_EGRESS, catalogue.S3_EGRESS)
"""What AWS charges for what the company's origins send through Cloudflare."""
_SERVED, _HEADERS = 200, 300
_REVENUE_A_REQUEST = 2_000  # dollars of monthly revenue for a request an hour
_ZONES = {rhythm.US: "example.com", rhythm.EU: "example.net"}
_CACHE = (
    *(("hit",) * 66),
    *(("miss",) * 12),
    *(("dynamic",) * 10),
    *(("expired",) * 4),
    *(("bypass",) * 4),
    *(("updating",) * 3),
    "revalidated",
)
_FROM_ORIGIN = {"miss": 200, "dynamic": 200, "expired": 200, "bypass": 200, "revalidated": 304}
_CACHE_OF_ORIGIN = (
    *(("hit; ttl=240",) * 6),
    *(("fwd=uri-miss; fwd-status=200; stored",) * 3),
    *(("fwd=stale; fwd-status=200; stored",) * 2),
    *(("fwd=vary-miss; fwd-status=200; collapsed",) * 1),
)
"""What the cache before the origin says where Cloudflare asks it (RFC 9211)."""
_GZIP = 31  # zlib's window bits for a gzip frame; the frame's time is 0, so bytes are repeatable


@dataclass(frozen=True)
class Request:
    """One request or subrequest; bytes are whole, Worker times in microseconds."""

    tenant: str
    at: datetime
    ray: str
    parent: str
    zone: str
    host: str
    path: str
    status: str
    edge_bytes: int
    cache_bytes: int
    origin_status: int
    script: str = ""
    cpu_us: int = 0
    wall_us: int = 0
    subrequests: int = 0


def requests(
    seed: int, origin: datetime, hour: datetime, egress: dict[str, int]
) -> Iterator[Request]:
    """Every request of ``hour``, each once. ``egress`` is a tenant's factor in thousandths."""
    days = (hour - origin).days
    for tenant in TENANTS:
        factor = rhythm.hours(Rhythm.BUSINESS, tenant.region)[hour.hour]
        factor = factor * rhythm.weekdays(Rhythm.BUSINESS)[hour.weekday()]
        size = int(tenant.revenue) * rhythm.growth(days) // rhythm.GROWTH_BASE
        count = max(1, size * factor // (_REVENUE_A_REQUEST * _THOUSAND * _THOUSAND))
        found = [
            request
            for number in range(count)
            for request in _request(seed, tenant, hour, number, egress.get(tenant.slug, _THOUSAND))
        ]
        sent = billed_bytes(seed, origin, hour, tenant, egress.get(tenant.slug, _THOUSAND))
        yield from found if sent is None else _from_origin(found, sent // SAMPLED)


def host_of(tenant: Tenant) -> str:
    """The host that serves the tenant's files."""
    return f"{tenant.slug}.assets.{_ZONES[tenant.region]}"


def billed_bytes(
    seed: int, origin: datetime, hour: datetime, tenant: Tenant, egress: int
) -> int | None:
    """What AWS bills the tenant for as sent to the internet in ``hour``; ``None`` where it never does."""
    found = [
        _day_of_meter(seed, origin, hour.replace(hour=0), meter.key, egress)[hour.hour]
        for meter in resources.build(seed).meters
        if meter.resource.tenant == tenant.slug and meter.sku in SENT
    ]
    return sum(found) * _GB // numbers.UNIT if found else None


@lru_cache(maxsize=512)
def _day_of_meter(
    seed: int, origin: datetime, day: datetime, key: str, egress: int
) -> tuple[int, ...]:
    world = resources.build(seed)
    meter = next(meter for meter in world.meters if meter.key == key)
    change = Change(day, ((meter.resource.tenant or "", egress),))
    month = Month(day.replace(day=1), day, origin, "", (change,))
    return tuple(hourly_amounts(world, month, day, meter))


def _from_origin(found: list[Request], size: int) -> list[Request]:
    """``found`` with ``size`` bytes from the origin: over those that fetched, the last of them takes the rest."""
    fetched = [number for number, one in enumerate(found) if one.origin_status == _SERVED]
    if not fetched:
        # The subrequest of a Worker where there is one: the cache is behind it.
        last = len(found) - 1
        found[last] = replace(found[last], status="miss", origin_status=_SERVED)
        fetched = [last]
    total = sum(found[number].edge_bytes for number in fetched)
    left = size
    for number in fetched:
        one = found[number]
        is_last = number == fetched[-1]
        part = left if is_last else size * one.edge_bytes // total
        left -= part
        found[number] = replace(one, cache_bytes=part, edge_bytes=part + _HEADERS)
    return found


def hour_files(
    seed: int, origin: datetime, hour: datetime, *, first: datetime, egress: dict[str, int]
) -> tuple[SimulatedFile, ...]:
    """The objects that are written in ``hour``; ``first`` is the first hour that the job pushed."""
    waiting: list[list[Request]] = [[] for _ in range(_OBJECTS)]
    for request in requests(seed, origin, hour, egress):
        if not is_late(request):
            waiting[request.at.minute * _OBJECTS // 60].append(request)
    if hour > first:
        before = requests(seed, origin, hour - _HOUR, egress)
        waiting[-1] += [request for request in before if is_late(request)]
    files = []
    if hour == first:
        mark = seeded.hex_text(seed, "ownership", length=16)
        files.append(SimulatedFile(ROOT / f"ownership-challenge-{mark}.txt", mark.encode()))
    for number, found in enumerate(waiting):
        start = hour + number * _HOUR / _OBJECTS
        content = _packed(found)
        files.append(SimulatedFile(_key(seed, start, "a"), content))
        if not seeded.between(seed, "twice", start.isoformat(), low=0, high=15):
            files.append(SimulatedFile(_key(seed, start, "b"), content))
    return tuple(files)


def is_late(request: Request) -> bool:
    """About one in fifty comes with the next hour's objects."""
    return int(request.ray[-4:], 16) % 50 == 0


def _key(seed: int, start: datetime, copy: str) -> PurePosixPath:
    end = start + _HOUR / _OBJECTS
    mark = seeded.hex_text(seed, "object", start.isoformat(), copy, length=8)
    return ROOT / f"{start:%Y%m%d}" / f"{start:%Y%m%dT%H%M%SZ}_{end:%Y%m%dT%H%M%SZ}_{mark}.log.gz"


def _packed(found: list[Request]) -> bytes:
    gzip = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    text = "".join(_line(request) for request in sorted(found, key=lambda one: (one.at, one.ray)))
    return gzip.compress(text.encode()) + gzip.flush()


def _request(
    seed: int, tenant: Tenant, hour: datetime, number: int, egress: int
) -> Iterator[Request]:
    name = ("log", tenant.slug, f"{hour:%Y%m%d%H}", number)
    draw = seeded.day_noise(seed, *name)
    at = hour + timedelta(seconds=draw[0] * 3600 // 65536)
    status = _CACHE[draw[1] % len(_CACHE)]
    size = (800 + draw[2] * draw[3] // 4096) * egress // _THOUSAND
    zone = _ZONES[tenant.region]
    host = host_of(tenant)
    ray = seeded.hex_text(seed, *name, "ray", length=16)
    path = _path(tenant, draw)
    origin = _FROM_ORIGIN.get(status, 0)
    if tenant.mix is not MEDIA:
        yield Request(
            tenant.slug, at, ray, "00", zone, host, path, status, size, size - 300, origin
        )
        return
    # The Worker stands before the cache: the subrequest carries what the cache did.
    yield Request(
        *(tenant.slug, at, ray, "00", zone, host, path, "unknown", size, 0, 0),
        script=SCRIPT,
        cpu_us=400 + draw[4] % 3000,
        wall_us=3_000 + draw[5],
        subrequests=1,
    )
    inner = seeded.hex_text(seed, *name, "subrequest", length=16)
    yield Request(tenant.slug, at, inner, ray, zone, host, path, status, size, size - 300, origin)


def _path(tenant: Tenant, draw: tuple[int, ...]) -> str:
    kind = draw[6] % 10
    if tenant.mix is MEDIA:
        return f"/media/video/{draw[7] * 7919 + 10_000}/seg-{draw[8] % 40}.ts"
    if kind < 5:
        return f"/static/{tenant.product}/app.{draw[7]:04x}{draw[8]:04x}.js"
    if kind < 8:
        return f"/files/exports/{draw[7] * 65536 + draw[8] + 100_000}.csv"
    return f"/api/v1/{tenant.product}/{draw[7] + 1000}"


def _headers(request: Request) -> dict[str, str]:
    """The zone's custom fields of the response: its origin says what its own cache did."""
    if not request.origin_status:
        return {}
    said = _CACHE_OF_ORIGIN[int(request.ray[:4], 16) % len(_CACHE_OF_ORIGIN)]
    return {"cache-status": f'origin-cache; {said}; key="{request.host}{request.path}"'}


def _line(request: Request) -> str:
    is_inner = request.parent != "00"
    moment = f"{request.at:%Y-%m-%dT%H:%M:%SZ}"
    line = {
        "RayID": request.ray,
        "ParentRayID": request.parent,
        "EdgeStartTimestamp": moment,
        "EdgeEndTimestamp": moment,
        "ZoneName": request.zone,
        "ClientIP": f"192.0.2.{int(request.ray[:2], 16)}",
        "ClientCountry": "us" if request.zone == _ZONES[rhythm.US] else "de",
        "ClientRequestHost": request.host,
        "ClientRequestMethod": "GET",
        "ClientRequestPath": request.path,
        "ClientRequestURI": f"{request.path}?sig={request.ray[::-1]}",
        "ClientRequestSource": "edgeWorkerFetch" if is_inner else "eyeball",
        "ClientRequestUserAgent": f"{company.COMPANY} client",
        "CacheCacheStatus": request.status,
        "CacheResponseBytes": request.cache_bytes,
        "CacheTieredFill": False,
        "EdgeResponseBytes": request.edge_bytes,
        "EdgeResponseStatus": 200,
        "OriginResponseBytes": 0,
        "OriginResponseStatus": request.origin_status,
        "WorkerCPUTime": request.cpu_us,
        "WorkerScriptName": request.script,
        "WorkerStatus": "ok" if request.script else "unknown",
        "WorkerSubrequest": is_inner,
        "WorkerSubrequestCount": request.subrequests,
        "WorkerWallTimeUs": request.wall_us,
        "ResponseHeaders": _headers(request),
    }
    return json.dumps(line, separators=(",", ":")) + "\n"
