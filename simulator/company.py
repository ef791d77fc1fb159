"""The simulated company: its AWS accounts, its 24 tenants and the platform they share. A table.

Money is US dollars a month at the first simulated month; sizes follow a Pareto curve. The names and
the numbers are invented; nothing here depends on the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from simulator.rhythm import EU, US

COMPANY = "Meridian Cloud"
LEGAL_ENTITY = "Amazon Web Services, Inc."
CURRENCY = "USD"
BUCKET = "finops-billing"
EXPORT = "saas-hourly"


class Tagging(StrEnum):
    """How well a resource tells whose it is."""

    CORRECT = "correct"
    MISSING = "missing"
    MISSPELT_KEY = "misspelt_key"
    MISSPELT_VALUE = "misspelt_value"
    PLATFORM = "platform"  # shared by all tenants: no tenant tag would be true


class Billing(StrEnum):
    """How a tenant pays."""

    MONTHLY = "monthly"
    METERED = "metered"  # monthly, a little more or less with use
    ANNUAL = "annual"  # twelve months ahead


PAYER, PLATFORM = "management", "platform"
SHARED = ("shared-1", "shared-2", "shared-3")

ACCOUNT_NAMES: dict[str, str] = {
    PAYER: "Meridian Management",
    PLATFORM: "Meridian Platform",
    "shared-1": "Meridian Tenants 1",
    "shared-2": "Meridian Tenants 2",
    "shared-3": "Meridian Tenants 3",
    "northwind-labs": "Meridian Northwind Labs",
    "acme-corp": "Meridian Acme Corp",
    "clipstream-media": "Meridian Clipstream Media",
    "pinecrest-clinics": "Meridian Pinecrest Clinics",
}
"""Account key to the name on the bill: four tenants have an account each, three are shared."""

# What a tenant's AWS cost is made of, in per cent.
WEB = {"app": 52, "db": 27, "egress": 9, "files": 9, "fn": 3}
API = {"fn": 26, "db": 34, "app": 28, "egress": 7, "files": 5}
DATA = {"app": 40, "db": 30, "files": 25, "egress": 5}
SMALL = {"app": 68, "db": 20, "files": 12}
EGRESS = {"app": 22, "db": 10, "egress": 58, "files": 10}
MEDIA = {"cdn": 62, "files": 20, "app": 14, "db": 4}


@dataclass(frozen=True)
class Tenant:
    """One customer. ``revenue`` is USD a month; ``cost_share`` its AWS cost in per cent of that.

    ``account`` is a key of ``ACCOUNT_NAMES``.
    """

    slug: str
    revenue: Decimal
    billing: Billing
    account: str
    region: str
    product: str
    mix: dict[str, int]
    cost_share: int


_USD = Decimal
_M, _U, _A = Billing.MONTHLY, Billing.METERED, Billing.ANNUAL

# fmt: off
TENANTS: tuple[Tenant, ...] = (
    Tenant("northwind-labs",     _USD(52000),  _M, "northwind-labs",    US, "analytics", WEB,     12),
    Tenant("acme-corp",          _USD(38000),  _A, "acme-corp",         EU, "analytics", API,     13),
    Tenant("harborline-freight", _USD(30000),  _U, "shared-1",          US, "tracking",  DATA,    14),
    Tenant("clipstream-media",   _USD(24000),  _M, "clipstream-media",  US, "media",     MEDIA,   44),
    Tenant("bluepeak-energy",    _USD(20000),  _M, "shared-1",          EU, "analytics", WEB,     13),
    Tenant("pinecrest-clinics",  _USD(17000),  _A, "pinecrest-clinics", US, "records",   DATA,    15),
    Tenant("kestrel-payments",   _USD(15000),  _U, "shared-2",          EU, "payments",  API,     15),
    Tenant("juniper-legal",      _USD(13000),  _M, "shared-2",          US, "records",   WEB,     12),
    Tenant("pixelforge-studio",  _USD(12000),  _U, "shared-1",          US, "media",     EGRESS,  56),
    Tenant("lumen-retail",       _USD(10500),  _U, "shared-3",          EU, "payments",  API,     14),
    Tenant("orchard-hr",         _USD(9500),   _M, "shared-2",          EU, "records",   WEB,     13),
    Tenant("maplewood-schools",  _USD(8500),   _A, "shared-3",          US, "records",   WEB,     15),
    Tenant("quartz-insurance",   _USD(7500),   _M, "shared-2",          US, "analytics", DATA,    14),
    Tenant("terramap-geo",       _USD(6800),   _U, "shared-3",          EU, "tracking",  EGRESS,  50),
    Tenant("riverbend-travel",   _USD(6000),   _U, "shared-3",          EU, "payments",  API,     15),
    Tenant("saffron-foods",      _USD(5200),   _M, "shared-1",          US, "tracking",  SMALL,   13),
    Tenant("tidewater-marine",   _USD(4600),   _M, "shared-2",          US, "tracking",  DATA,    16),
    Tenant("umbra-security",     _USD(4000),   _M, "shared-3",          EU, "analytics", API,     15),
    Tenant("verdant-farms",      _USD(3400),   _U, "shared-1",          US, "tracking",  SMALL,   14),
    Tenant("willow-books",       _USD(3000),   _M, "shared-2",          EU, "payments",  SMALL,   13),
    Tenant("streamnest-video",   _USD(2500),   _U, "shared-3",          US, "media",     MEDIA,  118),
    Tenant("zephyr-air",         _USD(2000),   _M, "shared-1",          EU, "tracking",  SMALL,   15),
    Tenant("copperline-crafts",  _USD(1600),   _M, "shared-2",          US, "payments",  SMALL,   16),
    Tenant("tinyseed-garden",    _USD(1200),   _M, "shared-3",          EU, "payments",  SMALL,   18),
)
# fmt: on
"""Biggest first. The thin ones: clipstream, pixelforge, terramap and streamnest."""

_MISSING, _KEY, _VALUE = Tagging.MISSING, Tagging.MISSPELT_KEY, Tagging.MISSPELT_VALUE

GAPS: dict[str, dict[str, Tagging]] = {
    "northwind-labs": {"app-2": _MISSING, "db": _MISSING},
    "acme-corp": {"fn": _KEY, "files": _KEY},
    "harborline-freight": {"app-2": _MISSING, "db": _MISSING, "files": _MISSING},
    "bluepeak-energy": {"db": _KEY},
    "pinecrest-clinics": {"app-1": _MISSING, "db": _MISSING},
    "kestrel-payments": {"db": _MISSING},
    "juniper-legal": {"app-1": _MISSING},
    "pixelforge-studio": {"db": _MISSING},
    "lumen-retail": {"fn": _KEY},
    "maplewood-schools": {"app-1": _KEY},
    "quartz-insurance": {"app-1": _MISSING},
    "riverbend-travel": {"db": _MISSING},
    "saffron-foods": {"files": _VALUE},
    "tidewater-marine": {"app-1": _MISSING},
    "willow-books": {"app-1": _KEY},
    "copperline-crafts": {"db": _VALUE},
    "tinyseed-garden": {"app-1": _MISSING},
}
"""The resources, by tenant and role (``app-1``, ``db``, ``files``, ``fn``, ``cdn``), whose tags do not
tell the tenant, and why; all others are tagged right. Egress is billed on ``app-1``."""

MISSPELT_VALUES = {"saffron-foods": "safron-foods", "copperline-crafts": "coperline-crafts"}
"""Tenant to the wrong value that somebody typed."""

NOTES: dict[str, dict[str, str]] = {
    "northwind-labs": {"app-1": 'say "hello", then wait'},
    "acme-corp": {"db": "C:\\exports\\daily, old"},
    "clipstream-media": {"cdn": "🚀 launch; café"},
    "orchard-hr": {"app-1": "=SUM(A1:A9)"},
    "verdant-farms": {"files": "don't,\ttouch"},
}
"""A harmless tag with awkward characters, by tenant and role: what people type, a reader must bear."""


@dataclass(frozen=True)
class Shared:
    """One platform resource. ``monthly`` is USD by kind of meter; a fixed meter needs none."""

    name: str
    kind: str
    region: str
    monthly: Decimal
    tags: tuple[tuple[str, str], ...]


_PROD = (("Environment", "production"), ("Team", "platform"))
_ONLY_TEAM = (("Team", "platform"),)

# fmt: off
PLATFORM_RESOURCES: tuple[Shared, ...] = (
    Shared("core-us",      "cluster",  US, Decimal(0),    _PROD),
    Shared("core-eu",      "cluster",  EU, Decimal(0),    _PROD),
    Shared("nodes-us-1",   "node",     US, Decimal(1150), _PROD),
    Shared("nodes-us-2",   "node",     US, Decimal(1150), _PROD),
    Shared("nodes-eu-1",   "node",     EU, Decimal(1100), ()),
    Shared("nat-us",       "nat",      US, Decimal(3100), ()),
    Shared("nat-eu",       "nat",      EU, Decimal(1700), ()),
    Shared("logs-us",      "logs",     US, Decimal(2600), _ONLY_TEAM),
    Shared("logs-eu",      "logs",     EU, Decimal(1400), _ONLY_TEAM),
    Shared("edge-us",      "balancer", US, Decimal(620),  _PROD),
    Shared("edge-eu",      "balancer", EU, Decimal(430),  _PROD),
    Shared("audit-trail",  "bucket",   US, Decimal(540),  (("Environment", "production"), ("Team", "security"))),
)
# fmt: on
"""What all tenants share: never a tenant tag."""

SUPPORT_FEE = Decimal("1900.00")
"""AWS Business support, USD a month, a flat fee on the first day."""

PLAN_COMMITMENT = Decimal("3.20")
PLAN_PER_CENT = 72
"""A Compute Savings Plan, no upfront: USD an hour, and what covered usage takes of it per 100 USD."""

TAX_PER_MILLE = 32
"""Sales tax on each product's net cost, settled when the month is closed."""

CREDIT_DAYS = 10
CREDIT_PER_CENT = 45
CREDITED_METERS = 3
"""A promotional credit: part of the cost of the biggest servers on the first days of a month."""

REFUND = Decimal("412.37")
REFUND_TENANT = "acme-corp"
REFUND_DAY = 12
"""A service credit for a database outage, in USD, in the second simulated month."""
