"""Reconciliation by provider and month: the control totals, what they are made of, and who else tells them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from allocation.core.reconcile import BillKey, ProviderMonth, StepAmount, by_provider, key_of
from allocation.models import BridgeStep
from allocation.registry import evidence, residuals
from allocation.selectors import reconciliation
from finops.core.amounts import plain
from finops.core.focus import CostKind
from finops.core.periods import month_text
from ingestion.models import Load


def provider_months(billing_period: date | None = None) -> list[ProviderMonth]:
    """Every provider's bill of the month, or of all months; amounts are exact."""
    rows = reconciliation(billing_period)
    keys = list(dict.fromkeys(key_of(row) for row in rows))
    return by_provider(
        rows,
        _steps(billing_period),
        beside={one.title: one.amounts(billing_period) for one in residuals()},
        told={one.title: list(one.totals(keys)) for one in evidence()},
    )


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
        "parts": {name: plain(amount) for name, amount in bill.parts.items()},
        "beside": {name: plain(amount) for name, amount in bill.beside.items()},
        "evidence": [
            {
                "told_by": one.title,
                "total": None if one.amount is None else plain(one.amount),
                "difference": None if one.difference is None else plain(one.difference),
                "about": one.sentence,
            }
            for one in bill.witnesses
        ],
        "lines": bill.lines,
        "rejected_lines": bill.rejected_lines,
    }


_COLUMNS = ("source_total", "ingested", "rejected", "allocated", "unallocated")
