"""What a bill got or lost after its month was over: late charges and corrections, by restatement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from django.db.models import Sum

from allocation.core.reconcile import BillKey
from allocation.models import RestatementLine
from finops.core.amounts import EXACT
from finops.core.periods import add_months


class Late:
    """Part of the ingested cost that came when the month had ended and its days were known."""

    id = "late"
    title = "came late"
    order = 20

    def amounts(self, billing_period: date | None) -> Mapping[BillKey, Decimal]:
        """After minus before, over the restatements that were made after the month's end."""
        lines = RestatementLine.objects.all()
        if billing_period is not None:
            lines = lines.filter(restatement__load__billing_period=billing_period)
        rows = (
            lines.order_by()
            .values(
                "service_provider_name",
                "restatement__load__source__name",
                "restatement__load__billing_period",
                "restatement__made_at",
                "billing_currency",
            )
            .annotate(before=Sum("billed_before"), after=Sum("billed_after"))
        )
        found: dict[BillKey, Decimal] = defaultdict(Decimal)
        for row in rows:
            key = BillKey(
                row["service_provider_name"] or row["restatement__load__source__name"],
                row["restatement__load__billing_period"],
                row["billing_currency"],
            )
            ended = add_months(key.billing_period, 1)
            if row["restatement__made_at"].date() >= ended:
                change = EXACT.subtract(row["after"], row["before"])
                found[key] = EXACT.add(found[key], change)
        return found


RESIDUAL = Late()
