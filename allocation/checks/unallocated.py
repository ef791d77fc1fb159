"""The share of cost that nobody bears is small enough."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db.models import Q, Sum

from allocation.core.checks import Asked, CheckState, Found, Where
from allocation.models import PnlMonth
from finops.core.amounts import ZERO, money_text, ratio
from finops.core.periods import month_text


class Unallocated:
    """Held against ``CLOSE_MAX_UNALLOCATED_SHARE``, on effective cost without what is below the line."""

    id = "unallocated"
    title = "Cost is allocated"
    order = 50

    def look(self, asked: Asked) -> Found:
        """Open where the share is above the setting."""
        currency = settings.REPORTING_CURRENCY
        rows = PnlMonth.objects.filter(month=asked.month, billing_currency=currency).exclude(
            charge_category__in=[*settings.PNL_BELOW_THE_LINE, "Credit"]
        )
        sums = rows.aggregate(
            total=Sum("effective_cost"),
            loose=Sum("effective_cost", filter=Q(tenant__isnull=True)),
        )
        total, loose = sums["total"] or ZERO, sums["loose"] or ZERO
        share = ratio(loose, total) or ZERO
        most = settings.CLOSE_MAX_UNALLOCATED_SHARE
        figure = f"{_percent(share)} unallocated"
        where = Where("unallocated-lines", "Unallocated lines", {"period": month_text(asked.month)})
        about = f"{money_text(loose, currency)} of {money_text(total, currency)} is borne by nobody"
        if share > most:
            sentence = f"{about}, more than {_percent(most)}: tag it, or accept it."
            return Found(CheckState.OPEN, sentence, figure, where=where)
        return Found(
            CheckState.OK, f"{about}, at most {_percent(most)} may be.", figure, where=where
        )


def _percent(share: Decimal) -> str:
    return f"{share * 100:.1f} %"


CHECK = Unallocated()
