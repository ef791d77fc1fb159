"""The journal of a closed month, from what was reported and the account map."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, Sum

from allocation.close_models import (
    ClosedMonth,
    GlAccount,
    PriorPeriodAdjustment,
    ReportedBill,
    ReportedPnl,
)
from allocation.core.journal import AccountRule, Bill, CostLine, JournalLine, build_journal
from finops.core.amounts import EXACT, ZERO
from finops.core.periods import month_text
from finops.models import Tenant
from ingestion.models import Source

_DAY_ONE = date(1, 1, 1)
_MOST_ERRORS = 5
Key = tuple[int, date, str]
"""Source, billing period, currency."""


class JournalError(ValueError):
    """A journal that cannot be made; the message says why and what to do."""


@dataclass
class _Position:
    """What is known of a bill at two closes."""

    now: dict[CostLine, tuple[Decimal, Decimal]] = field(default_factory=dict)
    before: dict[CostLine, tuple[Decimal, Decimal]] = field(default_factory=dict)
    providers: set[str] = field(default_factory=set)
    is_touched: bool = False


def journal_of(month: date) -> list[JournalLine]:
    """The journal of the closed ``month``. Raises ``JournalError``."""
    standing = ClosedMonth.objects.filter(reopened_at__isnull=True)
    closed = standing.filter(month=month).first()
    if closed is None:
        msg = f"{month_text(month)} is not closed: a journal is made of figures that stand. Close the month first."
        raise JournalError(msg)
    earlier = standing.filter(month__lt=month).order_by("-month").first()
    lines, errors = build_journal(month, list(_bills(closed, earlier)), _rules())
    if errors:
        told = " ".join(errors[:_MOST_ERRORS])
        more = f" And {len(errors) - _MOST_ERRORS} more." if len(errors) > _MOST_ERRORS else ""
        msg = f"The journal of {month_text(month)} cannot be made. {told}{more}"
        raise JournalError(msg)
    return lines


def _bills(closed: ClosedMonth, earlier: ClosedMonth | None) -> Iterable[Bill]:
    now = _states(closed)
    before = _states(earlier) if earlier else {}
    slugs = dict(Source.objects.values_list("pk", "slug"))
    settled = {key for key, (invoiced, _) in before.items() if invoiced}
    for (source, period, currency), position in _positions(closed, earlier).items():
        was = (source, period) in settled
        if was and not position.is_touched:
            continue
        invoiced, reference = now.get((source, period), (False, ""))
        yield Bill(
            source=slugs[source],
            billing_period=period,
            currency=currency,
            service_provider_name=_provider(position.providers),
            is_invoiced=invoiced,
            was_invoiced=was,
            reference=reference,
            now=position.now,
            before=position.before,
        )


def _states(closed: ClosedMonth) -> dict[tuple[int, date], tuple[bool, str]]:
    rows = ReportedBill.objects.filter(closed=closed).values_list(
        "source_id", "billing_period", "is_invoiced", "reference"
    )
    return {(source, period): (invoiced, text) for source, period, invoiced, text in rows}


def _positions(closed: ClosedMonth, earlier: ClosedMonth | None) -> dict[Key, _Position]:
    """Every bill that is not settled for good, with its costs by line as of both closes."""
    before = earlier.month if earlier else _DAY_ONE
    centre = settings.GL_COST_CENTRE
    columns = [
        *("source_id", "billing_period", "billing_currency", "tenant_id"),
        *("service_provider_name", "service_category", "charge_category", "kind"),
    ]
    if centre != "tenant":
        columns.append(centre)
    settled = ReportedBill.objects.filter(
        closed=earlier,
        is_invoiced=True,
        source_id=OuterRef("source_id"),
        billing_period=OuterRef("billing_period"),
    )
    slugs: dict[int | None, str] = dict(Tenant.objects.values_list("pk", "slug"))
    found: dict[Key, _Position] = defaultdict(_Position)
    reported = ReportedPnl.objects.filter(
        closed__reopened_at__isnull=True, closed__month__lte=closed.month
    )
    booked = PriorPeriodAdjustment.objects.filter(booked_month__lte=closed.month)
    for rows, month in ((reported, "closed__month"), (booked, "booked_month")):
        news = Q(**{f"{month}__gt": before})
        # A bill that was settled and is not touched books nothing.
        mine = rows.filter(news | ~Exists(settled)) if earlier else rows
        grouped = (
            mine.order_by()
            .values_list(*columns, month)
            .annotate(billed=Sum("billed_cost"), effective=Sum("effective_cost"))
        )
        for source, period, currency, tenant, *about, when, billed, effective in grouped.iterator():
            held = about.pop() if centre != "tenant" else slugs.get(tenant, "")
            line = CostLine(held, slugs.get(tenant, ""), *about)
            position = found[source, period, currency]
            position.providers.add(line.service_provider_name)
            _add(position.now, line, billed, effective)
            if when <= before:
                _add(position.before, line, billed, effective)
            else:
                position.is_touched = True
    return found


def _add(
    costs: dict[CostLine, tuple[Decimal, Decimal]], line: CostLine, billed: Decimal, eff: Decimal
) -> None:
    known = costs.get(line, (ZERO, ZERO))
    costs[line] = (EXACT.add(known[0], billed), EXACT.add(known[1], eff))


def _provider(names: set[str]) -> str:
    return min(names) if names else ""


def _rules() -> list[AccountRule]:
    return [
        AccountRule(
            role=row.role,
            account=row.account,
            service_provider_name=row.service_provider_name,
            service_category=row.service_category,
            charge_category=row.charge_category,
            kind=row.kind,
        )
        for row in GlAccount.objects.all()
    ]
