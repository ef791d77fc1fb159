"""Reads over the ledger: P&L by tenant and by column, statements, bounds, reconciliation.

Every figure here is exact (8 decimals); pages round. Amounts of other currencies than the one asked for
are left out and named by ``other_currencies``, because currencies are never added without a rate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from django.conf import settings
from django.db.models import DateField, F, Q, QuerySet, Sum
from django.db.models.functions import TruncMonth

from allocation.core.pnl import CostFact, Pnl, RevenueFact, UncertainFact, add_pnls, build_pnls
from allocation.models import (
    CandidateTenant,
    LedgerDay,
    LedgerMonth,
    PnlDay,
    RecognisedRevenue,
    UncertainCost,
)
from finops.core.amounts import EXACT, ZERO
from finops.core.periods import Window, add_months, month_start, month_text
from ingestion.models import LoadTotal
from ingestion.selectors import Freshness, SourceFreshness, data_through, freshness

__all__ = ["Freshness", "SourceFreshness", "freshness"]

Metric = Literal["effective", "billed"]
Granularity = Literal["day", "month"]


@dataclass(frozen=True)
class Slice:
    """What a page is about. ``tenants`` are slugs; ``None`` is the whole company, unallocated too."""

    window: Window
    tenants: tuple[str, ...] | None = None
    metric: Metric = "effective"
    provider: str = ""
    environment: str = ""
    product: str = ""
    team: str = ""
    currency: str = "USD"

    @property
    def cost_field(self) -> str:
        """The ledger column of the metric."""
        return f"{self.metric}_cost"

    @property
    def is_detailed(self) -> bool:
        """Whether it filters by something that only the full ledger holds."""
        return bool(self.environment or self.product or self.team)


@dataclass(frozen=True)
class StatementColumn:
    """One month or day of a statement; ``complete`` is false where data is still to come."""

    key: str
    label: str
    window: Window
    complete: bool
    pnl: Pnl


@dataclass(frozen=True)
class Statement:
    """A tenant's P&L over a window, by column, in total, and for the window before."""

    columns: tuple[StatementColumn, ...]
    total: Pnl
    previous: Pnl


@dataclass(frozen=True)
class ServiceRow:
    """Cost of one service under one rule."""

    service_name: str
    charge_category: str
    method: str
    confidence: Decimal
    billed_cost: Decimal
    effective_cost: Decimal
    list_cost: Decimal | None
    consumed_quantity: Decimal | None
    consumed_unit: str
    lines: int


@dataclass(frozen=True)
class UntaggedResource:
    """Cost that would settle a tenant's bounds; an empty ``resource_id`` is the account's rest."""

    resource_id: str
    sub_account_id: str
    service_name: str
    amount: Decimal


@dataclass(frozen=True)
class UnallocatedService:
    """Cost of one service that no tenant bears."""

    service_category: str
    service_provider_name: str
    amount: Decimal
    lines: int


@dataclass(frozen=True)
class FilterChoices:
    """What the filters of a page may be set to."""

    providers: tuple[str, ...]
    environments: tuple[str, ...]
    products: tuple[str, ...]
    teams: tuple[str, ...]


@dataclass(frozen=True)
class ReconciliationRow:
    """One source, billing period and currency, on billed cost; exact to the source's last digit."""

    source: str
    source_name: str
    billing_period: date
    currency: str
    source_total: Decimal
    ingested: Decimal
    rejected: Decimal
    allocated: Decimal
    unallocated: Decimal
    residuals: dict[str, Decimal]
    lines: int
    rejected_lines: int

    @property
    def residual_total(self) -> Decimal:
        """All named residuals together."""
        total = ZERO
        for amount in self.residuals.values():
            total = EXACT.add(total, amount)
        return total

    @property
    def difference(self) -> Decimal:
        """What of the source total is neither rejected, allocated, unallocated nor named: zero."""
        rest = self.source_total
        for amount in (self.rejected, self.allocated, self.unallocated, self.residual_total):
            rest = EXACT.subtract(rest, amount)
        return rest


def pnl_by_tenant(slice_: Slice) -> dict[str | None, Pnl]:
    """Each tenant's P&L over the window; what nobody bears is under ``None``."""
    pnls = _pnls(slice_, None)
    return {tenant: pnl for (tenant, _), pnl in pnls.items()}


