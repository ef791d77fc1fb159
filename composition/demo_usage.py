"""What the demo's people have told about their usage: origins of hosts, a contract, how logs are sampled."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from ingestion.core.meters import AWS
from ingestion.core.pricing import Price
from ingestion.models import Connection
from ingestion.origin_models import HostOrigin
from ingestion.price_models import PriceListEntry
from ingestion.price_services import add_price
from ingestion.usage_models import LogpushSettings
from simulator import company, logpush, resources

_GB = 2**30


def ensure_origins(seed: int) -> None:
    """Origins of the tenants' hosts, and the payer's contract for what leaves AWS. Safe to repeat.

    The smallest tenant's host is left out: nobody described it yet, as happens.
    """
    world = resources.build(seed)
    sold_by_aws = {meter.resource.tenant for meter in world.meters if meter.sku in logpush.SENT}
    for tenant in company.TENANTS[:-1]:
        is_aws = tenant.slug in sold_by_aws
        HostOrigin.objects.get_or_create(
            pattern=logpush.host_of(tenant),
            defaults={
                "kind": "aws" if is_aws else "r2",
                "account": world.account_id(tenant.account) if is_aws else "",
                "region_id": tenant.region if is_aws else "",
            },
        )
    payer = world.account_id(company.PAYER)
    about = {"provider": AWS, "meter": "egress_bytes", "account": payer}
    if not PriceListEntry.objects.filter(**about).exists():
        price = Price(
            provider=AWS,
            meter="egress_bytes",
            account=payer,
            unit="GB",
            unit_size=_GB,
            unit_price=Decimal("0.09"),
            valid_from=date(2026, 1, 1),
            source="Private pricing of the demo's company",
            source_read_on=date(2026, 1, 1),
        )
        add_price(price=price, reason="One price a gigabyte, from the first on.", by=None)


def ensure_sampling(connection: Connection) -> None:
    """Tell the reader that the job logs one request of many."""
    rate = Decimal(1) / logpush.SAMPLED
    LogpushSettings.objects.get_or_create(connection=connection, defaults={"sample_rate": rate})
