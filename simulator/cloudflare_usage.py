"""What the simulated company uses at Cloudflare, quarter of an hour by quarter: Workers, R2, zones. Pure.

Every figure is a function of the seed and the time, so that any window can be asked for, in any order. A
Worker's CPU per request changes with its deployments; one Worker has a heavy version every other week.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from simulator import rhythm, seeded
from simulator.company import TENANTS
from simulator.rhythm import EU, US, Rhythm

QUARTER = timedelta(minutes=15)
DOMAINS = ("meridian.example", "meridian-media.example")
_FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC).toordinal()
_MONDAY = 0


@dataclass(frozen=True)
class Script:
    """One Worker: invocations in a mean hour, µs of CPU for one, errors in ten thousand.

    ``heavy`` is the factor of its even weeks' version in per cent; a script is deployed on one day a week.
    """

    name: str
    region: str
    requests: int
    cpu_us: int
    errors: int
    deployed_on: int
    heavy: int = 100


# fmt: off
SCRIPTS: tuple[Script, ...] = (
    Script("image-resizer",    US, 46_000, 11_400, 9,  _MONDAY, 235),
    Script("edge-router",      EU, 210_000,  820, 2,   1),
    Script("search-api",       US, 38_000, 6_300, 14,  2, 112),
    Script("webhook-relay",    EU, 9_500,  2_150, 31,  3),
    Script("report-exporter",  US, 1_300, 48_500, 22,  4, 92),
    Script("auth-gate",        EU, 88_000, 1_240, 1,   1),
)
# fmt: on
"""The company's Workers."""


@dataclass(frozen=True)
class Bucket:
    """One R2 bucket: bytes stored on the first day, bytes added a day, operations in a mean hour."""

    name: str
    stored: int
    grows: int
    operations: int
    storage_class: str = "Standard"


BUCKETS: tuple[Bucket, ...] = (
    Bucket("media-originals", 18_400_000_000_000, 21_000_000_000, 52_000),
    Bucket("customer-exports", 940_000_000_000, 3_100_000_000, 6_400),
    Bucket("eu_patient-records", 2_700_000_000_000, 4_800_000_000, 3_900),
    Bucket("cold-archive", 41_000_000_000_000, 36_000_000_000, 140, "InfrequentAccess"),
)
"""The company's buckets; the one of the EU's jurisdiction bears its prefix."""

# Action, HTTP status, share of the operations in thousandths.
_ACTIONS = (
    ("GetObject", 200, 780),
    ("HeadObject", 200, 90),
    ("PutObject", 200, 64),
    ("UploadPart", 200, 28),
    ("ListObjects", 200, 18),
    ("CompleteMultipartUpload", 200, 4),
    ("DeleteObject", 204, 9),
    ("GetObject", 403, 5),
    ("PutObject", 412, 2),
)
# Who asks, cache status, share in thousandths of what visitors ask for, bytes of a response.
_ZONE_REQUESTS = (
    ("eyeball", "hit", 710, 38_000),
    ("eyeball", "miss", 120, 41_000),
    ("eyeball", "dynamic", 150, 6_200),
    ("eyeball", "expired", 20, 37_000),
    ("edgeWorkerFetch", "dynamic", 240, 5_100),
)
_HOSTS_OF_A_ZONE = 6


@dataclass(frozen=True)
class Sample:
    """One group of one quarter of an hour: what it is about, and its figures by name."""

    moment: datetime
    about: tuple[tuple[str, str | int], ...]
    figures: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Deployed:
    """One deployment of a script."""

    id: str
    created_on: datetime
    version_id: str
    message: str


def account_id(seed: int) -> str:
    """The company's account at Cloudflare."""
    return seeded.hex_text(seed, "cloudflare account", length=32)


def zone_ids(seed: int) -> tuple[str, ...]:
    """The ids of ``DOMAINS``, in their order."""
    return tuple(seeded.hex_text(seed, "cloudflare zone", name, length=32) for name in DOMAINS)


def quarters(start: datetime, end: datetime) -> Iterator[datetime]:
    """Begins of the quarters of an hour from ``start`` up to, not including, ``end``."""
    moment = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0)
    while moment < end:
        if moment >= start:
            yield moment
        moment += QUARTER


def _amount(seed: int, name: str, region: str, mean: int, moment: datetime) -> int:
    """``mean`` an hour as it breathes, a quarter of it."""
    beat = _hours(region)[moment.hour] * rhythm.weekdays(Rhythm.BUSINESS)[moment.weekday()]
    raw = _noise_of_day(seed, name, moment.date(), moment.minute)
    noise = rhythm.noise(Rhythm.BUSINESS, raw[moment.hour])
    growth = rhythm.growth(moment.toordinal() - _FIRST_DAY)
    return mean * beat * noise * growth // (4 * 1000**3 * rhythm.GROWTH_BASE)


@lru_cache(maxsize=4)
def _hours(region: str) -> tuple[int, ...]:
    return rhythm.hours(Rhythm.BUSINESS, region)


@lru_cache(maxsize=4096)
def _noise_of_day(seed: int, name: str, day: date, minute: int) -> tuple[int, ...]:
    return seeded.day_noise(seed, "cloudflare", name, day.isoformat(), minute)


