"""Time-stamp responses for tests: small, readable, and the sums that must come of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from ingestion.core.tsa import TokenRecord
from ingestion.models import Source
from ingestion.tsa_models import TsaDay, TsaHour
from ingestion.tsa_services import count_tokens, tsa_source
from simulator.tsr import Token, granted, rejected

NOW = datetime(2026, 4, 30, 12, tzinfo=UTC)
DATA = Path(__file__).parents[1] / "data" / "tsa"


def record(number: int, **changed: Any) -> TokenRecord:
    """A token of Acme, a minute later for each number."""
    fields = {
        "identity": sha256(str(number).encode()).digest(),
        "at": datetime(2026, 4, 28, 8, tzinfo=UTC) + timedelta(minutes=number),
        "tenant": "acme",
        **changed,
    }
    return TokenRecord(**fields)


def source(name: str = "robot") -> Source:
    return tsa_source(sender=name, now=NOW)


def take(*records: TokenRecord, **more: Any):
    return count_tokens(
        source=more.pop("source", None) or source(), records=records, now=NOW, **more
    )


def sums(model: type[TsaHour] | type[TsaDay] = TsaDay) -> dict[str, tuple[int, int, int]]:
    """Tenant → tokens, rejections, duplicates."""
    found: dict[str, tuple[int, int, int]] = {}
    for row in model.objects.all():
        known = found.get(row.tenant, (0, 0, 0))
        counts = (row.tokens, row.rejections, row.duplicates)
        found[row.tenant] = tuple(a + b for a, b in zip(known, counts, strict=True))  # type: ignore[assignment]
    return {slug: counts for slug, counts in found.items() if any(counts)}


def response(number: int, *, at: datetime | None = None, digest: bytes | None = None) -> bytes:
    moment = at or datetime(2026, 4, 28, 8, tzinfo=UTC) + timedelta(minutes=number)
    return granted(Token(moment, number, digest or sha256(b"d%d" % number).digest()), "Test TSA")


def write(folder: Path, key: str, content: bytes | str | dict[str, Any]) -> Path:
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


__all__ = ["DATA", "NOW", "record", "rejected", "response", "source", "sums", "take", "write"]
