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
from typing import Any, Literal

from django.conf import settings
from django.db.models import QuerySet, Sum

from allocation import books
from allocation.close_models import (
    ClosedMonth,
    LateRate,
    PriorPeriodAdjustment,
    ReportedBounds,
    ReportedPnl,
    ReportedRevenue,
    RevenueAdjustment,
)
from allocation.core.closing import EXCHANGE, PRIOR_PERIOD
from allocation.core.figures import Granularity, Slice
from allocation.core.pnl import CostFact, RevenueFact, UncertainFact
from finops.core.amounts import EXACT, ZERO
from finops.core.focus import ChargeCategory, CostKind
from finops.core.periods import Window, add_months, month_start, month_text
from finops.models import Tenant

CostMonth = Literal["booked_month", "cost_month"]
RevenueMonth = Literal["booked_month", "service_month"]


class ReportedError(ValueError):
    """A question that figures as reported cannot answer; the message is one sentence for people."""


@dataclass(frozen=True)
class Close:
    """Who closed a month, when."""

    month: date
    closed_at: datetime
    closed_by: str


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


def split(slice_: Slice) -> tuple[Slice | None, Slice | None]:
    """The slice over its closed months, as reported, and over the open rest, as the ledger has it; one query."""
    closed, rest = parts(slice_.window)
    return (
        None if closed is None else replace(slice_, window=closed),
        None if rest is None else replace(slice_, window=rest, basis="restated"),
    )


def cost_facts(
    slice_: Slice, granularity: Granularity | None, *, by_tenant: bool, name: str | None
) -> Iterable[CostFact]:
    """Reported cost of a slice of closed months, in the slice's currency."""
    closed = slice_.window
    rows = ReportedPnl.objects.filter(
        closed__month__gte=closed.start,
        closed__month__lt=closed.end,
        closed__reopened_at__isnull=True,
        billing_currency=slice_.currency,
    )
    if slice_.sources:
        rows = rows.filter(source__in=slice_.sources)
    slugs = _slugs() if by_tenant else {}
    group = _group(["closed__month"] if granularity else [], by_tenant=by_tenant)
    grouped = _narrowed(rows, slice_).order_by().values(*group)
    for row in grouped.annotate(amount=Sum(slice_.cost_field)):
        yield CostFact(
            column=_column(row.get("closed__month"), granularity),
            tenant=slugs.get(row["tenant_id"]) if by_tenant else name,
            service_category=row["service_category"],
            charge_category=row["charge_category"],
            confidence=row["confidence"],
            amount=row["amount"],
            is_estimated=row["kind"] == CostKind.ESTIMATED,
        )


def adjustment_facts(
    slice_: Slice,
    granularity: Granularity | None,
    *,
    by_tenant: bool,
    name: str | None = None,
    of: CostMonth = "booked_month",
) -> Iterable[CostFact]:
    """The adjustments that the months of the slice bear, or with ``of`` those of their own cost, as cost facts.

    In the slice's currency already: each counts at the rate that it was booked at. What had none is left out here
    and named by ``adjusted``.
    """
    slugs = _slugs() if by_tenant else {}
    rate = ["billing_currency", "quote", "rate", "is_exchange"]
    group = _group([*([of] if granularity else []), *rate], by_tenant=by_tenant)
    rows = _narrowed(PriorPeriodAdjustment.objects.filter(**_months_in(slice_.window, of)), slice_)
    for row in rows.order_by().values(*group).annotate(amount=Sum(slice_.cost_field)):
        amount = _worth(row, row["billing_currency"], slice_.currency)
        if amount is None:
            continue
        yield CostFact(
            column=_column(row.get(of), granularity),
            tenant=slugs.get(row["tenant_id"]) if by_tenant else name,
            service_category=EXCHANGE if row["is_exchange"] else PRIOR_PERIOD,
            charge_category=row["charge_category"],
            confidence=row["confidence"],
            amount=amount,
            is_estimated=row["kind"] == CostKind.ESTIMATED,
        )


def revenue_facts(
    slice_: Slice, granularity: Granularity | None, *, by_tenant: bool, name: str | None
) -> Iterable[RevenueFact]:
    """Reported revenue of a slice of closed months."""
    closed = slice_.window
    rows = ReportedRevenue.objects.filter(
        closed__month__gte=closed.start,
        closed__month__lt=closed.end,
        closed__reopened_at__isnull=True,
        currency=slice_.currency,
    )
    slugs = _slugs() if by_tenant else {}
    group = [
        *(["closed__month"] if granularity else []),
        *(["tenant_id"] if by_tenant else []),
    ]
    mine = _of_tenants(rows, slice_).order_by().values(*(group or ["currency"]))
    for row in mine.annotate(total=Sum("amount")):
        yield RevenueFact(
            _column(row.get("closed__month"), granularity),
            slugs.get(row["tenant_id"]) if by_tenant else name,
            row["total"],
        )


