"""No delivery of the month failed, and no place that is looked at is in trouble."""

from __future__ import annotations

from allocation.core.checks import Asked, CheckState, Found, Where
from ingestion.models import Connection, Delivery

_SHOWN = 10


class Deliveries:
    """A delivery that was refused counts until another one of its source and month was loaded after it."""

    id = "deliveries"
    title = "No delivery failed"
    order = 90

    def look(self, asked: Asked) -> Found:
        """Names failed deliveries of the month and connections with a problem."""
        refused = (
            Delivery.objects.filter(billing_period=asked.month, state=Delivery.State.REJECTED)
            .select_related("source")
            .order_by("source__slug", "pk")
        )
        loaded: dict[int, int] = {}
        for source, pk in Delivery.objects.filter(
            billing_period=asked.month, state=Delivery.State.LOADED
        ).values_list("source_id", "pk"):
            loaded[source] = max(pk, loaded.get(source, 0))
        failed = [one for one in refused if loaded.get(one.source_id, 0) < one.pk]
        troubled = Connection.objects.filter(is_active=True).exclude(problem="").order_by("slug")
        details = [f"{one.source.name}: {one.error or one.key}" for one in failed]
        details += [f"{one.slug}: {one.problem}" for one in troubled]
        where = Where("data-health", "Data health")
        if details:
            return Found(
                CheckState.OPEN,
                "Deliveries failed, or places could not be looked at: something may be missing.",
                f"{len(details)} failing",
                tuple(details[:_SHOWN]),
                where,
            )
        return Found(CheckState.OK, "No delivery of the month failed.", where=where)


CHECK = Deliveries()
