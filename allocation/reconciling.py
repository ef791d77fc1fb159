"""Reconciliation by provider and month: the control totals, what they are made of, and who else tells them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from allocation.core.figures import ReconciliationRow
from allocation.core.reconcile import (
    BillKey,
    MeterDifference,
    ProviderMonth,
    StepAmount,
    by_provider,
)
from allocation.models import BridgeStep
from allocation.registry import evidence, residuals
from allocation.selectors import reconciliation
from finops.core.amounts import plain
from finops.core.focus import CostKind
from finops.core.periods import month_text
from ingestion.estimate_selectors import meter_errors
from ingestion.models import Load


def provider_months(
    billing_period: date | None = None, rows: Sequence[ReconciliationRow] | None = None
) -> list[ProviderMonth]:
    """Every provider's bill of the month, or of all months; amounts are exact.

    ``rows`` are those of ``reconciliation(billing_period)``, where they were read already.
    """
    if rows is None:
        rows = reconciliation(billing_period)
    return by_provider(
        rows,
        _steps(billing_period),
        beside={one.title: one.amounts(billing_period) for one in residuals()},
        meters=_meters(billing_period),
        told={one.title: list(one.totals(rows, billing_period)) for one in evidence()},
    )


def _meters(billing_period: date | None) -> dict[BillKey, list[MeterDifference]]:
    found: dict[BillKey, list[MeterDifference]] = defaultdict(list)
    for one in meter_errors(billing_period):
        found[BillKey(one.provider, one.period, one.currency)].append(
            MeterDifference(one.meter, one.title, one.days, one.estimated, one.billed)
        )
    return found


def _steps(billing_period: date | None) -> list[StepAmount]:
    rows = BridgeStep.objects.filter(load__state=Load.State.CURRENT).exclude(
        load__kind=CostKind.ESTIMATED.value
    )
    if billing_period is not None:
        rows = rows.filter(load__billing_period=billing_period)
    return [
        StepAmount(BillKey(provider or name, period, currency), step, Decimal(billed))
        for provider, name, period, currency, step, billed in rows.order_by("pk").values_list(
            "service_provider_name",
            "load__source__name",
            "load__billing_period",
            "billing_currency",
            "step",
            "billed_cost",
        )
    ]


def bill_object(bill: ProviderMonth) -> dict[str, Any]:
    """A bill as the command and the API tell it; money as exact text."""
    return {
        "provider": bill.key.provider,
        "billing_period": month_text(bill.key.billing_period),
        "currency": bill.key.currency,
        "sources": [row.source for row in bill.sources],
        **{name: plain(bill.total(name)) for name in _COLUMNS},
        "residuals": {name: plain(amount) for name, amount in bill.residuals.items()},
        "unexplained": plain(bill.unexplained),
        "unnamed": plain(bill.unnamed),
        "is_explained": bill.is_explained,
        "gaps": [{"what": gap.what, "amount": plain(gap.amount)} for gap in bill.gaps],
        "parts": {name: plain(amount) for name, amount in bill.parts.items()},
        "beside": {name: plain(amount) for name, amount in bill.beside.items()},
        "evidence": [
            {
                "told_by": one.title,
                "total": None if one.amount is None else plain(one.amount),
                "difference": None if one.difference is None else plain(one.difference),
                "must_agree": one.must_agree,
                "about": one.sentence,
            }
            for one in bill.witnesses
        ],
        "meters": [
            {
                "meter": one.meter,
                "estimated": plain(one.estimated),
                "billed": plain(one.billed),
                "difference": plain(one.difference),
                "days": one.days,
            }
            for one in bill.meters
        ],
        "lines": bill.lines,
        "rejected_lines": bill.rejected_lines,
    }


_COLUMNS = ("source_total", "ingested", "rejected", "allocated", "unallocated")
