"""What the ledger holds today of each bill, added up by the database."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.db.models import Sum

from allocation.models import PnlMonth


def ledger_totals() -> dict[tuple[str, date, str], Decimal]:
    """Billed cost by source (slug), billing period and currency; one query.

    Every row counts, whatever the state of its load: one that a newer delivery left as it was still bears the
    load that wrote it.
    """
    rows = (
        PnlMonth.objects.order_by()
        .values_list("load__source__slug", "load__billing_period", "billing_currency")
        .annotate(total=Sum("billed_cost"))
    )
    return {(source, period, currency): total for source, period, currency, total in rows}
