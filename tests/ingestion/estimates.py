"""A company whose files leave S3 through Cloudflare: its logs, its bills, and what the ledger says of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from allocation.models import LedgerDay
from finops.models import Tenant
from ingestion.core.list_prices import AWS_GB, HELD_FROM, READ_ON
from ingestion.core.meters import AWS
from ingestion.core.pricing import Price
from ingestion.origin_models import HostOrigin
from ingestion.price_services import add_price
from ingestion.services import ingest
from tests.cur_export import Export, line
from tests.log_objects import request, take, write

NOW = datetime(2026, 4, 21, 1, 20, tzinfo=UTC)
MIDNIGHT = datetime(2026, 4, 20, tzinfo=UTC)
ACCOUNT = "444455556666"
HOST = "acme.assets.example.com"
GB = AWS_GB


def a_company(*slugs: str) -> None:
    """Tenants, and the origin of all hosts in S3; a gigabyte that leaves it costs 0.09 USD, from the first on."""
    for slug in slugs or ("acme",):
        Tenant.objects.create(slug=slug, name=slug, first_seen=NOW)
    HostOrigin.objects.create(
        pattern="*.example.com", kind="aws", account=ACCOUNT, region_id="us-east-1"
    )
    contract("0.09")


def contract(unit_price: str, **changed: object) -> None:
    """A price of egress for the account, from whichever payer its bill comes."""
    about: dict[str, object] = {
        "provider": AWS,
        "meter": "egress_bytes",
        "account": ACCOUNT,
        "unit": "GB",
        "unit_size": GB,
        "unit_price": Decimal(unit_price),
        "valid_from": HELD_FROM,
        "source": "contract",
        "source_read_on": READ_ON,
    }
    add_price(price=Price(**{**about, **changed}), reason="signed", by=None)  # type: ignore[arg-type]


def logs(folder: Path, gigabytes: dict[int, int], *, host: str = HOST, first: int = 0) -> Path:
    """One object with one request for each hour since ``MIDNIGHT`` that missed the cache, and what closes them."""
    lines = [
        request(
            first + hour,
            EdgeStartTimestamp=_text(MIDNIGHT + timedelta(hours=hour, minutes=5)),
            ClientRequestHost=host,
            CacheCacheStatus="miss",
            OriginResponseStatus=200,
            CacheResponseBytes=size * GB,
            EdgeResponseBytes=size * GB,
        )
        for hour, size in gigabytes.items()
    ]
    end = MIDNIGHT + timedelta(hours=max(gigabytes) + 1, minutes=15)
    lines.append(
        request(
            first + 900,
            EdgeStartTimestamp=_text(end),
            ClientRequestHost=host,
            EdgeResponseBytes=0,
            CacheResponseBytes=0,
        )
    )
    write(folder, f"20260420/20260420T000000Z_20260421T000000Z_{first:08x}.log.gz", *lines)
    take(folder)
    return folder


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def bill(
    folder: Path, gigabytes: dict[int, int], *, run: int = 1, rate: str = "0.09", servers: int = 0
) -> None:
    """A bill of April with egress by hour since ``MIDNIGHT``; ``servers`` is the hour of a server's last line."""
    rows = [
        line(
            str(Decimal(rate) * size),
            day=20 + hour // 24,
            hour=hour % 24,
            tenant="acme",
            line_item_usage_type="DataTransfer-Out-Bytes",
            line_item_product_code="AmazonS3",
            line_item_usage_amount=str(size),
            pricing_unit="GB",
        )
        for hour, size in gigabytes.items()
    ]
    if servers:
        rows.append(line("1.00", day=20, hour=servers, tenant="acme"))
    moment = datetime(2026, 4, 21, run, tzinfo=UTC)
    mark = f"{moment:%Y-%m-%dT%H:%M:%S.653Z}-04e9e487-79a7-42b1-a680-1de7c660d{run:03d}"
    Export(rows, execution=mark).write(folder)
    ingest(kind="aws_cur", location=folder)


def ledger(kinds: Iterable[str] = ("billed", "estimated", "true-up")) -> dict[str, Decimal]:
    """Effective cost of the ledger by kind, without the bill's servers."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in LedgerDay.objects.exclude(service_category="Compute"):
        if row.kind in kinds:
            sums[row.kind] += row.effective_cost
    return dict(sums)
