"""No cost of the month rests on an estimate."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Sum

from allocation.core.checks import Asked, CheckState, Found, Where
from allocation.models import PnlMonth
from finops.core.amounts import exact_sum, money_text
from finops.core.focus import CostKind
from finops.core.periods import month_text


class Estimates:
    """What is estimated is accrued in the journal and trued up when the bill comes."""

    id = "estimates"
    title = "No estimates are left"
    order = 30

    def look(self, asked: Asked) -> Found:
        """Sums estimated cost by provider and currency."""
        rows = (
            PnlMonth.objects.filter(month=asked.month, kind=CostKind.ESTIMATED)
            .values_list("service_provider_name", "billing_currency")
            .annotate(total=Sum("effective_cost"))
            .order_by("service_provider_name", "billing_currency")
        )
        left = [(name, currency, total) for name, currency, total in rows if total]
        if not left:
            return Found(CheckState.OK, "Every cost of the month is billed.")
        details = tuple(
            f"{name}: {money_text(total, currency)} is estimated." for name, currency, total in left
        )
        main = [total for _, currency, total in left if currency == settings.REPORTING_CURRENCY]
        return Found(
            CheckState.OPEN,
            "Part of the cost is estimated: the journal accrues it until the bill comes.",
            money_text(exact_sum(main), settings.REPORTING_CURRENCY) if main else "",
            details,
            Where("reconciliation", "Reconciliation", {"period": month_text(asked.month)}),
        )


CHECK = Estimates()
