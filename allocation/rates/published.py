"""The rates that amounts of a month are converted with: frozen ones of a closed month, else its average."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from django.conf import settings

from allocation.currencies import foreign_currencies, rates_for
from allocation.frozen_rates import Rate


class Published:
    """The rates of every currency that amounts are in beside the reporting currency."""

    id = "published"

    def rates(self, month: date) -> Iterable[Rate]:
        """One rate for each currency that has one."""
        to = settings.REPORTING_CURRENCY
        for rate in rates_for([month], foreign_currencies(to), to).values():
            source = f"{rate.basis}, {rate.days} published days"
            yield Rate(rate.base, rate.quote, rate.rate, f"{source}: {rate.source}"[:200])


RATES = Published()
