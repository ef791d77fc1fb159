"""Vendors' public list prices, as they were read on a day. Pure data.

Those of Cloudflare are from Cloudflare's own pages. Those of AWS and of time stamps are second-hand: ``source``
names what was read, not the vendor's page, and says so; check them against your own account.
They begin with 2026, the year in which they were read: an earlier month needs an entry of its own.
CloudFront is not here, because no page confirmed its prices; bytes from the edge cost what the contract or
``PRICING_EDGE_BYTES_PER_GB`` says. A gigabyte has 10^9 bytes at Cloudflare and 2^30 at AWS.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from ingestion.core.meters import AWS, CLOUDFLARE, METERS, TSA
from ingestion.core.pricing import Price, Rounding, Tier

HELD_FROM = date(2026, 1, 1)
READ_ON = date(2026, 11, 25)

MILLION = 10**6
CLOUDFLARE_GB = 10**9
AWS_GB = 2**30
CPU_MS_IN_US = 10**3

_DOCS = "https://developers.cloudflare.com"
_WORKERS = f"{_DOCS}/workers/platform/pricing/"
_R2 = f"{_DOCS}/r2/pricing/"
_LOGPUSH = f"{_DOCS}/logs/logpush/pricing/"
_AWS = "Second-hand, not AWS's own page: leanopstech 2026-04, wring.co 2026-03, egresscost.com"
_TSA = "Second-hand, not the vendor's own list: stampr.eu"
_REGION = (
    "Read second-hand, depends on the region: compare with aws.amazon.com before you rely on it."
)


def _cloudflare(
    meter: str,
    unit: str,
    unit_size: int,
    unit_price: str,
    source: str,
    *,
    included: int = 0,
    monthly_fee: str = "0",
    rounding: Rounding = Rounding.EXACT,
    note: str = "",
) -> Price:
    return Price(
        provider=CLOUDFLARE,
        meter=meter,
        unit=unit,
        unit_size=unit_size,
        unit_price=Decimal(unit_price),
        included=Decimal(included),
        monthly_fee=Decimal(monthly_fee),
        rounding=rounding,
        valid_from=HELD_FROM,
        source=source,
        source_read_on=READ_ON,
        note=note,
    )


def _r2(meter: str, unit: str, unit_size: int, unit_price: str, included: int = 0) -> Price:
    return _cloudflare(
        meter, unit, unit_size, unit_price, _R2, included=included, rounding=Rounding.UP
    )


def _aws(
    meter: str,
    unit: str,
    unit_size: int,
    unit_price: str,
    *,
    included: int = 0,
    tiers: tuple[Tier, ...] = (),
    note: str = _REGION,
) -> Price:
    return Price(
        provider=AWS,
        meter=meter,
        unit=unit,
        unit_size=unit_size,
        unit_price=Decimal(unit_price),
        included=Decimal(included),
        tiers=tiers,
        valid_from=HELD_FROM,
        source=_AWS,
        source_read_on=READ_ON,
        note=note,
    )


_OPERATIONS = "million operations"

LIST_PRICES: tuple[Price, ...] = (
    _cloudflare(
        "workers_plan",
        "account",
        1,
        "0",
        _WORKERS,
        monthly_fee="5",
        note="Due for each account of the plan, whatever it uses; what requests and CPU time include is part "
        "of it.",
    ),
    _cloudflare("worker_requests", "million requests", MILLION, "0.30", _WORKERS, included=10),
    _cloudflare(
        "worker_cpu_us",
        "million CPU ms",
        MILLION * CPU_MS_IN_US,
        "0.02",
        _WORKERS,
        included=30,
    ),
    _cloudflare("worker_trace_events", "million requests", MILLION, "0.05", _WORKERS, included=10),
    _r2("r2_stored_bytes", "GB-month", CLOUDFLARE_GB, "0.015", included=10),
    _r2("r2_class_a", _OPERATIONS, MILLION, "4.50", included=1),
    _r2("r2_class_b", _OPERATIONS, MILLION, "0.36", included=10),
    _r2("r2_ia_stored_bytes", "GB-month", CLOUDFLARE_GB, "0.01"),
    _r2("r2_ia_class_a", _OPERATIONS, MILLION, "9.00"),
    _r2("r2_ia_class_b", _OPERATIONS, MILLION, "0.90"),
    _r2("r2_ia_retrieved_bytes", "GB", CLOUDFLARE_GB, "0.01"),
    _cloudflare("r2_egress_bytes", "GB", CLOUDFLARE_GB, "0", _R2),
    _cloudflare("logpush_internal_bytes", "GB", CLOUDFLARE_GB, "0.03", _LOGPUSH, included=25),
    _cloudflare("logpush_external_bytes", "GB", CLOUDFLARE_GB, "0.10", _LOGPUSH, included=25),
    _cloudflare("logpush_transformed_bytes", "GB", CLOUDFLARE_GB, "0.04", _LOGPUSH, included=1),
    _aws(
        "egress_bytes",
        "GB",
        AWS_GB,
        "0.09",
        included=100,
        tiers=(
            Tier(Decimal(10240), Decimal("0.085")),
            Tier(Decimal(51200), Decimal("0.07")),
            Tier(Decimal(153600), Decimal("0.05")),
        ),
        note=f"{_REGION} The 100 GB are shared by all services; tiers count beyond them, 1 TB is 1024 GB.",
    ),
    _aws("inter_az_bytes", "GB", AWS_GB, "0.01", note=f"{_REGION} Charged each way."),
    _aws("nat_bytes", "GB", AWS_GB, "0.045"),
    _aws("nat_hours", "hour", 1, "0.045"),
    Price(
        provider=TSA,
        meter="tsa_tokens",
        unit="token",
        unit_size=1,
        unit_price=Decimal("2.50"),
        currency="EUR",
        valid_from=HELD_FROM,
        source=_TSA,
        source_read_on=READ_ON,
        note="One vendor's retail price of a qualified stamp, read second-hand. Bulk prices are in contracts: "
        "add yours.",
    ),
)


def edge_price(usd_per_gb: Decimal, valid_from: date) -> Price:
    """The price of bytes sent to eyeballs where no contract prices them: a setting, by default 0."""
    return Price(
        provider=METERS["edge_bytes"].provider,
        meter="edge_bytes",
        unit="GB",
        unit_size=CLOUDFLARE_GB,
        unit_price=usd_per_gb,
        valid_from=valid_from,
        source="PRICING_EDGE_BYTES_PER_GB",
    )
