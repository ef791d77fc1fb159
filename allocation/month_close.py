"""Close a month, and reopen the last closed one: by a person who may, audited, in one transaction.

Months close in order. What a closed month reported stays in rows of its own; what becomes known later goes to the
ledger as always and, as an adjustment, into the first open month (``allocation.books``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from allocation import books
from allocation.by_month import own_by_month
from allocation.checklist import checklist
from allocation.close_models import (
    Books,
    ClosedMonth,
    FrozenRate,
    FrozenSettlement,
    PriorPeriodAdjustment,
    ReportedBill,
    ReportedBounds,
    ReportedPnl,
    ReportedRevenue,
    RevenueAdjustment,
)
from allocation.core.checks import Asked, CheckState
from allocation.core.closing import digest
from allocation.core.figures import Slice
from allocation.core.pnl import Pnl
from allocation.report import BILL, BOUNDS, COST, SETTLED, Report, figures_mark, report_of
from finops import audit, clock
from finops.bulk import insert_rows
from finops.core.amounts import EXACT, ZERO, plain, to_money
from finops.core.periods import Window, month_text
from finops.models import User
from finops.permissions import Capability, check


class CloseRefusedError(ValueError):
    """A month that cannot be closed or reopened now; the message says why and what to do."""


def close_month(
    *,
    month: date,
    actor: User,
    reason: str,
    accept: Mapping[str, str] | None = None,
    seen: str = "",
) -> ClosedMonth:
    """Close ``month`` for good: its figures are kept as reported, with rates and the state of its bills.

    ``accept`` holds, by check, why an open item of the checklist is accepted; ``seen`` is the ``figures_mark`` of the
    figures that the person looked at. Raises ``PermissionDenied`` and ``CloseRefusedError``; then nothing has changed.
    """
    check(actor, Capability.CLOSE_MONTH)
    wanted = {name: text.strip() for name, text in (accept or {}).items() if text.strip()}
    if not reason.strip():
        msg = "Say in a few words on what grounds the month is closed: the audit log keeps it."
        raise CloseRefusedError(msg)
    with transaction.atomic():
        held = books.lock()
        _refuse_closed(month, held.closed_through)
        now = clock.now()
        items = checklist(Asked(month, now, held.closed_through))
        blocked = [item.found.sentence for item in items if item.found.state is CheckState.BLOCKED]
        if blocked:
            msg = f"{month_text(month)} cannot be closed: {' '.join(blocked)}"
            raise CloseRefusedError(msg)
        left = [
            item.title.lower()
            for item in items
            if item.found.state is CheckState.OPEN and item.id not in wanted
        ]
        if left:
            msg = (
                f"{month_text(month)} is not closed, because items of its checklist are open: "
                f"{', '.join(left)}. Settle them, or accept each with a reason."
            )
            raise CloseRefusedError(msg)
        report = report_of(month)
        if seen and seen != figures_mark(month):
            msg = (
                f"The figures of {month_text(month)} changed since the page was loaded: look at them "
                "again, then close."
            )
            raise CloseRefusedError(msg)
        figures = _figures(month)
        accepted = {
            item.id: wanted[item.id] for item in items if item.found.state is CheckState.OPEN
        }
        closed = ClosedMonth.objects.create(
            month=month,
            closed_by=actor,
            closed_at=now,
            reason=reason.strip(),
            accepted=accepted,
            reporting_currency=settings.REPORTING_CURRENCY,
            cost=to_money(figures.cost),
            revenue=to_money(figures.revenue),
            digest=report.digest,
        )
        _store(closed, report)
        Books.objects.filter(pk=held.pk).update(closed_through=month)
        audit.record(
            actor=actor,
            verb="month.close",
            target=f"month {month_text(month)}",
            before={"state": "open"},
            after={
                "state": "closed",
                "digest": closed.digest,
                **_totals(report),
                **({"accepted": accepted} if accepted else {}),
            },
            reason=reason,
        )
    return closed


def reopen_month(*, month: date, actor: User, reason: str) -> ClosedMonth:
    """Open the last closed month again; its adjustments, all of them in open months, are taken back.

    What it reported stays stored, and the audit log holds its digest. Raises ``PermissionDenied`` and
    ``CloseRefusedError``.
    """
    check(actor, Capability.CLOSE_MONTH)
    if not reason.strip():
        msg = "Say why the month is opened again: the audit log keeps it."
        raise CloseRefusedError(msg)
    with transaction.atomic():
        held = books.lock()
        standing = ClosedMonth.objects.filter(reopened_at__isnull=True).order_by("-month")
        closed = standing.first()
        if closed is None or closed.month != month:
            last = f"the last closed month, {month_text(closed.month)}" if closed else "none"
            msg = f"{month_text(month)} cannot be opened again: only the last closed month can, which is {last}."
            raise CloseRefusedError(msg)
        before = standing.exclude(pk=closed.pk).values_list("month", flat=True).first()
        closed.reopened_by, closed.reopened_at = actor, clock.now()
        closed.reopen_reason = reason.strip()
        closed.save(update_fields=["reopened_by", "reopened_at", "reopen_reason"])
        closed.late_rates.all().delete()
        costs = PriorPeriodAdjustment.objects.filter(cost_month__lte=month)
        revenue = RevenueAdjustment.objects.filter(service_month__lte=month)
        if before is not None:
            costs = costs.filter(cost_month__gt=before)
            revenue = revenue.filter(service_month__gt=before)
        taken, _ = costs.delete()
        taken_revenue, _ = revenue.delete()
        Books.objects.filter(pk=held.pk).update(closed_through=before)
        audit.record(
            actor=actor,
            verb="month.reopen",
            target=f"month {month_text(month)}",
            before={"state": "closed", "digest": closed.digest},
            after={"state": "open", "adjustments_taken_back": taken + taken_revenue},
            reason=reason,
        )
    return closed


def _figures(month: date) -> Pnl:
    """Cost and revenue of the margin, other currencies converted."""
    slice_ = Slice(window=Window.of_month(month), currency=settings.REPORTING_CURRENCY)
    return own_by_month(slice_).get(month_text(month), Pnl())


def stored_digest(closed: ClosedMonth) -> str:
    """The digest over what is stored of a report now: equal to ``closed.digest`` unless it was changed."""
    return digest(
        {
            "cost": closed.costs.values_list(*COST),
            "revenue": closed.revenues.values_list("tenant_id", "currency", "amount"),
            "bounds": closed.bounds.values_list(*BOUNDS),
            "bills": closed.bills.values_list(*BILL),
            "rates": closed.rates.values_list("base", "quote", "rate", "source"),
            "settled": closed.settlements.values_list(*SETTLED),
        }
    )


def _refuse_closed(month: date, closed_through: date | None) -> None:
    if closed_through is None or month > closed_through:
        return
    standing = ClosedMonth.objects.filter(month=month, reopened_at__isnull=True)
    closed = standing.select_related("closed_by").first()
    if closed is None:
        msg = f"{month_text(month)} had no figures and closed with {month_text(closed_through)}."
        raise CloseRefusedError(msg)
    msg = (
        f"{month_text(month)} is closed already: {closed.closed_by.get_username()} did it on "
        f"{closed.closed_at:%Y-%m-%d at %H:%M} UTC."
    )
    raise CloseRefusedError(msg)


def _store(closed: ClosedMonth, report: Report) -> None:
    insert_rows(
        ReportedPnl,
        ("closed_id", *COST),
        ((closed.pk, *key[1:], *amounts) for key, amounts in books.sorted_items(report.costs)),
    )
    ReportedRevenue.objects.bulk_create(
        ReportedRevenue(
            closed=closed, tenant_id=key.tenant_id, currency=key.currency, amount=amounts[0]
        )
        for key, amounts in sorted(report.revenue.items())
    )
    insert_rows(
        ReportedBounds, ("closed_id", *BOUNDS), ((closed.pk, *row) for row in report.bounds)
    )
    insert_rows(ReportedBill, ("closed_id", *BILL), ((closed.pk, *row) for row in report.bills))
    insert_rows(
        FrozenSettlement, ("closed_id", *SETTLED), ((closed.pk, *row) for row in report.settled)
    )
    FrozenRate.objects.bulk_create(
        FrozenRate(
            closed=closed, base=one.base, quote=one.quote, rate=plain(one.rate), source=one.source
        )
        for one in report.rates
    )


def _totals(report: Report) -> dict[str, str]:
    """What the audit log says of the figures, by currency."""
    sums: dict[str, Decimal] = {}
    for key, (billed, effective) in report.costs.items():
        for name, amount in (("billed", billed), ("effective", effective)):
            label = f"{name}_cost_{key.billing_currency}"
            sums[label] = EXACT.add(sums.get(label, ZERO), amount)
    for revenue_key, (amount,) in report.revenue.items():
        label = f"revenue_{revenue_key.currency}"
        sums[label] = EXACT.add(sums.get(label, ZERO), amount)
    return {name: plain(amount) for name, amount in sorted(sums.items())}
