"""An hour of Logpush objects for benchmarks: lines as wide as real ones, keys that repeat as real ones do."""

from __future__ import annotations

import random
import zlib
from datetime import UTC, datetime
from pathlib import Path

LINES_A_FILE = 80_000
_START = datetime(2026, 10, 20, 10, tzinfo=UTC)
_HOSTS, _PREFIXES_A_HOST = 200, 8
_STATUSES = (
    *("hit",) * 70,
    *("miss",) * 12,
    *("dynamic",) * 8,
    *("expired",) * 4,
    *("bypass",) * 3,
    *("unknown",) * 2,
    "revalidated",
)
_FROM_ORIGIN = {"miss", "dynamic", "expired", "bypass"}


def generate(folder: Path, lines: int) -> int:
    """Write ``lines`` of one hour as gzip objects below ``folder``; the bytes of its files."""
    chance = random.Random(5)
    folder.mkdir(parents=True, exist_ok=True)
    made = size = number = 0
    while made < lines:
        count = min(LINES_A_FILE, lines - made)
        text = "".join(_line(chance, made + place, lines) for place in range(count))
        packed = zlib.compressobj(6, zlib.DEFLATED, 31)
        path = folder / f"{number:05d}.log.gz"
        path.write_bytes(packed.compress(text.encode()) + packed.flush())
        size += path.stat().st_size
        made += count
        number += 1
    return size


def _line(chance: random.Random, number: int, lines: int) -> str:
    second = int(_START.timestamp()) + 3600 * number // lines
    at = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # Few hosts have most of the requests.
    host = f"tenant-{int(_HOSTS * chance.random() ** 2)}.assets.example.com"
    status = chance.choice(_STATUSES)
    size = chance.randrange(500, 900_000)
    path = f"/assets/kind-{chance.randrange(_PREFIXES_A_HOST)}/{chance.getrandbits(32):08x}.js"
    script = "resize" if chance.random() < 0.1 else ""
    return (
        f'{{"CacheCacheStatus":"{status}","CacheReserveUsed":false,"CacheResponseBytes":{size - 300},'
        f'"CacheResponseStatus":200,"CacheTieredFill":false,"ClientASN":{chance.randrange(60_000)},'
        f'"ClientCountry":"us","ClientDeviceType":"desktop","ClientIP":"192.0.2.{number % 256}",'
        f'"ClientIPClass":"noRecord","ClientRequestBytes":{chance.randrange(3_000)},'
        f'"ClientRequestHost":"{host}","ClientRequestMethod":"GET","ClientRequestPath":"{path}",'
        f'"ClientRequestProtocol":"HTTP/2","ClientRequestReferer":"https://{host}/",'
        f'"ClientRequestScheme":"https","ClientRequestSource":"eyeball",'
        f'"ClientRequestURI":"{path}?v={chance.randrange(999)}",'
        f'"ClientRequestUserAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36",'
        f'"ClientSSLProtocol":"TLSv1.3","ClientSrcPort":{chance.randrange(65_000)},"EdgeColoCode":"ORD",'
        f'"EdgeColoID":398,"EdgeEndTimestamp":"{at}","EdgeResponseBodyBytes":{size - 300},'
        f'"EdgeResponseBytes":{size},"EdgeResponseContentType":"text/html","EdgeResponseStatus":200,'
        f'"EdgeServerIP":"198.51.100.84","EdgeStartTimestamp":"{at}","EdgeTimeToFirstByteMs":28,'
        f'"OriginIP":"","OriginResponseBytes":0,"OriginResponseStatus":{200 * (status in _FROM_ORIGIN)},'
        f'"ParentRayID":"00","RayID":"{chance.getrandbits(64):016x}","SecurityLevel":"med",'
        f'"WAFAction":"unknown","WorkerCPUTime":{1200 if script else 0},"WorkerScriptName":"{script}",'
        f'"WorkerStatus":"unknown","WorkerSubrequest":false,"WorkerSubrequestCount":{int(bool(script))},'
        f'"WorkerWallTimeUs":{5000 if script else 0},"ZoneName":"example.com"}}\n'
    )
