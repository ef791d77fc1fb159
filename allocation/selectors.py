"""Reads over the ledger: P&L by tenant and by column, statements, bounds, reconciliation.

Every figure here is exact (8 decimals); pages round. Amounts of other currencies than the one asked for
are converted at dated rates; what has no rate is left out and named by ``currency_notes``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Q, Sum

from allocation import facts, past, reported
from allocation.core.figures import (
    FilterChoices,
    Granularity,
    ReconciliationRow,
    ServiceRow,
    Slice,
    Statement,
    StatementColumn,
    UntaggedResource,
)
from allocation.core.ledger import LedgerAmounts
from allocation.core.pnl import Pnl, add_pnls
from allocation.core.reconcile import BEYOND
from allocation.currencies import CurrencyNotes, foreign_currencies, rates_for, settled_slices
from allocation.models import CandidateTenant, LedgerMonth
from finops.core.amounts import EXACT, ZERO, exact_sum
from finops.core.focus import CostKind
from finops.core.periods import Window, add_months, month_start, month_text
from ingestion.models import LoadTotal
from ingestion.selectors import data_through, is_bill, loads_at

NOT_AGAINST_THE_GOAL = ("Credit",)
"""Charge categories that stand beside the margin, with those below the line."""


def pnl_by_tenant(slice_: Slice) -> dict[str | None, Pnl]:
    """Each tenant's P&L over the window; what nobody bears is under ``None``."""
    return facts.pnls_by_tenant(slice_)


def pnl_by_column(slice_: Slice, granularity: Granularity) -> dict[str, Pnl]:
    """The P&L of all tenants of the slice together, by day or month.

    For the whole company what nobody bears is cost like any other.
    """
    return facts.pnls_by_column(slice_, granularity)


def statement(slice_: Slice, granularity: Granularity, *, previous: Window) -> Statement:
    """The statement of the slice's tenants, with every column of the window, empty ones too."""
    found = pnl_by_column(slice_, granularity)
    through = data_through(None if slice_.as_of is None else loads_at(slice_.as_of))
    columns = tuple(
        _column(key, label, window, found.get(key, Pnl()), through)
        for key, label, window in _columns(slice_.window, granularity)
    )
    earlier = replace(slice_, window=previous)
    before = pnl_by_column(earlier, "month") if reported.tells(earlier, "month") else {}
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
    # A month that ends where the data end is open, however much of it was asked for.
    is_open = through is None or through.date() < window.end
    if through is not None and window.days > 1 and not window.is_whole_months():
        is_open = is_open or through.date() == window.end
    last = through.date() - timedelta(days=1) if through else None
    reached = min(last, window.last_day) if last is not None and last >= window.start else None
    return StatementColumn(key, label, window, not is_open, reached, pnl)


def services(slice_: Slice, service_category: str) -> list[ServiceRow]:
    """The services of one category, largest cost first, with the rule that allocated each."""
    merged: dict[_ServiceKey, list[Mapping[str, Any]]] = defaultdict(list)
    beside = {*settings.PNL_BELOW_THE_LINE, *NOT_AGAINST_THE_GOAL}
    for part, rate in _parts_with_rates(slice_):
        rows = facts.ledger(part).filter(service_category=service_category)
        if settings.NON_PRODUCTION_ENVIRONMENTS:
            elsewhere = Q(environment__in=settings.NON_PRODUCTION_ENVIRONMENTS)
            rows = rows.exclude(elsewhere & ~Q(charge_category__in=beside))
        grouped = rows.values(
            "service_name",
            "charge_category",
            "method",
            "confidence",
            "consumed_unit",
            "kind",
        ).annotate(
            billed=Sum("billed_cost"),
            effective=Sum("effective_cost"),
            listed=Sum("list_cost"),
            quantity=Sum("consumed_quantity"),
            line_count=Sum("lines"),
        )
        for row in grouped:
            about = (row["service_name"], row["charge_category"], row["method"], row["confidence"])
            merged[(*about, row["kind"] == CostKind.ESTIMATED)].append(
                _at_rate(row, rate, is_difference=bool(part.sources))
            )
        for load, _, past_key, amounts in past.ledger_rows_by_load(part):
            is_moved = (
                past_key.environment in settings.NON_PRODUCTION_ENVIRONMENTS
                and past_key.charge_category not in beside
            )
            if past_key.service_category == service_category and not is_moved:
                key = (
                    past_key.service_name,
                    past_key.charge_category,
                    past_key.method,
                    past_key.confidence,
                    not is_bill(load),
                )
                merged[key].append(_at_rate(_part(amounts), rate, is_difference=bool(part.sources)))
    found = [_service(key, parts) for key, parts in merged.items()]
    return sorted(found, key=lambda row: (-row.effective_cost, row.service_name))


def _parts_with_rates(slice_: Slice) -> Iterable[tuple[Slice, Decimal]]:
    """The slice, and the months of its window in other currencies with their rates."""
    yield slice_, Decimal(1)
    foreign = foreign_currencies(slice_.currency)
    if not foreign:
        return
    window = slice_.window
    for (month, currency), rate in sorted(
        rates_for(list(window.each_month()), foreign, slice_.currency).items()
    ):
        days = Window(max(month, window.start), min(add_months(month, 1), window.end))
        yield replace(slice_, window=days, currency=currency), rate.rate
    now = replace(slice_, basis="restated")  # services are told as they are known now
    yield from settled_slices(now)  # differences of rates: amounts, and no lines of their own


