"""Ledger rows as the facts that a P&L is built from: one grouped query each, nothing added in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from django.db.models import F, Model, Q, QuerySet, Sum

from allocation import past, reported
from allocation.below_line import below_the_line, without_non_production
from allocation.core.figures import Granularity, Slice
from allocation.core.pnl import (
    CostFact,
    Pnl,
    RevenueFact,
    UncertainFact,
    build_pnls,
)
from allocation.currencies import (
    Converted,
    CurrencyNotes,
    Missing,
    foreign_currencies,
    frozen_rate,
    in_one_currency,
    notes,
    settled_parts,
)
from allocation.models import (
    CandidateTenant,
    LedgerDay,
    LedgerMonth,
    PnlDay,
    PnlMonth,
    RecognisedRevenue,
    UncertainCost,
)
from finops.core.amounts import ZERO
from finops.core.focus import CostKind
from finops.core.periods import Window, month_text
from finops.expressions import MonthText
from finops.models import Tenant
from ingestion.selectors import is_bill

_Row = TypeVar("_Row", bound=Model)


def pnls_by_tenant(slice_: Slice) -> dict[str | None, Pnl]:
    """Each tenant's P&L over the whole window; ``None`` is what nobody bears."""
    return {tenant: pnl for (tenant, _), pnl in pnls_by_tenant_and_column(slice_, None).items()}


def pnls_by_tenant_and_column(
    slice_: Slice, granularity: Granularity | None
) -> dict[tuple[str | None, str], Pnl]:
    """Each tenant's P&L by column; without ``granularity`` there is one column, with an empty key.

    Raises ``PastGoneError``, and ``ReportedError`` where the slice's basis cannot answer.
    """
    reported.refuse(slice_, granularity)
    return build_pnls(
        *_in_one_currency(slice_, granularity, by_tenant=True, bounds=True),
        below_line=below_the_line(),
    )


def pnls_by_column(slice_: Slice, granularity: Granularity) -> dict[str, Pnl]:
    """The P&L of the slice's tenants together, by column, in order.

    Bounds belong to one tenant: they are there only where the slice names exactly one. Raises as above.
    """
    reported.refuse(slice_, granularity)
    alone = slice_.tenants[0] if slice_.tenants is not None and len(slice_.tenants) == 1 else None
    found = build_pnls(
        *_in_one_currency(slice_, granularity, by_tenant=False, name=alone, bounds=bool(alone)),
        below_line=below_the_line(),
    )
    return {column: pnl for (_, column), pnl in sorted(found.items(), key=lambda item: item[0][1])}


def _in_one_currency(
    slice_: Slice,
    granularity: Granularity | None,
    *,
    by_tenant: bool,
    bounds: bool,
    name: str | None = None,
) -> tuple[Iterable[CostFact], Iterable[RevenueFact], Iterable[UncertainFact]]:
    """Cost, revenue and uncertain cost of the slice, other currencies converted."""
    foreign = foreign_currencies(slice_.currency)

    def costs(part: Slice, by: Granularity | None) -> Iterable[CostFact]:
        return without_non_production(part, by, partial(cost_facts, by_tenant=by_tenant, name=name))

    revenue = partial(revenue_facts, by_tenant=by_tenant, name=name)
    booked = booked_facts(slice_, granularity, by_tenant=by_tenant, name=name)
    return (
        chain(
            in_one_currency(slice_, granularity, costs, foreign),
            settled_parts(slice_, granularity, costs, foreign),
            booked[0],
        ),
        chain(in_one_currency(slice_, granularity, revenue, foreign), booked[1]),
        in_one_currency(slice_, granularity, uncertain_facts, foreign) if bounds else (),
    )


def booked_facts(
    slice_: Slice,
    granularity: Granularity | None,
    *,
    by_tenant: bool,
    name: str | None = None,
    cost: reported.CostMonth = "booked_month",
    revenue: reported.RevenueMonth = "booked_month",
) -> tuple[Iterable[CostFact], Iterable[RevenueFact]]:
    """The adjustments that the slice's months bear, or that became known of them; none but on the basis reported."""
    if slice_.basis != "reported":
        return (), ()
    read = partial(reported.adjustment_facts, by_tenant=by_tenant, name=name, of=cost)
    return (
        without_non_production(slice_, granularity, read),
        reported.revenue_adjustment_facts(
            slice_, granularity, by_tenant=by_tenant, name=name, of=revenue
        ),
    )


def currency_notes(slice_: Slice) -> CurrencyNotes:
    """What of the slice was converted, at which rates, and what could not be."""
    return notes(
        slice_,
        partial(cost_facts, by_tenant=False),
        partial(revenue_facts, by_tenant=False),
        _booked_notes(slice_) if slice_.basis == "reported" else (),
    )


