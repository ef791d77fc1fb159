"""Cloudflare's usage API: Workers by script, R2 by bucket."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Max

from finops.core.amounts import ratio
from finops.core.periods import days_in_month, month_start
from ingestion.cloudflare_models import UsageHour, UsageMonth, UsageProgress
from ingestion.core.cloudflare_queries import R2_OPERATIONS, R2_STORAGE, WORKERS
from ingestion.core.metered import MeteredHour, MeteredSpan, reach_in

_DATASETS = {
    "worker_requests": WORKERS,
    "worker_cpu_us": WORKERS,
    "r2_class_a": R2_OPERATIONS,
    "r2_class_b": R2_OPERATIONS,
    "r2_stored_bytes": R2_STORAGE,
}
"""Metric → the dataset that tells it."""
_INFREQUENT = {
    "r2_class_a": "r2_ia_class_a",
    "r2_class_b": "r2_ia_class_b",
    "r2_stored_bytes": "r2_ia_stored_bytes",
}
"""Metric → its meter in R2's storage class for infrequent access."""
_DAY = timedelta(days=1)


class UsageApiMeters:
    """What accounts used, each dataset up to where it was read whole."""

    id = "cloudflare_usage"
    meters = (*_DATASETS, *_INFREQUENT.values())

    def read(self, start: datetime, end: datetime) -> MeteredSpan:
        """Quantities by hour; stored bytes as a day's share of the month's mean of daily peaks."""
        through = _through()
        reaches = {
            meter: reached
            for metric, dataset in _DATASETS.items()
            if (
                reached := max(
                    (moment for (one, _), moment in through.items() if one == dataset.id),
                    default=None,
                )
            )
            for meter in {metric, _INFREQUENT.get(metric, metric)}
        }
        return MeteredSpan(
            _hours(start, end, through), max(through.values(), default=None), reaches
        )

    @staticmethod
    def marks() -> dict[date, str]:
        """How often a month was read, and up to when: what is read again within an hour shows with the next."""
        through = sorted(_through().items())
        rows = UsageMonth.objects.order_by("source").values_list("month", "source", "readings")
        read: dict[date, list[object]] = defaultdict(list)
        for month, source, readings in rows:
            read[month].append((source, readings))
        return {
            month: repr((parts, [(about, reach_in(month, moment)) for about, moment in through]))
            for month, parts in read.items()
        }


def _through() -> dict[tuple[str, str], datetime]:
    """Dataset and account → up to which hour it is whole, by the connection that got furthest."""
    rows = UsageProgress.objects.filter(source__is_active=True).order_by()
    found = rows.values_list("dataset", "tag").annotate(through=Max("data_through"))
    return {
        (dataset, tag): through.replace(minute=0, second=0, microsecond=0)
        for dataset, tag, through in found
    }


def _hours(
    start: datetime, end: datetime, through: dict[tuple[str, str], datetime]
) -> Iterator[MeteredHour]:
    rows = UsageHour.objects.filter(metric__in=list(_DATASETS), hour__gte=start, hour__lt=end)
    for row in rows.order_by("hour", "metric", "pk").iterator():
        known = through.get((_DATASETS[row.metric].id, row.account))
        # What is stored is known for a day once the day is over: its peak may still come.
        is_level = row.metric == "r2_stored_bytes"
        width = _DAY if is_level else timedelta(hours=1)
        if known is None or row.hour + width > known:
            continue
        is_infrequent = row.metric in _INFREQUENT and "infrequent" in row.storage_class.lower()
        yield MeteredHour(
            hour=row.hour,
            meter=_INFREQUENT[row.metric] if is_infrequent else row.metric,
            quantity=_share_of_month(row.hour, row.quantity) if is_level else row.quantity,
            account=row.account,
            resource_id=row.bucket or row.script,
            tags={
                name: value
                for name, value in (("script", row.script), ("bucket", row.bucket))
                if value
            },
            is_sampled=row.is_sampled,
            hours=24 if is_level else 1,
        )


def _share_of_month(hour: datetime, peak: Decimal) -> Decimal:
    days = Decimal(days_in_month(month_start(hour.date())))
    return ratio(peak, days) or Decimal(0)


METERED = UsageApiMeters()
