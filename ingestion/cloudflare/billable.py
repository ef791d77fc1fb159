"""Billable usage: kept day by day as Cloudflare tells it, and read beside its analytics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.db.models import Count, Sum
from django.db.models.functions import TruncDate

from finops.core.periods import Window, add_months, month_start
from ingestion.cloudflare.client import ApiError, Client
from ingestion.cloudflare_models import BillableUsage, UsageHour
from ingestion.core.billable_usage import (
    COMPARED,
    Beside,
    BillableRecord,
    beside,
    metric_of,
    read_billable,
    windows,
)
from ingestion.core.cloudflare_errors import Trouble
from ingestion.core.cloudflare_graphql import Aside
from ingestion.core.cloudflare_rest import billable_usage_paths
from ingestion.models import Source


@dataclass(frozen=True)
class BillableTotal:
    """A billable metric of one account and month. ``billed_cost`` is ``None`` where Cloudflare tells none.

    ``days`` is on how many days of the month it was told.
    """

    metric_name: str
    family: str
    unit: str
    quantity: Decimal
    billed_cost: Decimal | None
    currency: str
    days: int


@dataclass
class BillableLook:
    """What one look took: records stored, those put aside, and of what kind a refusal was (empty: none)."""

    records: int = 0
    asides: list[Aside] = field(default_factory=list)
    refused: str = ""


def take_billable(
    client: Client, source: Source, account: str, first: date, last: date
) -> BillableLook:
    """Ask for these days and store what is told: by version 2, and by version 1 where that may not be read.

    Raises what the database raises; a refusal of Cloudflare's is told.
    """
    look = BillableLook()
    for path in billable_usage_paths(account):
        try:
            for start, end in windows(first, last):
                read = partial(read_billable, account=account, first=start, last=end)
                records, asides = client.billable_usage(path, start, end, read)
                store_billable(source=source, records=records)
                look.records += len(records)
                look.asides += asides
        except ApiError as error:
            look.refused = look.refused or error.trouble.value
            if error.trouble not in {Trouble.FORBIDDEN, Trouble.MISSING}:
                break
        else:
            look.refused = ""
            break
    return look


def store_billable(*, source: Source, records: Collection[BillableRecord]) -> int:
    """Replace the source's days that ``records`` tell of; how many days. Safe to repeat.

    A day that the answer says nothing of stays as it is: a short answer takes nothing away.
    """
    days = {record.day for record in records}
    with transaction.atomic():
        Source.objects.select_for_update().get(pk=source.pk)
        BillableUsage.objects.filter(source=source, day__in=days).delete()
        BillableUsage.objects.bulk_create(
            [
                BillableUsage(
                    source=source,
                    account=one.account,
                    day=one.day,
                    metric_id=one.metric_id,
                    metric_name=one.metric_name,
                    family=one.family,
                    zone=one.zone,
                    sub_account=one.sub_account,
                    quantity=one.quantity,
                    unit=one.unit,
                    billed_cost=one.billed_cost,
                    currency=one.currency,
                )
                for one in records
            ],
            batch_size=500,
        )
    return len(days)


def billable_totals(account: str, month: date) -> list[BillableTotal]:
    """What Cloudflare says will be billed of the calendar month (UTC), by metric, unit and currency."""
    first = month_start(month)
    rows = BillableUsage.objects.filter(
        account=account, day__gte=first, day__lt=add_months(first, 1)
    )
    names = ("metric_name", "family", "unit", "currency")
    sums = (
        rows.order_by()
        .values(*names)
        .annotate(whole=Sum("quantity"), cost=Sum("billed_cost"), days=Count("day", distinct=True))
    )
    return [
        BillableTotal(
            row["metric_name"],
            row["family"],
            row["unit"],
            row["whole"],
            row["cost"],
            row["currency"],
            row["days"],
        )
        for row in sums.order_by(*names)
    ]


def billable_accounts(month: date) -> list[str]:
    """The accounts that something billable is told of in the month."""
    first = month_start(month)
    rows = BillableUsage.objects.filter(day__gte=first, day__lt=add_months(first, 1))
    return list(rows.order_by("account").values_list("account", flat=True).distinct())


def billable_beside_analytics(window: Window) -> list[Beside]:
    """Each metric that both tell, over the whole days of the window that both know.

    Give a window that ends before today: the analytics of an open day are not whole.
    """
    billable: dict[tuple[str, str, date], Decimal] = defaultdict(Decimal)
    rows = BillableUsage.objects.filter(day__gte=window.start, day__lt=window.end)
    for account, day, name, unit, quantity in rows.values_list(
        "account", "day", "metric_name", "unit", "quantity"
    ):
        if found := metric_of(name, unit):
            billable[account, found[0], day] += quantity * found[1]
    if not billable:
        return []
    start, end = (datetime.combine(day, time(), UTC) for day in (window.start, window.end))
    hours = UsageHour.objects.filter(metric__in=COMPARED, hour__gte=start, hour__lt=end)
    sums = hours.order_by().values_list("account", "metric", TruncDate("hour", tzinfo=UTC))
    analytics = {
        (account, metric, day): total
        for account, metric, day, total in sums.annotate(total=Sum("quantity"))
    }
    return beside(billable, analytics)


def billable_not_compared(window: Window) -> list[str]:
    """Billable metrics of the window that nothing of ours is known to be the same as, with their units."""
    rows = BillableUsage.objects.filter(day__gte=window.start, day__lt=window.end).order_by()
    return sorted(
        f"{name} ({unit})" if unit else name
        for name, unit in rows.values_list("metric_name", "unit").distinct()
        if metric_of(name, unit) is None
    )