def _booked_notes(slice_: Slice) -> Iterable[Converted | Missing]:
    for one in reported.adjusted(slice_):
        if one.rate:
            rate = frozen_rate(
                one.month, one.currency, slice_.currency, one.rate, is_late=one.is_late
            )
            yield Converted(rate, one.cost, one.revenue)
        else:
            yield Missing(one.currency, one.month, one.cost, one.revenue)


def ledger(slice_: Slice) -> QuerySet[LedgerDay] | QuerySet[LedgerMonth]:
    """The full ledger of the slice: from the months table where the window is whole months."""
    window = slice_.window
    rows: QuerySet[LedgerDay] | QuerySet[LedgerMonth]
    if window.is_whole_months():
        months = LedgerMonth.objects.filter(month__gte=window.start, month__lt=window.end)
        rows = _as_of(months, slice_)
    else:
        days = LedgerDay.objects.filter(day__gte=window.start, day__lt=window.end)
        rows = _as_of(days, slice_)
    rows = rows.filter(billing_currency=slice_.currency)
    for column in ("environment", "product", "team"):
        if value := getattr(slice_, column):
            rows = rows.filter(**{column: value})
    if slice_.environments:
        rows = rows.filter(environment__in=slice_.environments)
    if slice_.sources:
        rows = rows.filter(source__in=slice_.sources)
    if slice_.provider:
        rows = rows.filter(service_provider_name=slice_.provider)
    return rows if slice_.tenants is None else rows.filter(tenant__in=tenant_ids(slice_))


def pnl_days(slice_: Slice) -> QuerySet[PnlDay]:
    """The small P&L table in the slice's window, in every currency."""
    rows = PnlDay.objects.filter(day__gte=slice_.window.start, day__lt=slice_.window.end)
    return _of_slice(rows, slice_)


def _as_of(rows: QuerySet[_Row], slice_: Slice) -> QuerySet[_Row]:
    """Without the rows of periods that were another at the slice's moment."""
    left_out = past.past(slice_.as_of).left_out
    return rows.exclude(load_id__in=left_out) if left_out else rows


def _of_slice(rows: QuerySet[_Row], slice_: Slice) -> QuerySet[_Row]:
    rows = _as_of(rows, slice_)
    if slice_.provider:
        rows = rows.filter(service_provider_name=slice_.provider)
    return rows if slice_.tenants is None else rows.filter(tenant__in=tenant_ids(slice_))


def revenue_days(slice_: Slice) -> QuerySet[RecognisedRevenue]:
    """Recognised revenue in the slice's window, in every currency."""
    rows = RecognisedRevenue.objects.filter(day__gte=slice_.window.start, day__lt=slice_.window.end)
    return rows if slice_.tenants is None else rows.filter(tenant__in=tenant_ids(slice_))


def uncertain_rows(slice_: Slice) -> QuerySet[UncertainCost]:
    """Cost that nobody bears, by account, in the slice's window and currency."""
    rows = UncertainCost.objects.filter(
        day__gte=slice_.window.start,
        day__lt=slice_.window.end,
        billing_currency=slice_.currency,
    )
    return _as_of(rows, slice_)


def tenant_ids(slice_: Slice) -> list[int]:
    """Ids of the slice's tenants: a list, because planners use the index for it."""
    return list(Tenant.objects.filter(slug__in=slice_.tenants or ()).values_list("pk", flat=True))


def uncertain_currencies(window: Window) -> list[str]:
    """The currencies of the uncertain cost in ``window``."""
    rows = UncertainCost.objects.filter(day__gte=window.start, day__lt=window.end).order_by()
    return sorted(rows.values_list("billing_currency", flat=True).distinct())


def cost_facts(
    slice_: Slice, granularity: Granularity | None, *, by_tenant: bool, name: str | None = None
) -> Iterable[CostFact]:
    """The slice's cost by column, category and confidence, and by tenant or under ``name``.

    Without what its months bear of earlier ones (``reported.adjustment_facts``).
    """
    if slice_.basis == "reported":
        closed, live = reported.split(slice_)
        if closed:
            yield from reported.cost_facts(closed, granularity, by_tenant=by_tenant, name=name)
        if live:
            yield from cost_facts(live, granularity, by_tenant=by_tenant, name=name)
        return
    keys = ["service_category", "charge_category", "confidence", "kind"]
    slugs = _slugs() if by_tenant else {}
    for rows in _cost_rows(slice_, granularity):
        when = "month" if rows.model in {LedgerMonth, PnlMonth} else "day"
        mine = rows.filter(billing_currency=slice_.currency)
        grouped = _grouped(mine, granularity, when, [*keys, "tenant_id"] if by_tenant else keys)
        for row in grouped.annotate(amount=Sum(slice_.cost_field)):
            yield CostFact(
                column=_column_key(row.get("column"), granularity),
                tenant=slugs.get(row["tenant_id"]) if by_tenant else name,
                service_category=row["service_category"],
                charge_category=row["charge_category"],
                confidence=row["confidence"],
                amount=row["amount"],
                is_estimated=row["kind"] == CostKind.ESTIMATED,
            )
    for load, day, key, amounts in past.ledger_rows_by_load(slice_):
        yield CostFact(
            column="" if granularity is None else _column_key(day, granularity),
            tenant=(key.tenant or None) if by_tenant else name,
            service_category=key.service_category,
            charge_category=key.charge_category,
            confidence=key.confidence,
            amount=getattr(amounts, slice_.cost_field),
            is_estimated=not is_bill(load),
        )


