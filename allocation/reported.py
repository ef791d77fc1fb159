"""Figures as they were reported: closed months from what was stored at their close, with later adjustments.

A window falls into two: the closed months at its beginning, and the open rest, which is the ledger as it is. An
adjustment belongs to the month that it was booked in, as a line of its own, so that over all months the reported
figures and the restated ones have one sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, Sum

from allocation import books
from allocation.close_models import (
    ClosedMonth,
    PriorPeriodAdjustment,
    ReportedBounds,
    ReportedPnl,
    ReportedRevenue,
    RevenueAdjustment,
)
from allocation.core.closing import PRIOR_PERIOD
from allocation.core.figures import Granularity, Slice
from allocation.core.pnl import CostFact, RevenueFact, UncertainFact
from finops.core.amounts import EXACT, ZERO
from finops.core.focus import ChargeCategory, CostKind
from finops.core.periods import Window, add_months, month_start, month_text
from finops.models import Tenant


class ReportedError(ValueError):
    """A question that figures as reported cannot answer; the message is one sentence for people."""


@dataclass(frozen=True)
class Close:
    """Who closed a month, when."""

    month: date
    closed_at: datetime
    closed_by: str


@dataclass(frozen=True)
class Change:
    """What a closed month reported, and what became known of it since: cost of the slice's metric, and revenue.

    Cost is that of the margin: without credits and what stands below the line.
    """

    close: Close
    reported_cost: Decimal
    reported_revenue: Decimal
    cost: Decimal
    revenue: Decimal

    @property
    def is_any(self) -> bool:
        """Whether anything changed."""
        return bool(self.cost or self.revenue)


@dataclass(frozen=True)
class Booked:
    """What a month bears of earlier, closed ones."""

    booked_month: date
    months: tuple[date, ...]
    cost: Decimal
    revenue: Decimal


def refuse(slice_: Slice, granularity: Granularity | None) -> None:
    """Raises ``ReportedError`` where ``slice_`` asks for what was not stored; does nothing on the basis restated."""
    if slice_.basis != "reported":
        return
    if slice_.as_of is not None:
        msg = "Figures as reported do not change with time: take away either basis or as_of."
        raise ReportedError(msg)
    closed, _ = parts(slice_.window)
    if closed is None:
        return
    if granularity == "day":
        msg = (
            f"Figures as reported are kept by month: choose months, or days after {closed.last_day}, "
            "until when the books are closed."
        )
        raise ReportedError(msg)
    if not closed.is_whole_months():
        msg = (
            f"Figures as reported are kept by whole months, and {closed.start} to {closed.last_day} is none: "
            "choose whole months, or figures as restated."
        )
        raise ReportedError(msg)


def parts(window: Window) -> tuple[Window | None, Window | None]:
    """The closed beginning of ``window`` and its open rest."""
    through = books.closed_through()
    end = None if through is None else add_months(through, 1)
    if end is None or end <= window.start:
        return None, window
    if end >= window.end:
        return window, None
    return Window(window.start, end), Window(end, window.end)


def open_part(slice_: Slice) -> Slice | None:
    """The slice over its open rest, as the ledger has it; ``None`` where all of it is closed."""
    _, rest = parts(slice_.window)
    return None if rest is None else replace(slice_, window=rest, basis="restated")


def cost_facts(
    slice_: Slice, granularity: Granularity | None, *, by_tenant: bool, name: str | None
) -> Iterable[CostFact]:
    """Reported cost of the closed months, and the adjustments booked in any month of the slice."""
    slugs = _slugs() if by_tenant else {}
    keys = ["service_category", "charge_category", "confidence", "kind"]
    closed, _ = parts(slice_.window)
    sets: list[tuple[QuerySet[Any], str, str]] = []
    if closed is not None:
        rows = ReportedPnl.objects.filter(
            closed__month__gte=closed.start,
            closed__month__lt=closed.end,
            closed__reopened_at__isnull=True,
        )
        sets.append((rows, "closed__month", ""))
    sets.append((_adjustments(slice_.window), "booked_month", PRIOR_PERIOD))
    for rows, month, category in sets:
        columns = [month] if granularity else []
        group = [*columns, *keys, *(["tenant_id"] if by_tenant else [])]
        mine = _narrowed(rows, slice_).filter(billing_currency=slice_.currency)
        for row in mine.order_by().values(*group).annotate(amount=Sum(slice_.cost_field)):
            yield CostFact(
                column=_column(row.get(month), granularity),
                tenant=slugs.get(row["tenant_id"]) if by_tenant else name,
                service_category=category or row["service_category"],
                charge_category=row["charge_category"],
                confidence=row["confidence"],
                amount=row["amount"],
                is_estimated=row["kind"] == CostKind.ESTIMATED,
            )


def revenue_facts(
    slice_: Slice, granularity: Granularity | None, *, by_tenant: bool, name: str | None
) -> Iterable[RevenueFact]:
    """Reported revenue of the closed months, and the adjustments booked in any month of the slice."""
    slugs = _slugs() if by_tenant else {}
    closed, _ = parts(slice_.window)
    sets: list[tuple[QuerySet[Any], str]] = []
    if closed is not None:
        rows = ReportedRevenue.objects.filter(
            closed__month__gte=closed.start,
            closed__month__lt=closed.end,
            closed__reopened_at__isnull=True,
        )
        sets.append((rows, "closed__month"))
    booked = RevenueAdjustment.objects.filter(**_booked_in(slice_.window))
    sets.append((booked, "booked_month"))
    for rows, month in sets:
        mine = _of_tenants(rows.filter(currency=slice_.currency), slice_)
        group = [*([month] if granularity else []), *(["tenant_id"] if by_tenant else [])]
        for row in mine.order_by().values(*(group or ["currency"])).annotate(total=Sum("amount")):
            yield RevenueFact(
                _column(row.get(month), granularity),
                slugs.get(row["tenant_id"]) if by_tenant else name,
                row["total"],
            )


def uncertain_facts(slice_: Slice, granularity: Granularity | None) -> Iterable[UncertainFact]:
    """What the bounds of the closed months were made of."""
    closed, _ = parts(slice_.window)
    if closed is None:
        return
    rows = ReportedBounds.objects.filter(
        closed__month__gte=closed.start,
        closed__month__lt=closed.end,
        closed__reopened_at__isnull=True,
        billing_currency=slice_.currency,
    )
    for row in _of_tenants(rows, slice_).select_related("closed", "tenant"):
        for side in ("low", "high"):
            amount: Decimal = getattr(row, f"{slice_.metric}_{side}")
            if amount:
                column = _column(row.closed.month, granularity) if granularity else ""
                yield UncertainFact(column, [row.tenant.slug], row.charge_category, amount)


def closes(window: Window) -> list[Close]:
    """The closes of the months of ``window``, oldest first."""
    rows = ClosedMonth.objects.filter(
        month__gte=month_start(window.start), month__lt=window.end, reopened_at__isnull=True
    )
    return [
        Close(row.month, row.closed_at, row.closed_by.get_username())
        for row in rows.select_related("closed_by").order_by("month")
    ]


def changes_since_close(slice_: Slice) -> list[Change]:
    """What became known of each closed month of the slice after its close, oldest month first."""
    found = closes(slice_.window)
    if not found:
        return []
    since, until = month_start(slice_.window.start), slice_.window.end

    def costs(rows: QuerySet[Any], month: str) -> dict[date, Decimal]:
        span = {f"{month}__gte": since, f"{month}__lt": until}
        mine = _narrowed(rows, slice_).filter(billing_currency=slice_.currency, **span)
        return _sums(mine.exclude(charge_category__in=beside()), month, slice_.cost_field)

    def revenue(rows: QuerySet[Any], month: str) -> dict[date, Decimal]:
        span = {f"{month}__gte": since, f"{month}__lt": until}
        mine = _of_tenants(rows, slice_).filter(currency=slice_.currency, **span)
        return _sums(mine, month, "amount")

    standing = {"closed__reopened_at__isnull": True}
    reported = costs(ReportedPnl.objects.filter(**standing), "closed__month")
    reported_revenue = revenue(ReportedRevenue.objects.filter(**standing), "closed__month")
    changed = costs(PriorPeriodAdjustment.objects.all(), "cost_month")
    changed_revenue = revenue(RevenueAdjustment.objects.all(), "service_month")
    return [
        Change(
            close,
            reported.get(close.month, ZERO),
            reported_revenue.get(close.month, ZERO),
            changed.get(close.month, ZERO),
            changed_revenue.get(close.month, ZERO),
        )
        for close in found
    ]


def booked_in(slice_: Slice) -> list[Booked]:
    """What each month of the slice bears of earlier months, oldest first."""
    costs = _narrowed(_adjustments(slice_.window), slice_).filter(billing_currency=slice_.currency)
    costs = costs.exclude(charge_category__in=beside())
    revenue = _of_tenants(
        RevenueAdjustment.objects.filter(**_booked_in(slice_.window), currency=slice_.currency),
        slice_,
    )
    months: dict[date, set[date]] = {}
    sums: dict[date, list[Decimal]] = {}
    for rows, of, amount, place in (
        (costs, "cost_month", slice_.cost_field, 0),
        (revenue, "service_month", "amount", 1),
    ):
        grouped = rows.order_by().values_list("booked_month", of).annotate(total=Sum(amount))
        for into, month, total in grouped:
            months.setdefault(into, set()).add(month)
            both = sums.setdefault(into, [ZERO, ZERO])
            both[place] = EXACT.add(both[place], total)
    return [Booked(into, tuple(sorted(months[into])), *sums[into]) for into in sorted(months)]


def adjustments(slice_: Slice, limit: int | None = None) -> list[PriorPeriodAdjustment]:
    """The adjustments of cost that months of the slice bear, newest first."""
    rows = _narrowed(_adjustments(slice_.window), slice_).filter(billing_currency=slice_.currency)
    return list(rows.select_related("tenant").order_by("-made_at", "-pk")[:limit])


def tells(slice_: Slice, granularity: Granularity | None) -> bool:
    """Whether the slice's basis can answer."""
    try:
        refuse(slice_, granularity)
    except ReportedError:
        return False
    return True


