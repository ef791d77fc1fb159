"""Which price holds: reads of the price list."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from finops.models import Tenant
from finops.selectors import effective_setting
from ingestion.core.list_prices import edge_price
from ingestion.core.meters import CLOUDFLARE, TSA
from ingestion.core.price_rules import contract_or_list, parse_tiers, tiers_text
from ingestion.core.pricing import Price, Rounding
from ingestion.core.tsa_contract import METER
from ingestion.price_models import PriceListEntry
from ingestion.tsa_contracts import contract_price


def price_at(provider: str, meter: str, account: str, day: date) -> Price | None:
    """The price of ``meter`` for ``account`` on ``day``: its contract price, else the list price.

    ``None`` where neither holds on that day. A contract with a TSA (``TsaContract``) is a contract price.
    """
    if meter == METER and provider == TSA and (agreed := contract_price(account, day)):
        return agreed
    rows = _holding(day).filter(provider=provider, meter=meter, account__in={"", account})
    return contract_or_list([price_of(row) for row in rows], account)


def price_list(day: date, account: str = "") -> list[Price]:
    """Every price that holds on ``day`` for ``account``, one a meter, by provider and meter.

    Without an account: the list prices.
    """
    by_meter: dict[tuple[str, str], list[Price]] = defaultdict(list)
    for row in _holding(day).filter(account__in={"", account}):
        by_meter[row.provider, row.meter].append(price_of(row))
    if agreed := contract_price(account, day):
        by_meter[TSA, METER] = [agreed]
    found = (contract_or_list(prices, account) for _meter, prices in sorted(by_meter.items()))
    return [price for price in found if price is not None]


def edge_price_at(account: str, day: date, tenant: Tenant | None = None) -> Price:
    """What bytes to eyeballs cost: as the account's contract or a list price says, else as the setting does.

    The setting is ``PRICING_EDGE_BYTES_PER_GB``, for ``tenant`` where one is given; by default 0.
    """
    listed = price_at(CLOUDFLARE, "edge_bytes", account, day)
    return listed or edge_price(effective_setting("PRICING_EDGE_BYTES_PER_GB", tenant).value, day)


def versions_of(entry: PriceListEntry) -> QuerySet[PriceListEntry]:
    """Every version of the same meter and account, newest first."""
    return (
        PriceListEntry.objects.filter(
            provider=entry.provider, meter=entry.meter, account=entry.account
        )
        .select_related("changed_by")
        .order_by("-id")
    )


def price_of(row: PriceListEntry) -> Price:
    """The row in pure form."""
    return Price(
        provider=row.provider,
        meter=row.meter,
        account=row.account,
        currency=row.currency,
        unit=row.unit,
        unit_size=row.unit_size,
        unit_price=Decimal(row.unit_price),
        tiers=parse_tiers(row.tiers),
        included=Decimal(row.included_quantity),
        rounding=Rounding(row.rounding),
        monthly_fee=Decimal(row.monthly_fee),
        minimum_charge=Decimal(row.minimum_charge),
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        source=row.source,
        source_read_on=row.source_read_on,
        note=row.note,
        version=row.pk or 0,
    )


def columns_of(price: Price) -> dict[str, Any]:
    """The inverse of ``price_of``: column → value, without the id."""
    return {
        "provider": price.provider,
        "meter": price.meter,
        "account": price.account,
        "currency": price.currency,
        "unit": price.unit,
        "unit_size": price.unit_size,
        "unit_price": price.unit_price,
        "tiers": tiers_text(price.tiers),
        "included_quantity": price.included,
        "rounding": price.rounding.value,
        "monthly_fee": price.monthly_fee,
        "minimum_charge": price.minimum_charge,
        "valid_from": price.valid_from,
        "valid_until": price.valid_until,
        "source": price.source,
        "source_read_on": price.source_read_on,
        "note": price.note,
    }


def _holding(day: date) -> QuerySet[PriceListEntry]:
    return PriceListEntry.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=day), valid_from__lte=day
    )