def _cost_rows(slice_: Slice, granularity: Granularity | None) -> Iterable[Any]:
    """The smallest tables that hold the slice: whole months by the month, loose days by the day."""
    months, edges = slice_.window.split_months()
    if slice_.is_detailed:
        if months is None or granularity == "day":
            yield ledger(slice_)
            return
        for part in (months, *edges):
            yield ledger(replace(slice_, window=part))
        return
    if months is None or granularity == "day":
        yield pnl_days(slice_)
        return
    yield _of_slice(PnlMonth.objects.filter(month__gte=months.start, month__lt=months.end), slice_)
    for edge in edges:
        yield pnl_days(replace(slice_, window=edge))


def revenue_facts(
    slice_: Slice, granularity: Granularity | None, *, by_tenant: bool, name: str | None = None
) -> Iterable[RevenueFact]:
    """The slice's recognised revenue by column, and by tenant or under ``name``."""
    if slice_.basis == "reported":
        closed, live = reported.split(slice_)
        if closed:
            yield from reported.revenue_facts(closed, granularity, by_tenant=by_tenant, name=name)
        if live:
            yield from revenue_facts(live, granularity, by_tenant=by_tenant, name=name)
        return
    rows = revenue_days(slice_).filter(currency=slice_.currency)
    grouped = _grouped(rows, granularity, "day", ["tenant_id"] if by_tenant else [])
    slugs = _slugs() if by_tenant else {}
    for row in grouped.annotate(total=Sum("amount")):
        yield RevenueFact(
            _column_key(row.get("column"), granularity),
            slugs[row["tenant_id"]] if by_tenant else name,
            row["total"],
        )


def uncertain_facts(slice_: Slice, granularity: Granularity | None) -> Iterable[UncertainFact]:
    """Uncertain cost per column and account, with the tenants that may bear it.

    Signs are kept apart, because a negative line lowers a cost that a positive one raises.
    """
    if slice_.basis == "reported":
        closed, live = reported.split(slice_)
        if closed:
            yield from reported.uncertain_facts(closed, granularity)
        if live:
            yield from uncertain_facts(live, granularity)
        return
    candidates: dict[tuple[object, str], list[str]] = defaultdict(list)
    for load, account, slug in _candidates(slice_):
        candidates[load, account].append(slug)
    if not candidates:
        return
    rows = uncertain_rows(slice_)
    if slice_.tenants is not None:
        rows = rows.filter(sub_account_id__in={account for _, account in candidates})
    keys = ["load", "sub_account_id", "charge_category"]
    grouped = _grouped(rows, granularity, "day", keys)
    negative = Q(**{f"{slice_.cost_field}__lt": ZERO})
    sums = grouped.annotate(
        low=Sum(slice_.cost_field, filter=negative), high=Sum(slice_.cost_field, filter=~negative)
    )
    for row in sums:
        tenants = candidates.get((row["load"], row["sub_account_id"]))
        for amount in (row["low"], row["high"]):
            if tenants and amount:
                column = _column_key(row.get("column"), granularity)
                yield UncertainFact(column, tenants, row["charge_category"], amount)
    for part in past.uncertain_rows(slice_):
        tenants = candidates.get((part.load, part.sub_account_id))
        if tenants:
            column = "" if granularity is None else _column_key(part.day, granularity)
            amount = getattr(part, slice_.cost_field)
            yield UncertainFact(column, tenants, part.charge_category, amount)


def _candidates(slice_: Slice) -> Iterable[tuple[object, str, str]]:
    rows = CandidateTenant.objects.filter(load__state="current")
    if slice_.tenants is not None:
        rows = rows.filter(tenant__slug__in=slice_.tenants)
    yield from _as_of(rows, slice_).values_list("load", "sub_account_id", "tenant__slug").iterator()
    yield from past.candidates(slice_)


def _slugs() -> dict[int | None, str]:
    """Slugs by id, joined here and not by the database, which would join before it groups."""
    return dict(Tenant.objects.values_list("pk", "slug"))


def _grouped(rows: Any, granularity: Granularity | None, when: str, keys: list[str]) -> Any:
    rows = rows.order_by()
    if granularity is None:
        # A constant column keeps the grouping where there is no other key.
        return rows.values(*keys) if keys else rows.values("currency")
    if granularity == "month" and when == "day":
        return rows.annotate(column=MonthText("day")).values("column", *keys)
    return rows.annotate(column=F(when)).values("column", *keys)


def _column_key(value: Any, granularity: Granularity | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    day: date = value
    return day.isoformat() if granularity == "day" else month_text(day)
