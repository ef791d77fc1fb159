"""Every amount of the month can be told in the reporting currency."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Sum

from allocation.core.checks import Asked, CheckState, Found
from allocation.frozen_rates import rates_of
from allocation.models import LedgerMonth, RecognisedRevenue
from finops.core.amounts import money_text
from finops.core.periods import add_months
from ingestion.invoices import settled_sources

_ADVICE = (
    "Add the month's rates under Exchange rates in the admin, or load a file of them: what is closed without a rate "
    "becomes an adjustment of a later month once one is known."
)


class Currencies:
    """Amounts of a currency without a rate stay outside of the figures; nothing is converted in silence."""

    id = "currencies"
    title = "Exchange rates are there"
    order = 70

    def look(self, asked: Asked) -> Found:
        """Names the amounts that no rate converts."""
        own = settings.REPORTING_CURRENCY
        known = {own} | {rate.base for rate in rates_of(asked.month) if rate.quote == own}
        paid = [
            one.source_id
            for one in settled_sources()
            if one.settled_currency == own and asked.month in one.months
        ]
        costs = (
            LedgerMonth.objects.filter(month=asked.month)
            .exclude(billing_currency__in=known)
            .exclude(source__in=paid)
            .order_by("billing_currency")
            .values_list("billing_currency")
            .annotate(total=Sum("effective_cost"))
        )
        revenue = (
            RecognisedRevenue.objects.filter(
                day__gte=asked.month, day__lt=add_months(asked.month, 1)
            )
            .exclude(currency__in=known)
            .order_by("currency")
            .values_list("currency")
            .annotate(total=Sum("amount"))
        )
        details = [f"Cost of {money_text(total, name)} has no rate." for name, total in costs]
        details += [f"Revenue of {money_text(total, name)} has no rate." for name, total in revenue]
        if details:
            return Found(
                CheckState.OPEN,
                f"Amounts in other currencies than {own} have no rate and are left out of the figures.",
                f"{len(details)} left out",
                (*details, _ADVICE),
            )
        return Found(CheckState.OK, f"Every amount is in {own} or has a rate.")


CHECK = Currencies()
