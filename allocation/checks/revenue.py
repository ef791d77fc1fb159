"""Whoever was invoiced last month is invoiced this month."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.db.models import Sum

from allocation.core.checks import Asked, CheckState, Found, Where
from allocation.models import RecognisedRevenue
from finops.core.amounts import money_text
from finops.core.periods import add_months, month_text


class Revenue:
    """A customer whose revenue ends without a word is the likeliest missing invoice."""

    id = "revenue"
    title = "Revenue has come"
    order = 80

    def look(self, asked: Asked) -> Found:
        """Names tenants with revenue in the month before and none in this one."""
        now, before = _revenue(asked.month), _revenue(add_months(asked.month, -1))
        gone = [key for key in sorted(before) if key not in now and before[key]]
        where = Where("tenants", "Tenants", {"period": month_text(asked.month)})
        if not now:
            return Found(CheckState.OPEN, "No revenue of this month is loaded.", where=where)
        if gone:
            details = tuple(
                f"{name}: {money_text(before[name, currency], currency)} in the month before, nothing now."
                for name, currency in gone
            )
            return Found(
                CheckState.OPEN,
                "Tenants with revenue in the month before have none in this one.",
                f"{len(gone)} without",
                details,
                where,
            )
        tenants = len({name for name, _ in now})
        return Found(
            CheckState.OK,
            "Every tenant with revenue in the month before has some in this one.",
            f"{tenants} tenants",
            where=where,
        )


def _revenue(month: date) -> dict[tuple[str, str], Decimal]:
    rows = (
        RecognisedRevenue.objects.filter(day__gte=month, day__lt=add_months(month, 1))
        .order_by()
        .values_list("tenant__name", "currency")
        .annotate(total=Sum("amount"))
    )
    return {(name, currency): total for name, currency, total in rows}


CHECK = Revenue()
