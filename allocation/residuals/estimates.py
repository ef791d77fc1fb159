"""What is estimated beyond the bill: in the P&L already, on no bill yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from django.db.models import Sum

from allocation.core.reconcile import BillKey
from allocation.models import PnlMonth
from finops.core.amounts import EXACT
from finops.core.focus import CostKind


class Estimates:
    """Estimated ledger rows of the provider in the month."""

    id = "estimates"
    title = "estimated beyond the bill"
    order = 10

    def amounts(self, billing_period: date | None) -> Mapping[BillKey, Decimal]:
        """One grouped query over the small table."""
        estimated = PnlMonth.objects.filter(kind=CostKind.ESTIMATED.value)
        if billing_period is not None:
            estimated = estimated.filter(month=billing_period)
        rows = (
            estimated.order_by()
            .values("service_provider_name", "month", "billing_currency")
            .annotate(amount=Sum("billed_cost"))
        )
        found: dict[BillKey, Decimal] = defaultdict(Decimal)
        for row in rows:
            key = BillKey(row["service_provider_name"], row["month"], row["billing_currency"])
            found[key] = EXACT.add(found[key], row["amount"])
        return found


RESIDUAL = Estimates()
