"""What a month reports when it is closed: its figures, rates, settlements and the state of its bills, as rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings

from allocation import books, facts
from allocation.core.closing import Amounts, CostKey, RevenueKey, digest
from allocation.core.figures import Metric, Slice
from allocation.frozen_rates import Rate, rates_of
from finops.core.amounts import EXACT, ZERO, plain
from finops.core.periods import Window, add_months
from finops.models import Tenant
from ingestion.invoices import settled_sources
from ingestion.models import Load

_KEY = CostKey._fields[1:]
COST = (*_KEY, "billed_cost", "effective_cost")
BOUNDS = (
    *("tenant_id", "charge_category", "billing_currency"),
    *("billed_low", "billed_high", "effective_low", "effective_high"),
)
SETTLED = ("source_id", "base", "quote", "rate", "supplier", "invoice_id")
BILL = ("source_id", "billing_period", "is_invoiced", "reference")


@dataclass(frozen=True)
class Report:
    """All that a month reports, as rows that are ready to be stored."""

    month: date
    costs: Mapping[CostKey, Amounts]
    revenue: Mapping[RevenueKey, Amounts]
    bounds: tuple[tuple[Any, ...], ...]
    bills: tuple[tuple[Any, ...], ...]
    rates: tuple[Rate, ...]
    """Every other currency of the figures has one; 0 where none is known."""
    settled: tuple[tuple[Any, ...], ...]

    @property
    def digest(self) -> str:
        """SHA-256 over all of it: equal digests, equal reports."""
        return digest(
            {
                "cost": [(*key[1:], *amounts) for key, amounts in self.costs.items()],
                "revenue": [(*key[1:], *amounts) for key, amounts in self.revenue.items()],
                "bounds": self.bounds,
                "bills": self.bills,
                "rates": [(one.base, one.quote, plain(one.rate), one.source) for one in self.rates],
                "settled": self.settled,
            }
        )


def report_of(month: date) -> Report:
    """What ``month`` would report if it were closed now."""
    costs = books.ledger_costs([month])
    revenue = books.ledger_revenue(through=month, since=month)
    return Report(
        month=month,
        costs=costs,
        revenue=revenue,
        bounds=tuple(_bounds(month)),
        bills=tuple(_bills(month)),
        rates=tuple(_rates(month, costs, revenue)),
        settled=tuple(_settled(month, {key.source_id for key in costs})),
    )


def _rates(
    month: date, costs: Mapping[CostKey, Amounts], revenue: Mapping[RevenueKey, Amounts]
) -> Iterable[Rate]:
    """The month's rates, and for a currency of its figures that has none that there is none."""
    to = settings.REPORTING_CURRENCY
    found = rates_of(month)
    known = {one.base for one in found if one.quote == to}
    used = {key.billing_currency for key in costs} | {key.currency for key in revenue}
    lacking = [
        Rate(name, to, ZERO, "no rate was known at the close")
        for name in sorted(used - known - {to})
    ]
    return sorted([*found, *lacking], key=lambda rate: (rate.base, rate.quote))


def _settled(month: date, sources: Collection[int] | None = None) -> Iterable[tuple[Any, ...]]:
    """The invoices of the month (of these ``sources``) that were paid at rates of their own."""
    for one in settled_sources():
        if month in one.months and (sources is None or one.source_id in sources):
            yield (
                *(one.source_id, one.currency, one.settled_currency, plain(one.rate)),
                *(one.supplier, one.invoice_id),
            )


def figures_mark(month: date) -> str:
    """Changes whenever the figures of ``month`` may have: over the loads that make them, revenue and rates.

    Quicker than the digest of the report, so that a page can carry it.
    """
    end = add_months(month, 1)
    loads = Load.objects.filter(
        state=Load.State.CURRENT, first_day__lt=end, last_day__gte=month
    ).values_list("pk", "is_invoiced")
    revenue = books.ledger_revenue(through=month, since=month)
    return digest(
        {
            "load": loads,
            "revenue": [(*key, *amounts) for key, amounts in revenue.items()],
            "rates": [(one.base, one.quote, plain(one.rate)) for one in rates_of(month)],
            "settled": _settled(month),
        }
    )


def _bounds(month: date) -> Iterable[tuple[Any, ...]]:
    """Uncertain cost by candidate, for every currency that occurs in it."""
    ids = dict(Tenant.objects.values_list("slug", "pk"))
    window = Window.of_month(month)
    sums: dict[tuple[int, str, str], list[Decimal]] = {}
    metrics: tuple[tuple[int, Metric], ...] = ((0, "billed"), (2, "effective"))
    for currency in facts.uncertain_currencies(window):
        for place, metric in metrics:
            slice_ = Slice(window=window, metric=metric, currency=currency)
            for fact in facts.uncertain_facts(slice_, None):
                for slug in fact.candidates:
                    key = (ids[slug], fact.charge_category, currency)
                    into = sums.setdefault(key, [ZERO] * 4)
                    side = place + (fact.amount >= 0)
                    into[side] = EXACT.add(into[side], fact.amount)
    return [(*key, *amounts) for key, amounts in sorted(sums.items())]


def _bills(month: date) -> Iterable[tuple[Any, ...]]:
    """Every bill with cost up to this month, and whether its invoice has come."""
    loads = (
        Load.objects.filter(state=Load.State.CURRENT, billing_period__lte=month)
        .select_related("delivery")
        .order_by("source_id", "billing_period")
    )
    for load in loads:
        yield (
            load.source_id,
            load.billing_period,
            load.is_invoiced,
            f"{load.delivery.key} {load.delivery.execution_id}".strip()[-200:],
        )
