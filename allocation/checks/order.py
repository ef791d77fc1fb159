"""Months close in order, and only when they are over."""

from __future__ import annotations

from datetime import date

from allocation.core.checks import Asked, CheckState, Found, Where
from allocation.models import PnlMonth, RecognisedRevenue
from finops.core.periods import add_months, month_start, month_text


class Order:
    """The month is over, and no earlier month with figures is open."""

    id = "order"
    title = "Month is over, earlier months are closed"
    order = 10

    def look(self, asked: Asked) -> Found:
        """Blocked by what no reason can change."""
        end = add_months(asked.month, 1)
        if asked.now.date() < end:
            sentence = f"The month ends on {end:%Y-%m-%d}: close it from then on."
            return Found(CheckState.BLOCKED, sentence)
        earlier = _first_open_month(asked)
        if earlier is not None:
            text = month_text(earlier)
            return Found(
                CheckState.BLOCKED,
                f"{text} is open and has figures: months close in order, so close it first.",
                where=Where("month-close", f"Close {text}", {"period": text}),
            )
        return Found(CheckState.OK, "The month is over and every earlier month is closed.")


def _first_open_month(asked: Asked) -> date | None:
    costs = PnlMonth.objects.filter(month__lt=asked.month)
    revenue = RecognisedRevenue.objects.filter(day__lt=asked.month)
    if asked.closed_through is not None:
        costs = costs.filter(month__gt=asked.closed_through)
        revenue = revenue.filter(day__gte=add_months(asked.closed_through, 1))
    months = [
        costs.order_by("month").values_list("month", flat=True).first(),
        revenue.order_by("day").values_list("day", flat=True).first(),
    ]
    return min((month_start(month) for month in months if month), default=None)


CHECK = Order()
