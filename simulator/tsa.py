"""The company's time stamps: what its stamping service logs by day, and the responses themselves. Pure and seeded.

Most tenants' tokens are records in one NDJSON file a day. Those of ``ARCHIVED`` tenants lie as responses (RFC
3161) from the hour on from which there are logs: by tenant, or in one inbox with a file beside each that says
whose it is. As in life some digests are stamped twice, some requests are rejected, and one object is copied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import PurePosixPath

from simulator import rhythm, seeded, tsr
from simulator.company import TENANTS, Tenant
from simulator.cur import SimulatedFile
from simulator.rhythm import Rhythm

ROOT = PurePosixPath("tsa")
ARCHIVED = ("acme-corp", "pinecrest-clinics", "juniper-legal")
"""Tenants whose responses are kept as files."""
TSA_NAME = "Meridian Stamping TSA"

_INBOX = "juniper-legal"
_DOUBLES = {"lumen-retail": 24}
_FEW_DOUBLES = 3
_DAYS_HOURS = 24
_REVENUE_A_TOKEN = 1_000  # dollars of monthly revenue for a token a day
_ASSETS_A_DOLLAR = 3
_PER_CENT = 100
_REJECTED = "The request's hash algorithm is not supported."


@dataclass(frozen=True)
class Stamp:
    """One request and what became of it; ``number`` is its place in the tenant's day."""

    tenant: str
    at: datetime
    number: int
    digest: bytes
    is_rejected: bool
    with_mods: bool


def stamps(seed: int, origin: datetime, day: datetime) -> Iterator[Stamp]:
    """Every stamp of the day that begins with ``day``, by tenant."""
    for tenant in TENANTS:
        count = _count(seed, tenant, origin, day)
        places = rhythm.hours(Rhythm.BUSINESS, tenant.region)
        for number in range(count):
            yield _stamp(seed, tenant, day, number, places)


def hour_files(
    seed: int, origin: datetime, hour: datetime, *, archive_from: datetime | None
) -> tuple[SimulatedFile, ...]:
    """What is written in ``hour``: responses of the hour, at the day's end its records, each month the assets."""
    day = hour.replace(hour=0)
    found: list[SimulatedFile] = []
    if hour.day == 1 and hour.hour == 0:
        found.append(_assets_file(seed, origin, hour))
    is_archived = archive_from is not None and hour >= archive_from
    if not is_archived and hour.hour != _DAYS_HOURS - 1:
        return tuple(found)
    every = list(stamps(seed, origin, day))
    if is_archived:
        for stamp in every:
            if stamp.tenant in ARCHIVED and stamp.at.hour == hour.hour:
                found += _response_files(seed, stamp)
    if hour.hour == _DAYS_HOURS - 1:
        records = [
            stamp
            for stamp in every
            if not (
                stamp.tenant in ARCHIVED
                and archive_from is not None
                and stamp.at.replace(minute=0, second=0) >= archive_from
            )
        ]
        text = "".join(_line(seed, stamp) for stamp in sorted(records, key=lambda one: one.at))
        found.append(
            SimulatedFile(ROOT / "records" / f"tokens-{day:%Y-%m-%d}.ndjson", text.encode())
        )
    return tuple(found)


def _count(seed: int, tenant: Tenant, origin: datetime, day: datetime) -> int:
    factor = rhythm.weekdays(Rhythm.BUSINESS)[day.weekday()]
    noise = seeded.between(seed, "stamps", tenant.slug, f"{day:%Y%m%d}", low=85, high=115)
    growth = rhythm.growth((day - origin).days)
    size = int(tenant.revenue) * factor * noise * growth
    return size // (_REVENUE_A_TOKEN * 1000 * _PER_CENT * rhythm.GROWTH_BASE)


def _stamp(seed: int, tenant: Tenant, day: datetime, number: int, places: tuple[int, ...]) -> Stamp:
    name = ("stamp", tenant.slug, f"{day:%Y%m%d}", number)
    draw = seeded.day_noise(seed, *name)
    hour = _drawn(places, draw[0])
    at = day + timedelta(hours=hour, seconds=draw[1] * 3600 // 65536)
    doubles = _DOUBLES.get(tenant.slug, _FEW_DOUBLES)
    is_double = number > 0 and draw[2] % _PER_CENT < doubles
    subject = 0 if is_double else number
    digest = sha256(f"{seed}|{tenant.slug}|{day:%Y%m%d}|{subject}".encode()).digest()
    is_rejected = draw[3] % _PER_CENT == 0
    return Stamp(tenant.slug, at, number, digest, is_rejected, draw[4] % _PER_CENT < 2)


def _drawn(places: tuple[int, ...], draw: int) -> int:
    """The hour that ``draw`` (0 to 65535) falls into, hours being as likely as they are busy."""
    left = draw * sum(places) // 65536
    for hour, weight in enumerate(places):
        if left < weight:
            return hour
        left -= weight
    return len(places) - 1


def _serial(seed: int, stamp: Stamp) -> int:
    return int(
        seeded.digits(seed, "serial", stamp.tenant, f"{stamp.at:%Y%m%d}", stamp.number, length=18)
    )


def _line(seed: int, stamp: Stamp) -> str:
    status = "granted"
    if stamp.is_rejected:
        status = "rejection"
    elif stamp.with_mods:
        status = "grantedWithMods"
    name = ("response", stamp.tenant, f"{stamp.at:%Y%m%d}", stamp.number)
    record = {
        "sha256": seeded.hex_text(seed, *name, length=64),
        "at": f"{stamp.at:%Y-%m-%dT%H:%M:%SZ}",
        "status": status,
        "tenant": stamp.tenant,
        "hash_algorithm": "sha256",
        "digest": stamp.digest.hex(),
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


def _response_files(seed: int, stamp: Stamp) -> list[SimulatedFile]:
    serial = _serial(seed, stamp)
    token = tsr.Token(stamp.at, serial, stamp.digest, stamp.with_mods)
    content = tsr.rejected(_REJECTED) if stamp.is_rejected else tsr.granted(token, TSA_NAME)
    folder = "inbox" if stamp.tenant == _INBOX else stamp.tenant
    path = ROOT / "responses" / folder / f"{stamp.at:%Y-%m-%d}" / f"{serial}.tsr"
    found = [SimulatedFile(path, content)]
    if stamp.tenant == _INBOX:
        beside = json.dumps({"tenant": stamp.tenant, "at": stamp.at.isoformat()})
        found.append(SimulatedFile(path.with_name(f"{path.name}.json"), beside.encode()))
    elif not stamp.is_rejected and serial % 40 == 0:
        found.append(SimulatedFile(path.with_name(f"copy-of-{path.name}"), content))
    return found


def _assets_file(seed: int, origin: datetime, month: datetime) -> SimulatedFile:
    growth = rhythm.growth((month - origin).days)
    lines = []
    for tenant in TENANTS:
        drift = seeded.between(seed, "assets", tenant.slug, low=60, high=140)
        assets = int(tenant.revenue) * _ASSETS_A_DOLLAR * drift * growth
        record = {
            "tenant": tenant.slug,
            "day": f"{month:%Y-%m-%d}",
            "assets": assets // (_PER_CENT * rhythm.GROWTH_BASE),
        }
        lines.append(json.dumps(record, separators=(",", ":")) + "\n")
    name = f"assets-{month:%Y-%m}.ndjson"
    return SimulatedFile(ROOT / "records" / name, "".join(lines).encode())