def _at_rate(row: Mapping[str, Any], rate: Decimal, *, is_difference: bool) -> Mapping[str, Any]:
    if rate == 1 and not is_difference:
        return row
    return {
        **row,
        **({"quantity": None, "line_count": 0} if is_difference else {}),
        **{
            name: None if row[name] is None else EXACT.multiply(row[name], rate)
            for name in ("billed", "effective", "listed")
        },
    }


def _part(amounts: LedgerAmounts) -> dict[str, Any]:
    return {
        "billed": amounts.billed_cost,
        "effective": amounts.effective_cost,
        "listed": amounts.list_cost,
        "quantity": amounts.consumed_quantity,
        "consumed_unit": amounts.consumed_unit,
        "line_count": amounts.lines,
    }


_ServiceKey = tuple[str, str, str, Decimal, bool]
"""Service, charge category, method, confidence, whether it is estimated."""


def _service(key: _ServiceKey, parts: list[Mapping[str, Any]]) -> ServiceRow:
    def total(name: str) -> Decimal | None:
        values = [part[name] for part in parts if part[name] is not None]
        result = ZERO
        for value in values:
            result = EXACT.add(result, value)
        return result if values else None

    one_unit = len({part["consumed_unit"] for part in parts}) == 1 and bool(
        parts[0]["consumed_unit"]
    )
    return ServiceRow(
        *key[:4],
        is_estimated=key[4],
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
    wanted = {(row["load"], row["sub_account_id"]) for row in accounts} | {
        (load, account) for load, account, slug in past.candidates(slice_) if slug == tenant_slug
    }
    rows = (
        facts.uncertain_rows(slice_)
        .exclude(charge_category__in=_beside())
        .filter(sub_account_id__in={account for _, account in wanted})
        .values("load", "sub_account_id", "resource_id", "service_name")
        .annotate(amount=Sum(slice_.cost_field))
    )
    sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        if (row["load"], row["sub_account_id"]) in wanted:
            key = (row["resource_id"], row["sub_account_id"], row["service_name"])
            sums[key] = EXACT.add(sums[key], row["amount"])
    for part in past.uncertain_rows(slice_):
        is_cost = part.charge_category not in _beside()
        if is_cost and (part.load, part.sub_account_id) in wanted:
            key = (part.resource_id, part.sub_account_id, part.service_name)
            sums[key] = EXACT.add(sums[key], getattr(part, slice_.cost_field))
    found = [UntaggedResource(*key, amount=amount) for key, amount in sums.items()]
    return sorted(found, key=lambda row: (-abs(row.amount), row.resource_id))[:limit]


def unallocated_cost(slice_: Slice) -> Decimal:
    """What nobody bears in the slice's window and filters, without credits and what is below the line."""
    everyone = replace(slice_, tenants=None)
    is_mixed = settings.NON_PRODUCTION_ENVIRONMENTS or foreign_currencies(slice_.currency)
    if slice_.basis == "reported" or is_mixed:
        return facts.pnls_by_tenant(everyone).get(None, Pnl()).cost
    rows = facts.ledger(everyone) if slice_.is_detailed else facts.pnl_days(everyone)
    found = rows.filter(tenant__isnull=True, billing_currency=slice_.currency).exclude(
        charge_category__in=_beside()
    )
    total: Decimal | None = found.aggregate(total=Sum(slice_.cost_field))["total"]
    earlier = exact_sum(
        getattr(amounts, slice_.cost_field)
        for _, key, amounts in past.ledger_rows(everyone)
        if not key.tenant and key.charge_category not in _beside()
    )
    return EXACT.add(total or ZERO, earlier)


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


def currency_notes(slice_: Slice) -> CurrencyNotes:
    """What of the slice was converted, at which rates, and what is left out because it has none."""
    return facts.currency_notes(slice_)


def other_currencies(slice_: Slice) -> tuple[str, ...]:
    """Currencies with amounts in the window that no rate converts: they are in no figure."""
    return tuple(sorted({one.currency for one in currency_notes(slice_).missing}))


def reconciliation(
    billing_period: date | None = None, *, estimates: bool = False
) -> list[ReconciliationRow]:
    """Every current bill's control totals: source total against what became of it.

    With ``estimates`` those of estimates instead, which no provider has charged.
    """
    wanted = Q(load__kind=CostKind.ESTIMATED.value)
    totals = LoadTotal.objects.filter(wanted if estimates else ~wanted, load__state="current")
    totals = totals.select_related("load__source")
    if billing_period is not None:
        totals = totals.filter(load__billing_period=billing_period)
    return [
        _reconciled(total)
        for total in totals.order_by(
            *("load__source__slug", "load__billing_period", "billing_currency"),
            "service_provider_name",
        )
    ]


def _reconciled(total: LoadTotal) -> ReconciliationRow:
    beyond = Decimal(total.beyond_18_decimals)
    residuals = {"rounding to 8 decimals": total.exact("rounding")}
    if beyond:
        residuals[BEYOND] = beyond
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
        kind=total.load.kind,
        provider=total.service_provider_name,
        source_kind=total.load.source.kind,
    )


def _beside() -> list[str]:
    return [*settings.PNL_BELOW_THE_LINE, *NOT_AGAINST_THE_GOAL]