def revenue_adjustment_facts(
    slice_: Slice,
    granularity: Granularity | None,
    *,
    by_tenant: bool,
    name: str | None = None,
    of: RevenueMonth = "booked_month",
) -> Iterable[RevenueFact]:
    """The adjustments of revenue that the months of the slice bear, or with ``of`` those of their own revenue."""
    slugs = _slugs() if by_tenant else {}
    group = ["currency", "quote", "rate"]
    group += [*([of] if granularity else []), *(["tenant_id"] if by_tenant else [])]
    rows = RevenueAdjustment.objects.filter(**_months_in(slice_.window, of))
    for row in _of_tenants(rows, slice_).order_by().values(*group).annotate(amount=Sum("amount")):
        amount = _worth(row, row["currency"], slice_.currency)
        if amount is not None:
            owner = slugs.get(row["tenant_id"]) if by_tenant else name
            yield RevenueFact(_column(row.get(of), granularity), owner, amount)


def uncertain_facts(slice_: Slice, granularity: Granularity | None) -> Iterable[UncertainFact]:
    """What the bounds of a slice of closed months were made of."""
    closed = slice_.window
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


def adjustments(
    slice_: Slice, limit: int | None = None, *, is_exchange: bool = False
) -> list[PriorPeriodAdjustment]:
    """The adjustments of cost that months of the slice bear, or their exchange differences; newest first."""
    rows = PriorPeriodAdjustment.objects.filter(
        **_months_in(slice_.window, "booked_month"), is_exchange=is_exchange
    )
    mine = _narrowed(rows, slice_).select_related("tenant")
    return list(mine.order_by("-made_at", "-pk")[:limit])


@dataclass(frozen=True)
class Adjusted:
    """Amounts in another currency that the window bears of a closed month; ``rate`` 0: none is known."""

    month: date
    currency: str
    rate: Decimal
    is_late: bool
    cost: Decimal
    revenue: Decimal


def adjusted(slice_: Slice) -> list[Adjusted]:
    """What the slice's months bear of earlier ones in other currencies, at which rates.

    What was booked without a rate and then at the rate that became known is there once, at that rate.
    """
    sums: dict[tuple[date, date, str, Decimal], list[Decimal]] = {}
    costs = _narrowed(
        PriorPeriodAdjustment.objects.filter(
            **_months_in(slice_.window, "booked_month"), is_exchange=False
        ),
        slice_,
    )
    revenue = _of_tenants(
        RevenueAdjustment.objects.filter(**_months_in(slice_.window, "booked_month")), slice_
    )
    for rows, of, currency, amount, place in (
        (costs, "cost_month", "billing_currency", slice_.cost_field, 0),
        (revenue, "service_month", "currency", "amount", 1),
    ):
        foreign = rows.exclude(**{currency: slice_.currency}).filter(quote=slice_.currency)
        grouped = foreign.order_by().values_list("booked_month", of, currency, "rate")
        for booked, month, name, rate, total in grouped.annotate(total=Sum(amount)):
            both = sums.setdefault((booked, month, name, Decimal(rate)), [ZERO, ZERO])
            both[place] = EXACT.add(both[place], total)
    rated = {key[:3] for key in sums if key[3]}
    late = (
        set(LateRate.objects.filter(closed__reopened_at__isnull=True).values_list("month", "base"))
        if sums
        else set()
    )
    return [
        Adjusted(month, name, rate, (month, name) in late, *both)
        for (booked, month, name, rate), both in sorted(sums.items())
        if any(both) and (rate or (booked, month, name) not in rated)
    ]


def months_borne(slice_: Slice) -> dict[date, set[date]]:
    """Month of the slice → the closed months whose cost of the margin, or revenue, it bears changes of."""
    span = _months_in(slice_.window, "booked_month")
    costs = _narrowed(PriorPeriodAdjustment.objects.filter(**span), slice_)
    revenue = _of_tenants(RevenueAdjustment.objects.filter(**span), slice_)
    found: dict[date, set[date]] = {}
    for rows, of in (
        (costs.exclude(charge_category__in=beside()), "cost_month"),
        (revenue, "service_month"),
    ):
        for into, month in rows.order_by().values_list("booked_month", of).distinct():
            found.setdefault(into, set()).add(month)
    return found


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


def _group(first: list[str], *, by_tenant: bool) -> list[str]:
    keys = ["service_category", "charge_category", "confidence", "kind"]
    return [*first, *keys, *(["tenant_id"] if by_tenant else [])]


def _worth(row: dict[str, Any], currency: str, to: str) -> Decimal | None:
    """The amount of an adjustment in ``to``; ``None`` where it has no worth there."""
    amount: Decimal = row["amount"]
    if currency == to:
        return None if row.get("is_exchange") else amount
    rate = Decimal(row["rate"])
    return EXACT.multiply(amount, rate) if row["quote"] == to and rate else None


def _months_in(window: Window, of: str) -> dict[str, date]:
    """An adjustment stands on the first day of its month."""
    return {f"{of}__gte": window.start, f"{of}__lt": window.end}


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