def deployments(seed: int, script: Script, until: datetime, weeks: int = 6) -> tuple[Deployed, ...]:
    """The deployments of the last ``weeks`` before ``until``, the newest first."""
    found = []
    day = until.date() - timedelta(days=(until.weekday() - script.deployed_on) % 7)
    for back in range(weeks + 1):
        created = _deployed_at(seed, script, day - timedelta(weeks=back))
        if created >= until:
            continue
        mark = created.date().isoformat()
        found.append(
            Deployed(
                seeded.uuid_text(seed, "deployment", script.name, mark),
                created,
                seeded.uuid_text(seed, "version", script.name, mark),
                f"Release {created:%G-W%V}",
            )
        )
    return tuple(found[:weeks])


@lru_cache(maxsize=1024)
def _deployed_at(seed: int, script: Script, day: date) -> datetime:
    hour = seeded.between(seed, "deployed", script.name, day.isoformat(), low=8, high=15)
    return datetime(day.year, day.month, day.day, hour, 20, 7, tzinfo=UTC)


def _cpu_of(seed: int, script: Script, moment: datetime) -> int:
    """µs of one invocation under the version that served at ``moment``."""
    day = moment.date() - timedelta(days=(moment.weekday() - script.deployed_on) % 7)
    if moment < _deployed_at(seed, script, day):
        day -= timedelta(weeks=1)
    factor = script.heavy if day.isocalendar().week % 2 == 0 else 100
    drift = seeded.between(seed, "cpu", script.name, day.isoformat(), low=960, high=1040)
    noise = seeded.between(seed, "cpu", script.name, moment.isoformat(), low=970, high=1030)
    return script.cpu_us * factor * drift * noise // 100_000_000


def workers(seed: int, start: datetime, end: datetime) -> Iterator[Sample]:
    """Invocations of each script."""
    for moment in quarters(start, end):
        for script in SCRIPTS:
            requests = _amount(seed, script.name, script.region, script.requests, moment)
            cpu = _cpu_of(seed, script, moment)
            failed = requests * script.errors // 10_000
            for status, count in (("success", requests - failed), ("scriptThrewException", failed)):
                if not count:
                    continue
                yield Sample(
                    moment,
                    (("scriptName", script.name), ("status", status)),
                    (
                        ("requests", count),
                        ("errors", 0 if status == "success" else count),
                        ("subrequests", count * 2),
                        ("cpuTimeUs", count * cpu),
                        ("wallTime", count * (cpu * 3 + 12_000)),
                        ("cpuTimeP50", cpu * 82 // 100),
                        ("cpuTimeP99", cpu * 4),
                    ),
                )


def r2_operations(seed: int, start: datetime, end: datetime) -> Iterator[Sample]:
    """Operations of each bucket."""
    for moment in quarters(start, end):
        for bucket in BUCKETS:
            every = _amount(seed, bucket.name, US, bucket.operations, moment)
            for action, status, share in _ACTIONS:
                count = every * share // 1000
                if count:
                    about = (
                        ("bucketName", bucket.name),
                        ("actionType", action),
                        ("actionStatus", "success" if status < 400 else "userError"),
                        ("responseStatusCode", status),
                        ("storageClass", bucket.storage_class),
                    )
                    yield Sample(moment, about, (("requests", count),))


def r2_storage(seed: int, start: datetime, end: datetime) -> Iterator[Sample]:
    """What lies in each bucket; it grows until the night, when it is cleaned."""
    for moment in quarters(start, end):
        for bucket in BUCKETS:
            days = moment.toordinal() - _FIRST_DAY
            swell = bucket.grows * (moment.hour * 4 + moment.minute // 15) // 64
            stored = bucket.stored + bucket.grows * days + swell
            drift = seeded.between(seed, "stored", bucket.name, moment.isoformat(), low=0, high=999)
            yield Sample(
                moment,
                (("bucketName", bucket.name), ("storageClass", bucket.storage_class)),
                (
                    ("payloadSize", stored + drift),
                    ("metadataSize", stored // 40_000),
                    ("objectCount", stored // 1_700_000),
                    ("uploadCount", drift % 7),
                ),
            )


def zone_http(seed: int, zone: str, start: datetime, end: datetime) -> Iterator[Sample]:
    """Requests of each host of one zone, sampled: the interval is how many one event stands for."""
    index = zone_ids(seed).index(zone)
    tenants = TENANTS[index * _HOSTS_OF_A_ZONE :][:_HOSTS_OF_A_ZONE]
    for moment in quarters(start, end):
        for tenant in tenants:
            host = f"{tenant.slug}.{DOMAINS[index]}"
            mean = int(tenant.revenue) * 3
            every = _amount(seed, host, tenant.region, mean, moment)
            for asker, status, share, size in _ZONE_REQUESTS:
                count = every * share // 1000 // 10 * 10
                if count:
                    about = (
                        ("clientRequestHTTPHost", host),
                        ("cacheStatus", status),
                        ("edgeResponseStatus", 200),
                        ("requestSource", asker),
                    )
                    figures = (
                        ("count", count),
                        ("edgeResponseBytes", count * size),
                        ("visits", count // 12),
                        ("sampleInterval", 10),
                    )
                    yield Sample(moment, about, figures)
