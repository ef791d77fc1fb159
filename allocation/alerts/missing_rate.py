"""Amounts that are in no figure, because no exchange rate is known for their month."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from django.conf import settings
from django.db.models import Max, Min

from allocation.core.figures import Slice
from allocation.currencies import Missing, foreign_currencies
from allocation.models import PnlMonth, RecognisedRevenue
from allocation.selectors import currency_notes
from finops.core.alerts import Finding, Severity
from finops.core.amounts import EXACT, money_text, plain
from finops.core.periods import Window, add_months, month_start, month_text


class MissingRate:
    """One finding per currency and month; the size is cost and revenue together, in that currency."""

    id = "missing-rate"

    def findings(self, now: datetime) -> Iterable[Finding]:  # noqa: ARG002  # the figures of now
        """What every page leaves out, over all months of the ledger."""
        own = settings.REPORTING_CURRENCY
        window = _months(foreign_currencies(own), own)
        if window is None:
            return
        for one in currency_notes(Slice(window, currency=own)).missing:
            yield Finding(
                self.id,
                f"{one.currency} {month_text(one.month)}",
                Severity.DANGER,
                _sentence(one, own),
                {"cost": plain(one.cost), "revenue": plain(one.revenue), "currency": one.currency},
                size=EXACT.add(abs(one.cost), abs(one.revenue)),
            )


def _months(foreign: Iterable[str], own: str) -> Window | None:
    """From the first to the last month that has an amount in any of the ``foreign`` currencies."""
    if not list(foreign):
        return None
    costs = PnlMonth.objects.exclude(billing_currency=own).aggregate(
        first=Min("month"), last=Max("month")
    )
    revenue = RecognisedRevenue.objects.exclude(currency=own).aggregate(
        first=Min("day"), last=Max("day")
    )
    days: list[date] = [
        day for found in (costs, revenue) for day in (found["first"], found["last"]) if day
    ]
    if not days:
        return None
    return Window(month_start(min(days)), add_months(month_start(max(days)), 1))


def _sentence(one: Missing, own: str) -> str:
    amounts = " and ".join(
        f"{name} of {money_text(amount, one.currency)}"
        for name, amount in (("cost", one.cost), ("revenue", one.revenue))
        if amount
    )
    return (
        f"In {one.month:%b %Y}, {amounts} is in no figure, because no rate from {one.currency} to {own} is known. "
        "Add the rate in Admin under Exchange rates, or load a file of rates."
    )


CHECK = MissingRate()
