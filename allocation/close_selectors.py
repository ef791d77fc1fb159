"""Reads over months that are open or closed: the list of months, and what closing one would report."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import Sum

from allocation import books
from allocation.close_models import ClosedMonth, PriorPeriodAdjustment, ReportedPnl
from allocation.core.closing import is_closed
from allocation.core.figures import Slice
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

    ``cost`` is the cost of the margin on effective cost in the reporting currency: as reported where the month is
    closed, as it is now where it is open; ``changed`` is what became known since the close.
    """

    month: date
    is_over: bool
    is_closed: bool
    bills: dict[str, int]
    closed_by: str
    closed_at: datetime | None
    cost: Decimal
    changed: Decimal

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
        mine = rows.filter(**about).exclude(charge_category__in=beside())  # type: ignore[attr-defined]  # any of three tables
        return dict(mine.order_by().values_list(month).annotate(total=Sum("effective_cost")))

    reported = sums(ReportedPnl.objects.filter(closed__reopened_at__isnull=True), "closed__month")
    now = sums(PnlMonth.objects.filter(month__in=months), "month")
    changed = sums(PriorPeriodAdjustment.objects.all(), "cost_month")

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
            cost=(reported if closed else now).get(month, ZERO),
            changed=changed.get(month, ZERO),
        )

    return [state(month) for month in months]


def month_figures(month: date) -> Pnl:
    """The company's P&L of the month as it is, or will be, reported, with what it bears of earlier months."""
    slice_ = Slice(
        window=Window.of_month(month), currency=settings.REPORTING_CURRENCY, basis="reported"
    )
    return add_pnls(pnls_by_tenant(slice_).values())


def close_of(month: date) -> ClosedMonth | None:
    """The standing close of the month."""
    rows = ClosedMonth.objects.filter(month=month, reopened_at__isnull=True)
    return rows.select_related("closed_by").first()


def still_agrees(closed: ClosedMonth) -> bool:
    """Whether what is stored of the report is what was closed."""
    return stored_digest(closed) == closed.digest


def adjustments_of(month: date, *, limit: int) -> list[PriorPeriodAdjustment]:
    """Adjustments of the cost of ``month``, newest first."""
    rows = PriorPeriodAdjustment.objects.filter(cost_month=month).select_related("tenant")
    return list(rows.order_by("-made_at", "-pk")[:limit])
