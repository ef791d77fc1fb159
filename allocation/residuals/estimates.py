"""What is estimated beyond the bill: in the P&L already, on no bill yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
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

    def amounts(self, keys: Sequence[BillKey]) -> Mapping[BillKey, Decimal]:
        """One grouped query over the small table."""
        months = {key.billing_period for key in keys}
        rows = (
            PnlMonth.objects.filter(kind=CostKind.ESTIMATED.value, month__in=months)
            .order_by()
            .values("service_provider_name", "month", "billing_currency")
            .annotate(amount=Sum("billed_cost"))
        )
        found: dict[BillKey, Decimal] = defaultdict(Decimal)
        for row in rows:
            key = BillKey(row["service_provider_name"], row["month"], row["billing_currency"])
            if key in keys:
                found[key] = EXACT.add(found[key], row["amount"])
        return found


RESIDUAL = Estimates()
