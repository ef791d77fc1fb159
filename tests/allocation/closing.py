"""Small bills of several months and people who close them, for tests of closed months."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from allocation.books import closed_through
from allocation.checklist import checklist
from allocation.close_models import ClosedMonth
from allocation.core.checks import Asked, CheckState
from allocation.month_close import close_month
from allocation.services import recognise_revenue
from finops import clock
from finops.core.focus import CostKind, Granularity, ServiceCategory
from finops.core.periods import Window, add_months
from finops.models import Tenant, User
from ingestion.core.charge_line import ChargeLine
from ingestion.made_load import Made, load_made
from ingestion.models import RevenueRow

NOW = datetime(2026, 12, 20, 9, tzinfo=UTC)
JULY, AUGUST, SEPTEMBER = date(2026, 7, 1), date(2026, 8, 1), date(2026, 9, 1)


def made(source: str = "aws", provider: str = "AWS") -> Made:
    return Made(
        source_kind="invoice",
        identity=source,
        source_slug=source,
        source_name=source.title(),
        service_provider_name=provider,
        key=f"{source} invoice",
    )


def charge(
    month: date,
    cost: str,
    tenant: str = "acme",
    *,
    day: int = 3,
    effective: str = "",
    category: ServiceCategory = ServiceCategory.COMPUTE,
    charged: date | None = None,
    provider: str = "AWS",
    **fields: object,
) -> ChargeLine:
    """One charge line of the bill of ``month``; ``charged`` is the month that it is charged for, where another."""
    start = datetime.combine((charged or month).replace(day=day), datetime.min.time(), UTC)
    return ChargeLine(
        billing_period_start=month,
        charge_period_start=start,
        charge_period_end=start + timedelta(hours=1),
        granularity=Granularity.HOUR,
        service_provider_name=provider,
        service_name="Some service",
        service_category=category,
        billed_cost=Decimal(cost),
        effective_cost=Decimal(effective or cost),
        billing_currency="USD",
        tags={"tenant": tenant} if tenant else {},
        **fields,  # type: ignore[arg-type]
    )


def bill(
    month: date,
    *lines: ChargeLine,
    source: str = "aws",
    provider: str = "AWS",
    kind: CostKind = CostKind.BILLED,
) -> None:
    outcome = load_made(made(source, provider), billing_period=month, lines=lines, kind=kind)
    assert outcome.status in {"loaded", "unchanged"}


def earned(
    month: date, amount: str, tenant: str = "acme", invoice: str = "", currency: str = "USD"
) -> RevenueRow:
    """Revenue of a month, typed in; the same invoice again replaces its amount."""
    owner, _ = Tenant.objects.get_or_create(
        slug=tenant, defaults={"name": tenant.title(), "first_seen": NOW}
    )
    window = Window.of_month(month)
    row, _ = RevenueRow.objects.update_or_create(
        tenant=owner,
        service_start=window.start,
        service_end=window.end,
        invoice_id=invoice or f"{tenant}-{month:%Y-%m}",
        line_id="",
        defaults={"amount": Decimal(amount), "currency": currency},
    )
    recognise_revenue(revenue_row_ids=[row.pk])
    return row


def open_items(month: date) -> dict[str, str]:
    asked = Asked(month, clock.now(), closed_through())
    return {
        item.id: "accepted in a test"
        for item in checklist(asked)
        if item.found.state is CheckState.OPEN
    }


def close(month: date, actor: User, *, reason: str = "all is in") -> ClosedMonth:
    """Close it, and accept what is open."""
    return close_month(month=month, actor=actor, reason=reason, accept=open_items(month))


def months(first: date, count: int) -> Iterable[date]:
    return [add_months(first, number) for number in range(count)]
