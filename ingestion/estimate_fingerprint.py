"""What each month's estimate is made of, as a short text: cheap to ask for, so that it can be asked every minute."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db.models import Count, Max

from finops.core.focus import CostKind
from finops.core.periods import add_months, month_start
from finops.models import SettingOverride, Tenant
from ingestion.bill_meters import invoiced_spans
from ingestion.core.meters import AWS
from ingestion.estimate_fees import Standing, standing_fees
from ingestion.estimate_models import EstimatedMonth
from ingestion.metered_registry import metered
from ingestion.models import Load
from ingestion.origin_models import HostOrigin, UsageOwner
from ingestion.price_models import PriceListEntry
from ingestion.selectors import current_bills


@dataclass(frozen=True)
class MadeOf:
    """By month the text of what its estimate is made of; the fees that stand without use; each source's first
    month with usage."""

    texts: Mapping[date, str]
    fees: Standing
    first_months: Mapping[str, date | None]


def made_of(now: datetime) -> MadeOf:
    """Every month up to now that has usage, a fee or an estimate.

    A month's text differs once its usage, its bills, what the month before says of its weekdays, prices, origins,
    owners or tenants differ.
    """
    today = now.astimezone(UTC).date()
    this = month_start(today)
    marks = {name: source.marks() for name, source in sorted(metered().items())}
    bills: dict[date, list[str]] = defaultdict(list)
    for pk, month in current_bills().order_by().values_list("pk", "billing_period"):
        bills[month].append(str(pk))
    estimated = Load.objects.filter(
        state=Load.State.CURRENT, kind=CostKind.ESTIMATED.value, lines__gt=0
    ).values_list("billing_period", flat=True)
    used = {month for source in marks.values() for month in source}
    first = min({*used, *bills}, default=this)
    fees = standing_fees(first, this)
    invoiced = invoiced_spans()
    everywhere = _everywhere()
    texts: dict[date, str] = {}
    for month in sorted({*used, *fees, *estimated}):
        if month > this:
            continue
        before = add_months(month, -1)
        parts: list[object] = [
            everywhere,
            [[source.get(before), source.get(month)] for source in marks.values()],
            [sorted(bills.get(one, [])) for one in (before, month)],
            [sorted(invoiced.get(one, [])) for one in (before, month)],
            [fees[month], min(today, add_months(month, 1))] if month in fees else None,
        ]
        texts[month] = hashlib.sha256(repr(parts).encode()).hexdigest()
    return MadeOf(texts, fees, {name: min(source, default=None) for name, source in marks.items()})


def stale_months(texts: Mapping[date, str]) -> list[date]:
    """The months whose estimate is made of something else by now, or is not the one that was written last.

    The latter tells a month that two workers wrote, of whom the one with the older usage came last.
    """
    current: dict[date, dict[str, str]] = defaultdict(dict)
    loads = Load.objects.filter(state=Load.State.CURRENT, kind=CostKind.ESTIMATED.value)
    for month, source, digest in loads.order_by().values_list(
        "billing_period", "source__slug", "delivery__sha256"
    ):
        current[month][source] = digest
    known = {row.month: row for row in EstimatedMonth.objects.all()}
    return [
        month
        for month, text in sorted(texts.items())
        if (row := known.get(month)) is None
        or row.fingerprint != text
        or row.written != current.get(month, {})
    ]


def _everywhere() -> list[object]:
    """What may change any month's estimate: prices, who bears it, and whose accounts share a price."""
    payers = current_bills().filter(source__service_provider_name=AWS)
    return [
        PriceListEntry.objects.aggregate(
            rows=Count("pk"), newest=Max("changed_at"), ended=Count("valid_until")
        ),
        list(
            SettingOverride.objects.filter(name__startswith="PRICING_")
            .order_by("pk")
            .values_list("name", "tenant", "value")
        ),
        sorted({tuple(accounts) for accounts in payers.values_list("billing_accounts", flat=True)}),
        list(HostOrigin.objects.order_by("pk").values_list()),
        list(UsageOwner.objects.order_by("pk").values_list("kind", "name", "tenant", "confidence")),
        Tenant.objects.aggregate(rows=Count("pk"), newest=Max("pk")),
    ]
