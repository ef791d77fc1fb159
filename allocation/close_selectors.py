"""Reads over months that are open or closed: the list of months, and what closing one would report."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Count, Sum

from allocation import books
from allocation.by_month import borne_by_month, changes_by_month, own_by_month
from allocation.close_models import (
    ClosedMonth,
    PriorPeriodAdjustment,
    RevenueAdjustment,
)
from allocation.core.closing import is_closed
from allocation.core.figures import Basis, Slice
from allocation.core.pnl import Pnl, add_pnls
from allocation.currencies import CurrencyNotes
from allocation.facts import currency_notes, pnls_by_tenant
from allocation.models import PnlMonth, RecognisedRevenue
from allocation.month_close import stored_digest
from finops.core.amounts import EXACT, ZERO, exact_sum
from finops.core.periods import Window, add_months, month_start, month_text
from ingestion.selectors import month_statuses


@dataclass(frozen=True)
class MonthState:
    """One month with its bills' states and, where it is closed, by whom and what it reported.

    ``cost`` is the cost of the margin on effective cost in the reporting currency, other currencies converted, and so
    is ``revenue``: as reported where the month is closed, as it is now where it is open; ``changed`` is what became
    known since the close. What a month bears of earlier ones is in none of them.
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


def month_states(months: list[date], *, today: date, reach: date | None = None) -> list[MonthState]:
    """The states of ``months``, in their order, in a fixed number of queries.

    ``reach`` is the last day whose cost has come: the running month's figures, revenue too, end with it.
    """
    through = books.closed_through()
    bills: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (_, period), (status, _) in month_statuses(today).items():
        bills[period][status.value] += 1
    standing = ClosedMonth.objects.filter(reopened_at__isnull=True).select_related("closed_by")
    closes = {row.month: row for row in standing}
    own, changed = _figures(months, today=today, reach=reach)
    none = Pnl()

    def state(month: date) -> MonthState:
        close = closes.get(month)
        column = month_text(month)
        then, since = own.get(column, none), changed.get(column, none)
        return MonthState(
            month=month,
            is_over=today >= add_months(month, 1),
            is_closed=is_closed(month, through),
            bills=dict(bills.get(month, {})),
            closed_by=close.closed_by.get_username() if close else "",
            closed_at=close.closed_at if close else None,
            cost=then.cost,
            changed=since.cost,
            revenue=then.revenue,
            revenue_changed=since.revenue,
        )

    return [state(month) for month in months]


def _figures(
    months: list[date], *, today: date, reach: date | None
) -> tuple[dict[str, Pnl], dict[str, Pnl]]:
    """What each month reports or has, and what became known of it since its close."""
    if not months:
        return {}, {}
    whole = Slice(
        window=Window(min(months), add_months(max(months), 1)),
        currency=settings.REPORTING_CURRENCY,
        basis="reported",
    )
    running = month_start(today)
    if running not in months:
        return own_by_month(whole), changes_by_month(whole)
    # The running month ends with the last day whose cost has come, for revenue, too.
    so_far = window_so_far(running, today=today, reach=reach)
    end = running if so_far is None else so_far.end
    ahead = add_months(running, 1)
    parts = [Window(whole.window.start, end)] if whole.window.start < end else []
    if ahead < whole.window.end:
        parts.append(Window(ahead, whole.window.end))
    own: dict[str, Pnl] = {}
    for part in parts:
        own |= own_by_month(replace(whole, window=part))
    return own, changes_by_month(whole)


def window_so_far(month: date, *, today: date, reach: date | None) -> Window | None:
    """The days of ``month`` that figures can be told of: all once it is over, before that through ``reach``, the last
    day whose cost has come; ``None`` where there is none yet.
    """
    whole = Window.of_month(month)
    if today >= whole.end:
        return whole
    if reach is None or reach < month:
        return None
    return Window(month, min(whole.end, reach + timedelta(days=1)))


def month_figures(window: Window, basis: Basis = "reported") -> Pnl:
    """The company's P&L of a month, or of its days so far: as it is, or will be, reported with what it bears of earlier
    months, or as the ledger has it now.
    """
    slice_ = Slice(window=window, currency=settings.REPORTING_CURRENCY, basis=basis)
    return add_pnls(pnls_by_tenant(slice_).values())


def borne_revenue(window: Window) -> Decimal:
    """What of the month's reported revenue is that of earlier months, booked in it."""
    slice_ = Slice(window=window, currency=settings.REPORTING_CURRENCY, basis="reported")
    return exact_sum(pnl.revenue for pnl in borne_by_month(slice_).values())


def month_currencies(window: Window) -> CurrencyNotes:
    """What of the month's reported figures was converted, at which rates, and what could not be."""
    return currency_notes(
        Slice(window=window, currency=settings.REPORTING_CURRENCY, basis="reported")
    )


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


@dataclass(frozen=True)
class AdjustmentSum:
    """All adjustments of a month's cost in one currency: how many, their amount and what it is worth."""

    currency: str
    rows: int
    amount: Decimal
    worth: Decimal


def adjustment_sums(month: date) -> list[AdjustmentSum]:
    """The sums of all adjustments of the effective cost of ``month``, by currency; one query."""
    groups = (
        PriorPeriodAdjustment.objects.filter(cost_month=month)
        .order_by("billing_currency")
        .values_list("billing_currency", "rate", "is_exchange")
        .annotate(total=Sum("effective_cost"), rows=Count("pk"))
    )
    found: dict[str, AdjustmentSum] = {}
    for currency, rate, is_exchange, total, rows in groups:
        held = found.get(currency, AdjustmentSum(currency, 0, ZERO, ZERO))
        found[currency] = AdjustmentSum(
            currency,
            held.rows + rows,
            held.amount if is_exchange else EXACT.add(held.amount, total),
            EXACT.add(held.worth, EXACT.multiply(total, Decimal(rate))),
        )
    return list(found.values())