def beside() -> list[str]:
    """Charge categories that are no cost of the margin: credits, and what stands below the line."""
    return [*settings.PNL_BELOW_THE_LINE, ChargeCategory.CREDIT]


def _sums(rows: QuerySet[Any], month: str, amount: str) -> dict[date, Decimal]:
    return dict(rows.order_by().values_list(month).annotate(total=Sum(amount)))


def _booked_in(window: Window) -> dict[str, date]:
    """An adjustment stands on the first day of the month that it is booked in."""
    return {"booked_month__gte": window.start, "booked_month__lt": window.end}


def _adjustments(window: Window) -> QuerySet[PriorPeriodAdjustment]:
    return PriorPeriodAdjustment.objects.filter(**_booked_in(window))


def _narrowed(rows: QuerySet[Any], slice_: Slice) -> QuerySet[Any]:
    for column, value in (
        ("service_provider_name", slice_.provider),
        ("environment", slice_.environment),
        ("product", slice_.product),
        ("team", slice_.team),
    ):
        if value:
            rows = rows.filter(**{column: value})
    if slice_.environments:
        rows = rows.filter(environment__in=slice_.environments)
    return _of_tenants(rows, slice_)


def _of_tenants(rows: QuerySet[Any], slice_: Slice) -> QuerySet[Any]:
    return rows if slice_.tenants is None else rows.filter(tenant__slug__in=slice_.tenants)


def _slugs() -> dict[int | None, str]:
    return dict(Tenant.objects.values_list("pk", "slug"))


def _column(month: date | None, granularity: Granularity | None) -> str:
    if month is None or granularity is None:
        return ""
    return month.isoformat() if granularity == "day" else month_text(month)
