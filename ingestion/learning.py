"""What a source's own deliveries say of it: whose bills they are, and how often they come.

A FOCUS file may be of any vendor, so its reader can name none.
"""

from __future__ import annotations

from datetime import UTC, datetime, time

from django.conf import settings
from django.db.models import Min

from ingestion.core.lateness import expected_hours
from ingestion.models import Load, LoadTotal, Source
from ingestion.registry import sources


def learn_of(source: Source) -> None:
    """Write down the provider and the rhythm of a source whose reader knows neither; others stay as they are.

    Call it in the transaction that makes a load visible. The provider is empty where the lines name several. Hours
    that a person has set stay.
    """
    if not is_learnt(source.kind):
        return
    named = LoadTotal.objects.filter(
        load__source=source, load__state=Load.State.CURRENT, lines__gt=0
    ).exclude(service_provider_name="")
    names = set(named.order_by().values_list("service_provider_name", flat=True).distinct())
    source.service_provider_name = names.pop()[:100] if len(names) == 1 else ""
    if source.is_expectation_learnt:
        first = Load.objects.filter(source=source, committed_at__isnull=False).order_by()
        source.expected_every_hours = expected_hours(
            (
                (datetime.combine(period, time(), UTC), came)
                for period, came in first.values_list("billing_period").annotate(
                    came=Min("committed_at")
                )
            ),
            bill_within_days=settings.BILL_EXPECTED_AFTER_DAYS,
        )
    source.save(update_fields=["service_provider_name", "expected_every_hours"])


def is_learnt(kind: str) -> bool:
    """Whether sources of this kind take provider and rhythm from their deliveries."""
    reader = sources().get(kind)
    return reader is not None and reader.produces == "charges" and not reader.service_provider_name
