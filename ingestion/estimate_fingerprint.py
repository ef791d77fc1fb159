"""What estimates are made of, as one short text: cheap to ask for, so that it can be asked every minute."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from django.db.models import Count, Max

from finops.models import SettingOverride, Tenant
from ingestion.metered_registry import metered
from ingestion.origin_models import HostOrigin, UsageOwner
from ingestion.price_models import PriceListEntry
from ingestion.selectors import current_bills


@runtime_checkable
class Marked(Protocol):
    """A source of metered quantities that can tell whether they changed without reading them."""

    def mark(self) -> str:
        """A text that differs once quantities or their completeness may differ."""


def fingerprint(now: datetime) -> str:
    """Differs once usage, prices, bills, origins, owners or tenants differ, and in another month.

    A source that bears no mark counts as changed every ten minutes.
    """
    moment = now.astimezone(UTC)
    passed = moment.replace(minute=moment.minute // 10 * 10, second=0, microsecond=0).isoformat()
    parts: list[object] = [
        f"{moment:%Y-%m}",
        [
            (name, source.mark() if isinstance(source, Marked) else passed)
            for name, source in sorted(metered().items())
        ],
        PriceListEntry.objects.aggregate(
            rows=Count("pk"), newest=Max("changed_at"), ended=Count("valid_until")
        ),
        list(
            SettingOverride.objects.filter(name__startswith="PRICING_")
            .order_by("pk")
            .values_list("name", "tenant", "value")
        ),
        sorted(map(str, current_bills().order_by().values_list("pk", flat=True))),
        list(HostOrigin.objects.order_by("pk").values_list()),
        list(UsageOwner.objects.order_by("pk").values_list("kind", "name", "tenant", "confidence")),
        Tenant.objects.aggregate(rows=Count("pk"), newest=Max("pk")),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()
