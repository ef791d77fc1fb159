"""Reads over months that are open or closed: the list of months, and what closing one would report."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import DateField, Sum
from django.db.models.functions import TruncMonth

from allocation import books
from allocation.close_models import (
    ClosedMonth,
    PriorPeriodAdjustment,
    RevenueAdjustment,
)
from allocation.core.closing import is_closed
from allocation.core.figures import Basis, Slice
from allocation.core.pnl import Pnl, add_pnls
from allocation.facts import pnls_by_tenant
from allocation.models import PnlMonth, RecognisedRevenue
from allocation.month_close import stored_digest
from allocation.reported import beside
from finops.core.amounts import ZERO
from finops.core.periods import Window, add_months, month_start
from ingestion.selectors import month_statuses


@dataclass(frozen=True)
class MonthState:
    """One month with its bills' states and, where it is closed, by whom and what it reported.

    ``cost`` is the cost of the margin on effective cost in the reporting currency, and so is ``revenue``: as
    reported where the month is closed, as it is now where it is open; ``changed`` is what became known since the
    close.
    """

    month: date
    is_over: bool
    is_closed: bool
    bills: dict[str, int]
    closed_by: str
    closed_at: datetime | None
    cost: Decimal
    changed: Decimal
    revenue: Decimal
    revenue_changed: Decimal

    @property
    def state(self) -> str:
        """closed, or how settled its bills are: open, provisional or final."""
        if self.is_closed:
            return "closed"
        if not self.is_over or self.bills.get("open") or not self.bills:
            return "open"
        return "provisional" if self.bills.get("provisional") else "final"


def months_with_figures() -> list[date]:
    """Every month with cost, revenue or a close, newest first."""
    found = set(PnlMonth.objects.order_by().values_list("month", flat=True).distinct())
    first = RecognisedRevenue.objects.order_by("day").values_list("day", flat=True).first()
    found |= set(
        ClosedMonth.objects.filter(reopened_at__isnull=True).values_list("month", flat=True)
    )
    if first is not None:
        found.add(month_start(first))
    return sorted(found, reverse=True)


def month_states(months: list[date], *, today: date) -> list[MonthState]:
    """The states of ``months``, in their order, in a fixed number of queries."""
    through = books.closed_through()
    bills: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (_, period), (status, _) in month_statuses(today).items():
        bills[period][status.value] += 1
    standing = ClosedMonth.objects.filter(reopened_at__isnull=True).select_related("closed_by")
    closes = {row.month: row for row in standing}
    about = {"billing_currency": settings.REPORTING_CURRENCY}

    def sums(rows: object, month: str) -> dict[date, Decimal]:
        mine = rows.filter(**about).exclude(charge_category__in=beside())  # type: ignore[attr-defined]  # either table
        return dict(mine.order_by().values_list(month).annotate(total=Sum("effective_cost")))

    now = sums(PnlMonth.objects.filter(month__in=months), "month")
    changed = sums(PriorPeriodAdjustment.objects.all(), "cost_month")
    revenue, revenue_changed = _revenue(months)

    def state(month: date) -> MonthState:
        close = closes.get(month)
        closed = is_closed(month, through)
        return MonthState(
            month=month,
            is_over=today >= add_months(month, 1),
            is_closed=closed,
            bills=dict(bills.get(month, {})),
            closed_by=close.closed_by.get_username() if close else "",
            closed_at=close.closed_at if close else None,
            cost=close.cost if close else ZERO if closed else now.get(month, ZERO),
            changed=changed.get(month, ZERO),
            revenue=close.revenue if close else ZERO if closed else revenue.get(month, ZERO),
            revenue_changed=revenue_changed.get(month, ZERO),
        )

    return [state(month) for month in months]


def _revenue(months: list[date]) -> tuple[dict[date, Decimal], dict[date, Decimal]]:
    """Revenue as it is now, and what became known of closed months, by month."""
    if not months:
        return {}, {}
    own = settings.REPORTING_CURRENCY
    live = (
        RecognisedRevenue.objects.filter(
            currency=own, day__gte=min(months), day__lt=add_months(max(months), 1)
        )
        .order_by()
        .annotate(month=TruncMonth("day", output_field=DateField()))
        .values_list("month")
        .annotate(total=Sum("amount"))
    )
    changed = (
        RevenueAdjustment.objects.filter(currency=own)
        .order_by()
        .values_list("service_month")
        .annotate(total=Sum("amount"))
    )
    return dict(live), dict(changed)


def month_figures(month: date, basis: Basis = "reported") -> Pnl:
    """The company's P&L of the month: as it is, or will be, reported with what it bears of earlier months, or as
    the ledger has it now.
    """
    slice_ = Slice(window=Window.of_month(month), currency=settings.REPORTING_CURRENCY, basis=basis)
    return add_pnls(pnls_by_tenant(slice_).values())


def close_of(month: date) -> ClosedMonth | None:
    """The standing close of the month."""
    rows = ClosedMonth.objects.filter(month=month, reopened_at__isnull=True)
    return rows.select_related("closed_by").first()


def still_agrees(closed: ClosedMonth) -> bool:
    """Whether what is stored of the report is what was closed."""
    return stored_digest(closed) == closed.digest


def revenue_adjustments_of(month: date, *, limit: int) -> list[RevenueAdjustment]:
    """Adjustments of the revenue of ``month``, newest first."""
    rows = RevenueAdjustment.objects.filter(service_month=month).select_related("tenant")
    return list(rows.order_by("-made_at", "-pk")[:limit])


def adjustments_of(month: date, *, limit: int) -> list[PriorPeriodAdjustment]:
    """Adjustments of the cost of ``month``, newest first."""
    rows = PriorPeriodAdjustment.objects.filter(cost_month=month).select_related("tenant")
    return list(rows.order_by("-made_at", "-pk")[:limit])