def pnl_by_column(slice_: Slice, granularity: Granularity) -> dict[str, Pnl]:
    """The P&L of all tenants of the slice together, by day or month.

    For the whole company what nobody bears is cost like any other.
    """
    columns: dict[str, list[Pnl]] = defaultdict(list)
    for (_, column), pnl in sorted(_pnls(slice_, granularity).items(), key=lambda item: item[0][1]):
        columns[column].append(pnl)
    return {column: add_pnls(pnls) for column, pnls in columns.items()}


def statement(slice_: Slice, granularity: Granularity, *, previous: Window) -> Statement:
    """The statement of the slice's tenants, with every column of the window, empty ones too."""
    found = pnl_by_column(slice_, granularity)
    through = data_through()
    columns = tuple(
        _column(key, label, window, found.get(key, Pnl()), through)
        for key, label, window in _columns(slice_.window, granularity)
    )
    before = pnl_by_column(replace(slice_, window=previous), "month")
    return Statement(
        columns=columns,
        total=add_pnls(column.pnl for column in columns),
        previous=add_pnls(before.values()),
    )


def _columns(window: Window, granularity: Granularity) -> Iterable[tuple[str, str, Window]]:
    if granularity == "day":
        for day in window.each_day():
            yield day.isoformat(), f"{day:%-d %b}", Window(day, day + timedelta(days=1))
        return
    for month in window.each_month():
        start, end = max(month, window.start), min(add_months(month, 1), window.end)
        yield month_text(month), f"{month:%b %Y}", Window(start, end)


def _column(
    key: str, label: str, window: Window, pnl: Pnl, through: datetime | None
) -> StatementColumn:
    complete = through is not None and through.date() >= window.end
    return StatementColumn(key, label, window, complete, pnl)


