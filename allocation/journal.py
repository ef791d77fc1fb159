"""The journal of a closed month, from what was reported and the account map, in the reporting currency."""

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
from allocation.closed_rates import reported_rates
from allocation.core.journal import AccountRule, Bill, CostLine, JournalLine, Worth, build_journal
from finops.core.amounts import EXACT, ZERO, plain
from finops.core.periods import month_text
from finops.models import Tenant
from ingestion.models import Source

_DAY_ONE = date(1, 1, 1)
_MOST_ERRORS = 5
Key = tuple[int, date, str, str]
"""Source, billing period, currency of the bill, currency of the journal."""


class JournalError(ValueError):
    """A journal that cannot be made; the message says why and what to do."""


@dataclass
class _Position:
    """What is known of a bill at two closes."""

    now: dict[CostLine, Worth] = field(default_factory=dict)
    before: dict[CostLine, Worth] = field(default_factory=dict)
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
    for (source, period, billed_in, currency), position in _positions(closed, earlier).items():
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
            billed_in="" if billed_in == currency else billed_in,
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
    worths = _Worths()
    for rows, month, rate in (
        (reported, "closed__month", ()),
        (booked, "booked_month", ("quote", "rate", "is_exchange")),
    ):
        news = Q(**{f"{month}__gt": before})
        # A bill that was settled and is not touched books nothing.
        mine = rows.filter(news | ~Exists(settled)) if earlier else rows
        grouped = (
            mine.order_by()
            .values_list(*rate, *columns, month)
            .annotate(billed=Sum("billed_cost"), effective=Sum("effective_cost"))
        )
        for row in grouped.iterator():
            at, (source, period, currency, tenant, *about) = row[: len(rate)], row[len(rate) : -3]
            when, billed, effective = row[-3:]
            held = about.pop() if centre != "tenant" else slugs.get(tenant, "")
            line = CostLine(held, slugs.get(tenant, ""), *about)
            for into, worth in (
                worths.booked(currency, (billed, effective), at)
                if at
                else worths.reported(when, source, currency, (billed, effective))
            ):
                position = found[source, period, currency, into]
                position.providers.add(line.service_provider_name)
                _add(position.now, line, worth)
                if when <= before:
                    _add(position.before, line, worth)
                else:
                    position.is_touched = True
    return found


class _Worths:
    """What rows of reports and adjustments are worth, and in which currency: their own where no rate is known."""

    def __init__(self) -> None:
        standing = ClosedMonth.objects.filter(reopened_at__isnull=True)
        self._rates = reported_rates(list(standing.values_list("month", flat=True)))

    def reported(
        self, month: date, source: int, currency: str, costs: tuple[Decimal, Decimal]
    ) -> Iterable[tuple[str, Worth]]:
        """A row of a report (billed and effective cost), at the rates of its close."""
        quote, rate, above = self._rates.of_row(month, source, currency)
        yield from self.booked(currency, costs, (quote, plain(rate), False))
        if above:
            yield from self.booked(currency, costs, (quote, plain(above), True))

    @staticmethod
    def booked(
        currency: str, costs: tuple[Decimal, Decimal], at: tuple[str, str, bool]
    ) -> Iterable[tuple[str, Worth]]:
        """An adjustment, ``at`` the quote and rate that it was booked at, or as an exchange difference."""
        quote, rate, is_exchange = at
        if not Decimal(rate):
            yield currency, Worth(*costs)
            return
        billed, effective = (EXACT.multiply(cost, Decimal(rate)) for cost in costs)
        yield quote, Worth(billed, ZERO, effective) if is_exchange else Worth(billed, effective)


def _add(costs: dict[CostLine, Worth], line: CostLine, worth: Worth) -> None:
    costs[line] = costs.get(line, Worth()).plus(worth)


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
