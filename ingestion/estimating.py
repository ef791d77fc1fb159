"""Estimate what is used and not billed yet, and compare what was estimated once the bill has come."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from finops import clock
from finops.core.amounts import EXACT
from finops.core.focus import CostKind, Granularity
from finops.core.periods import add_months, month_start
from finops.core.slugs import slug_of
from finops.models import Tenant
from ingestion.bill_meters import bills, read_bills
from ingestion.bookkeeping import Outcome
from ingestion.cloudflare_models import UsageProgress
from ingestion.core.charge_line import ChargeLine
from ingestion.core.estimates import (
    About,
    Used,
    estimate_lines,
    midnight,
)
from ingestion.core.frontier import Bill, billed_through
from ingestion.core.metered import MeteredHour
from ingestion.estimate_fingerprint import fingerprint
from ingestion.estimate_models import SOURCE_KIND, EstimateRun
from ingestion.estimate_rates import Rates
from ingestion.made_load import Made, load_made
from ingestion.meter_days import compare, keep_estimates
from ingestion.metered_registry import metered
from ingestion.models import Load
from ingestion.origin_models import UsageOwner
from ingestion.progress import Progress, silent
from ingestion.selectors import current_bills
from ingestion.tsa_models import TsaHour
from ingestion.usage_models import UsageLoad

JOB_KIND, SUBJECT = "estimate", "usage beyond the bills"
"""The background work that makes estimates, of which there is never more than one."""
MONTHS = 3
"""How many months are estimated anew each time; an older one only when a bill of it has come."""
HOURLY_FOR = timedelta(days=2)
"""How long estimates stay hourly; older ones are by day, so that a month has few lines."""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Estimated:
    """What one estimate did: loads that changed, lines in all, and what could not be priced."""

    loads: int
    lines: int
    compared: int
    complete_through: datetime | None
    problems: tuple[str, ...]

    def __str__(self) -> str:
        reach = (
            f" Usage is whole until {self.complete_through:%Y-%m-%d %H:%M} UTC."
            if self.complete_through
            else ""
        )
        return (
            f"{self.lines:,} lines estimated, {self.loads} loads changed, {self.compared} days compared with "
            f"bills.{reach}{''.join(f' {problem}' for problem in self.problems)}"
        )


@dataclass
class _Usage:
    """What was metered: by hour where it is recent, else by day; and the sums of days."""

    used: dict[tuple[datetime, datetime, Granularity, About], Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )
    days: dict[tuple[str, str, date], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    complete: dict[str, datetime] = field(default_factory=dict)


def is_stale(now: datetime) -> bool:
    """Whether anything that estimates are made of has changed since the last one."""
    run = EstimateRun.objects.order_by("pk").first()
    return run is None or run.fingerprint != fingerprint(now)


def awaits_estimate(now: datetime) -> bool:
    """Whether figures may still change by an estimate that is due: it is stale, and there is or was usage."""
    if not is_stale(now):
        return False
    used = (EstimateRun, UsageLoad, UsageProgress, TsaHour)
    return any(model._default_manager.exists() for model in used)


def estimate(*, progress: Progress = silent) -> Estimated:
    """Estimate the months that bills do not cover, and write each provider's as a load. Safe to repeat.

    A killed run leaves the estimates as they were, or some of them new; the next one makes them all.
    """
    now = clock.now()
    made_of = fingerprint(now)
    progress("reading bills", 0, 3)
    read_bills()
    found = bills()
    months = _months(now)
    progress("reading usage", 1, 3)
    usage = _read(months, found)
    rates = Rates(usage.days, usage.complete, found)
    used = [
        Used(start, end, granularity, about, quantity)
        for (start, end, granularity, about), quantity in usage.used.items()
    ]
    wanted = {(one.about.meter, one.about.account, midnight(one.start)) for one in used}
    rate_of = {key: rate for key in sorted(wanted) if (rate := rates.of(*key)) is not None}
    progress("writing", 2, 3)
    lines = estimate_lines(used, rate_of)
    outcomes = _write(lines, months)
    keep_estimates(usage.days, usage.complete, found, rates, now=now, first=months[0])
    compared = compare(found, now=now)
    result = Estimated(
        loads=sum(outcome.status == "loaded" for outcome in outcomes),
        lines=len(lines),
        compared=compared,
        complete_through=max(usage.complete.values(), default=None),
        problems=rates.problems,
    )
    EstimateRun.objects.update_or_create(
        pk=1,
        defaults={
            "fingerprint": made_of,
            "made_at": now,
            "complete_through": result.complete_through,
            "rates": _kept_rates(rates, usage, months[0]),
            "problems": list(result.problems),
        },
    )
    progress("writing", 3, 3)
    return result


def _kept_rates(rates: Rates, usage: _Usage, first: date) -> list[list[str]]:
    """The newest rate of each meter, account and month, for pages; those of earlier months stay."""
    run = EstimateRun.objects.order_by("pk").first()
    kept = {tuple(row[:3]): row for row in (run.rates if run else [])}
    newest: dict[tuple[str, str, date], date] = {}
    for meter, account, day in usage.days:
        if day >= first:
            about = (meter, account, month_start(day))
            newest[about] = max(newest.get(about, day), day)
    for (meter, account, month), day in newest.items():
        rate = rates.of(meter, account, datetime.combine(day, time(), UTC))
        if rate is not None:
            key = (meter, account, f"{month:%Y-%m}")
            above, below = rate.per_unit.as_integer_ratio()
            kept[key] = [*key, str(above), str(below), rate.currency]
    return [kept[key] for key in sorted(kept)]


def _months(now: datetime) -> list[date]:
    """The months to estimate, the oldest first."""
    this = month_start(now.astimezone(UTC).date())
    months = {add_months(this, -number) for number in range(MONTHS)}
    # A bill of an older month that came after the estimate of it: what it covers must go.
    for load in Load.objects.filter(state=Load.State.CURRENT, kind=CostKind.ESTIMATED.value):
        bill = current_bills().filter(
            billing_period=load.billing_period,
            committed_at__gt=load.started_at,
        )
        if load.lines and bill.exists():
            months.add(load.billing_period)
    return sorted(months)


def _read(months: list[date], found: list[Bill]) -> _Usage:
    """Metered usage of ``months``, and of four weeks before them to know the weekdays by."""
    usage = _Usage()
    start = datetime.combine(months[0], time(), UTC) - 28 * _DAY
    end = datetime.combine(add_months(months[-1], 1), time(), UTC)
    frontiers: dict[tuple[str, str, date], datetime | None] = {}
    wanted = set(months)
    for source in metered().values():
        span = source.read(start, end)
        if span.complete_through is None:
            continue
        hourly_from = midnight(span.complete_through) - HOURLY_FOR
        for meter in source.meters:
            known = usage.complete.get(meter, span.complete_through)
            usage.complete[meter] = max(known, span.complete_through)
        for hour in span.hours:
            if hour.hour + _HOUR > span.complete_through:
                continue
            day = hour.hour.astimezone(UTC).date()
            sums = (hour.meter, hour.account, day)
            usage.days[sums] = EXACT.add(usage.days[sums], hour.quantity)
            month = month_start(day)
            if month not in wanted:
                continue
            about = (hour.meter, hour.account, month)
            if about not in frontiers:
                frontiers[about] = billed_through(
                    found, meter=hour.meter, account=hour.account, month=month
                )
            frontier = frontiers[about]
            if frontier is None or hour.hour >= frontier:
                key = _key(hour, hourly_from, frontier)
                usage.used[key] = EXACT.add(usage.used[key], hour.quantity)
    return usage


def _key(
    hour: MeteredHour, hourly_from: datetime, frontier: datetime | None
) -> tuple[datetime, datetime, Granularity, About]:
    about = About(
        meter=hour.meter,
        account=hour.account,
        region_id=hour.region_id,
        resource_id=hour.resource_id,
        tags=tuple(sorted(hour.tags.items())),
    )
    if hour.hour >= hourly_from:
        return hour.hour, hour.hour + _HOUR, Granularity.HOUR, about
    day = midnight(hour.hour)
    return max(day, frontier or day), day + _DAY, Granularity.DAY, about


def _write(lines: Iterable[ChargeLine], months: list[date]) -> list[Outcome]:
    """A load for each provider and month; one that had lines and has none any more becomes empty."""
    by_load: dict[tuple[str, date], list[ChargeLine]] = defaultdict(list)
    for line in lines:
        by_load[line.service_provider_name, line.billing_period_start].append(line)
    for load in Load.objects.filter(
        state=Load.State.CURRENT, kind=CostKind.ESTIMATED.value, billing_period__in=months
    ).select_related("source"):
        by_load.setdefault((load.source.service_provider_name, load.billing_period), [])
    mark = _owners_mark()
    return [
        load_made(
            _made(provider),
            billing_period=month,
            lines=of_load,
            kind=CostKind.ESTIMATED,
            mark=mark,
        )
        for (provider, month), of_load in sorted(by_load.items())
    ]


def _made(provider: str) -> Made:
    slug = f"estimate-{slug_of(provider)}"
    return Made(
        source_kind=SOURCE_KIND,
        identity=f"estimate {provider}",
        source_slug=slug,
        source_name=f"{provider}, estimated",
        service_provider_name=provider,
        key=slug,
    )


def _owners_mark() -> str:
    """Changes when somebody else may bear an estimate."""
    owners = UsageOwner.objects.order_by("pk").values_list("kind", "name", "tenant", "confidence")
    tenants = Tenant.objects.order_by("pk").values_list("slug", flat=True)
    return hashlib.sha256(repr((list(owners), list(tenants))).encode()).hexdigest()
