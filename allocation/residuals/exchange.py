"""Exchange differences: what settled invoices cost beside the average rate that their month is converted at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from django.conf import settings

from allocation.core.reconcile import BillKey
from allocation.currencies import fx_differences
from finops.core.amounts import EXACT


class Exchange:
    """Of each bill, in the reporting currency; positive where the payment was dearer than the average."""

    id = "exchange"
    order = 30

    @property
    def title(self) -> str:
        """With the currency that it is in, which is not the bill's."""
        return f"exchange differences in {settings.REPORTING_CURRENCY}"

    def amounts(self, billing_period: date | None) -> Mapping[BillKey, Decimal]:
        """Where no average is known nothing is told: what has no rate is named with the figures."""
        found: dict[BillKey, Decimal] = defaultdict(Decimal)
        for one in fx_differences(billing_period):
            if one.difference is not None:
                key = BillKey(one.supplier, one.month, one.currency)
                found[key] = EXACT.add(found[key], one.difference)
        return found


RESIDUAL = Exchange()