def services(slice_: Slice, service_category: str) -> list[ServiceRow]:
    """The services of one category, largest cost first, with the rule that allocated each."""
    rows = (
        _ledger(slice_)
        .filter(service_category=service_category)
        .values("service_name", "charge_category", "method", "confidence", "consumed_unit")
        .annotate(
            billed=Sum("billed_cost"),
            effective=Sum("effective_cost"),
            listed=Sum("list_cost"),
            quantity=Sum("consumed_quantity"),
            line_count=Sum("lines"),
        )
    )
    merged: dict[tuple[str, str, str, Decimal], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        key = (row["service_name"], row["charge_category"], row["method"], row["confidence"])
        merged[key].append(row)
    found = [_service(key, parts) for key, parts in merged.items()]
    return sorted(found, key=lambda row: (-row.effective_cost, row.service_name))


def _service(key: tuple[str, str, str, Decimal], parts: list[Mapping[str, Any]]) -> ServiceRow:
    def total(name: str) -> Decimal | None:
        values = [part[name] for part in parts if part[name] is not None]
        result = ZERO
        for value in values:
            result = EXACT.add(result, value)
        return result if values else None

    one_unit = len(parts) == 1 and bool(parts[0]["consumed_unit"])
    return ServiceRow(
        *key,
        billed_cost=total("billed") or ZERO,
        effective_cost=total("effective") or ZERO,
        list_cost=total("listed"),
        consumed_quantity=total("quantity") if one_unit else None,
        consumed_unit=str(parts[0]["consumed_unit"]) if one_unit else "",
        lines=sum(int(part["line_count"]) for part in parts),
    )


def untagged_resources(slice_: Slice, tenant_slug: str, limit: int = 10) -> list[UntaggedResource]:
    """The uncertain cost for which the tenant is a candidate, largest first."""
    accounts = CandidateTenant.objects.filter(tenant__slug=tenant_slug).values(
        "load", "sub_account_id"
    )
    wanted = {(row["load"], row["sub_account_id"]) for row in accounts}
    rows = (
        _uncertain(slice_)
        .exclude(charge_category__in=[*settings.PNL_BELOW_THE_LINE, "Credit"])
        .filter(load__in={load for load, _ in wanted})
        .values("load", "sub_account_id", "resource_id", "service_name")
        .annotate(amount=Sum(slice_.cost_field))
    )
    sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        if (row["load"], row["sub_account_id"]) in wanted:
            key = (row["resource_id"], row["sub_account_id"], row["service_name"])
            sums[key] = EXACT.add(sums[key], row["amount"])
    found = [UntaggedResource(*key, amount=amount) for key, amount in sums.items()]
    return sorted(found, key=lambda row: (-abs(row.amount), row.resource_id))[:limit]


def unallocated_by_category(slice_: Slice) -> list[UnallocatedService]:
    """What nobody bears, by service category, largest first (without what is below the line)."""
    rows = (
        PnlDay.objects.filter(
            tenant__isnull=True,
            day__gte=slice_.window.start,
            day__lt=slice_.window.end,
            billing_currency=slice_.currency,
        )
        .exclude(charge_category__in=[*settings.PNL_BELOW_THE_LINE, "Credit"])
        .values("service_category", "service_provider_name")
        .annotate(amount=Sum(slice_.cost_field), line_count=Sum("lines"))
    )
    found = [
        UnallocatedService(
            row["service_category"], row["service_provider_name"], row["amount"], row["line_count"]
        )
        for row in rows
    ]
    return sorted(found, key=lambda row: -row.amount)


def filter_choices(slice_: Slice) -> FilterChoices:
    """Values that occur in the slice's window for its tenants."""
    rows = LedgerMonth.objects.filter(
        month__gte=month_start(slice_.window.start), month__lt=slice_.window.end
    )
    if slice_.tenants is not None:
        rows = rows.filter(tenant__slug__in=slice_.tenants)
    found = rows.values_list("service_provider_name", "environment", "product", "team").distinct()
    columns = list(zip(*found, strict=True)) or [(), (), (), ()]
    return FilterChoices(
        *(tuple(sorted({value for value in column if value})) for column in columns)
    )


def other_currencies(slice_: Slice) -> tuple[str, ...]:
    """Currencies with amounts in the window that the slice does not show."""
    costs = _in_window(PnlDay.objects.all(), slice_).exclude(billing_currency=slice_.currency)
    revenue = RecognisedRevenue.objects.filter(
        day__gte=slice_.window.start, day__lt=slice_.window.end
    ).exclude(currency=slice_.currency)
    if slice_.tenants is not None:
        revenue = revenue.filter(tenant__slug__in=slice_.tenants)
    found = set(costs.values_list("billing_currency", flat=True).distinct())
    found |= set(revenue.values_list("currency", flat=True).distinct())
    return tuple(sorted(found))


def reconciliation(billing_period: date | None = None) -> list[ReconciliationRow]:
    """Every current load's control totals: source total against what became of it."""
    totals = LoadTotal.objects.filter(load__state="current").select_related("load__source")
    if billing_period is not None:
        totals = totals.filter(load__billing_period=billing_period)
    return [
        _reconciled(total)
        for total in totals.order_by(
            "load__source__slug", "load__billing_period", "billing_currency"
        )
    ]


def _reconciled(total: LoadTotal) -> ReconciliationRow:
    beyond = Decimal(total.beyond_18_decimals)
    residuals = {"rounding to 8 decimals": total.exact("rounding")}
    if beyond:
        residuals["digits after the 18th decimal"] = beyond
    return ReconciliationRow(
        source=total.load.source.slug,
        source_name=total.load.source.name,
        billing_period=total.load.billing_period,
        currency=total.billing_currency,
        source_total=EXACT.add(total.exact("source_total"), beyond),
        ingested=EXACT.add(total.exact("ingested"), beyond),
        rejected=total.exact("rejected"),
        allocated=total.allocated,
        unallocated=total.unallocated,
        residuals=residuals,
        lines=total.lines,
        rejected_lines=total.rejected_lines,
    )


def _pnls(slice_: Slice, granularity: Granularity | None) -> dict[tuple[str | None, str], Pnl]:
    return build_pnls(
        _cost_facts(slice_, granularity),
        _revenue_facts(slice_, granularity),
        _uncertain_facts(slice_, granularity),
        below_line=settings.PNL_BELOW_THE_LINE,
    )


def _cost_facts(slice_: Slice, granularity: Granularity | None) -> Iterable[CostFact]:
    rows: QuerySet[PnlDay] | QuerySet[LedgerDay] | QuerySet[LedgerMonth]
    rows = _ledger(slice_) if slice_.is_detailed else _in_window(PnlDay.objects.all(), slice_)
    when = "month" if rows.model is LedgerMonth else "day"
    rows = rows.filter(billing_currency=slice_.currency)
    values = ["tenant__slug", "service_category", "charge_category", "confidence"]
    grouped = (
        _grouped(rows, granularity, when).values("column", *values)
        if granularity
        else rows.values(*values)
    )
    for row in grouped.annotate(amount=Sum(slice_.cost_field)):
        yield CostFact(
            column=_column_key(row.get("column"), granularity),
            tenant=row["tenant__slug"],
            service_category=row["service_category"],
            charge_category=row["charge_category"],
            confidence=row["confidence"],
            amount=row["amount"],
        )


def _revenue_facts(slice_: Slice, granularity: Granularity | None) -> Iterable[RevenueFact]:
    rows = RecognisedRevenue.objects.filter(
        day__gte=slice_.window.start, day__lt=slice_.window.end, currency=slice_.currency
    )
    if slice_.tenants is not None:
        rows = rows.filter(tenant__slug__in=slice_.tenants)
    grouped = (
        _grouped(rows, granularity, "day").values("column", "tenant__slug")
        if granularity
        else rows.values("tenant__slug")
    )
    for row in grouped.annotate(total=Sum("amount")):
        yield RevenueFact(
            _column_key(row.get("column"), granularity), row["tenant__slug"], row["total"]
        )


def _uncertain_facts(slice_: Slice, granularity: Granularity | None) -> Iterable[UncertainFact]:
    """Uncertain cost per column and account, with the tenants that may bear it.

    Signs are kept apart per resource, because a negative line lowers a cost that a positive raises.
    """
    candidates: dict[tuple[object, str], list[str]] = defaultdict(list)
    found = CandidateTenant.objects.filter(load__state="current").values_list(
        "load", "sub_account_id", "tenant__slug"
    )
    wanted = None if slice_.tenants is None else set(slice_.tenants)
    for load, account, slug in found:
        if wanted is None or slug in wanted:
            candidates[load, account].append(slug)
    if not candidates:
        return
    rows = _uncertain(slice_)
    values = ["load", "sub_account_id", "charge_category"]
    for sign in (Q(**{f"{slice_.cost_field}__lt": ZERO}), Q(**{f"{slice_.cost_field}__gt": ZERO})):
        signed = rows.filter(sign)
        grouped = (
            _grouped(signed, granularity, "day").values("column", *values)
            if granularity
            else signed.values(*values)
        )
        for row in grouped.annotate(amount=Sum(slice_.cost_field)):
            tenants = candidates.get((row["load"], row["sub_account_id"]))
            if tenants:
                yield UncertainFact(
                    _column_key(row.get("column"), granularity),
                    tenants,
                    row["charge_category"],
                    row["amount"],
                )


def _ledger(slice_: Slice) -> QuerySet[LedgerDay] | QuerySet[LedgerMonth]:
    """The full ledger of the slice: from the months table where the window is whole months."""
    rows: QuerySet[LedgerDay] | QuerySet[LedgerMonth]
    if slice_.window.is_whole_months():
        rows = LedgerMonth.objects.filter(
            month__gte=slice_.window.start, month__lt=slice_.window.end
        )
    else:
        rows = LedgerDay.objects.filter(day__gte=slice_.window.start, day__lt=slice_.window.end)
    rows = rows.filter(billing_currency=slice_.currency)
    if slice_.tenants is not None:
        rows = rows.filter(tenant__slug__in=slice_.tenants)
    for column in ("environment", "product", "team"):
        if value := getattr(slice_, column):
            rows = rows.filter(**{column: value})
    return rows.filter(service_provider_name=slice_.provider) if slice_.provider else rows


def _in_window(rows: QuerySet[PnlDay], slice_: Slice) -> QuerySet[PnlDay]:
    rows = rows.filter(day__gte=slice_.window.start, day__lt=slice_.window.end)
    if slice_.tenants is not None:
        rows = rows.filter(tenant__slug__in=slice_.tenants)
    return rows.filter(service_provider_name=slice_.provider) if slice_.provider else rows


def _uncertain(slice_: Slice) -> QuerySet[UncertainCost]:
    return UncertainCost.objects.filter(
        day__gte=slice_.window.start,
        day__lt=slice_.window.end,
        billing_currency=slice_.currency,
    )


def _grouped(rows: Any, granularity: Granularity | None, when: str) -> Any:
    if granularity == "month" and when == "day":
        return rows.annotate(column=TruncMonth("day", output_field=DateField()))
    return rows.annotate(column=F(when))


def _column_key(value: Any, granularity: Granularity | None) -> str:
    if value is None:
        return ""
    day: date = value
    return day.isoformat() if granularity == "day" else month_text(day)
