"""No row of the month's deliveries was put aside."""

from __future__ import annotations

from datetime import UTC, datetime, time

from django.db.models import Q

from allocation.core.checks import Asked, CheckState, Found, Where
from finops.core.amounts import plain
from finops.core.periods import add_months
from ingestion.models import Delivery, LoadTotal

_SHOWN = 10


class Rejects:
    """Rows of current bills, and of what came without a month (revenue) since the month began."""

    id = "rejects"
    title = "No rows are put aside"
    order = 40

    def look(self, asked: Asked) -> Found:
        """Counts rows and sums the amounts that could be read."""
        begin = datetime.combine(asked.month, time.min, UTC)
        until = datetime.combine(add_months(asked.month, 2), time.min, UTC)
        of_bills = Q(loads__state="current", loads__billing_period=asked.month)
        without_month = Q(
            billing_period__isnull=True,
            state=Delivery.State.LOADED,
            discovered_at__gte=begin,
            discovered_at__lt=until,
        )
        found = (
            Delivery.objects.filter(of_bills | without_month, rejected_rows__gt=0)
            .select_related("source")
            .order_by("source__slug", "pk")
            .distinct()
        )
        deliveries = list(found)
        if not deliveries:
            return Found(CheckState.OK, "Every row could be read.")
        totals = LoadTotal.objects.filter(
            load__state="current", load__billing_period=asked.month, rejected_lines__gt=0
        ).order_by("load__source__slug", "billing_currency")
        details = [
            f"{one.source.name}: {one.rejected_rows} rows of {one.key}." for one in deliveries
        ][:_SHOWN]
        details += [
            f"{plain(total.exact('rejected'))} {total.billing_currency} could be read in rows put aside."
            for total in totals
            if total.exact("rejected")
        ]
        rows = sum(one.rejected_rows for one in deliveries)
        return Found(
            CheckState.OPEN,
            "Rows were put aside: their cost or revenue is not in the figures.",
            f"{rows} rows",
            tuple(details),
            Where("delivery-rejects", "Rows put aside", {"delivery_id": str(deliveries[0].pk)}),
        )


CHECK = Rejects()
