"""Estimate what is used and not billed yet, and compare what was estimated once the bill has come."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from finops import clock
from finops.core.focus import CostKind
from finops.core.periods import add_months, month_start
from finops.core.slugs import slug_of
from finops.models import Tenant
from ingestion.bill_meters import bills, read_bills
from ingestion.bookkeeping import Outcome
from ingestion.cloudflare_models import UsageProgress
from ingestion.core.charge_line import ChargeLine
from ingestion.core.estimates import estimate_lines, midnight
from ingestion.core.frontier import Covers
from ingestion.estimate_fees import fee_lines
from ingestion.estimate_fingerprint import MadeOf, made_of, stale_months
from ingestion.estimate_models import SOURCE_KIND, EstimatedMonth, EstimateRun
from ingestion.estimate_rates import Rates
from ingestion.estimate_usage import Usage, read_usage
from ingestion.made_load import Made, load_made
from ingestion.meter_days import compare, keep_estimates
from ingestion.models import Load
from ingestion.origin_models import UsageOwner
from ingestion.progress import Progress, silent
from ingestion.tsa_models import TsaHour
from ingestion.usage_models import UsageLoad

JOB_KIND, SUBJECT = "estimate", "usage beyond the bills"
"""The background work that makes estimates, of which there is never more than one."""
AT_ONCE = 3
"""How many months are read and estimated together at most, so that memory does not grow with history."""


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


def is_stale(now: datetime) -> bool:
    """Whether anything that any month's estimate is made of has changed since it was made."""
    return bool(stale_months(made_of(now).texts))


def awaits_estimate(now: datetime) -> bool:
    """Whether figures may still change by an estimate that is due: it is stale, and there is or was usage."""
    if not is_stale(now):
        return False
    used = (EstimateRun, UsageLoad, UsageProgress, TsaHour)
    return any(model._default_manager.exists() for model in used)


def estimate(*, progress: Progress = silent) -> Estimated:
    """Estimate what bills do not cover of each month that may have changed, each provider's as a load.

    However old the month is: usage may come late, and a bill may be taken back. Safe to repeat. A killed run leaves
    the estimates as they were, or some months new; the next one makes the others.
    """
    now = clock.now()
    # Before anything is read: what changes from here on makes its month stale again.
    wanted = made_of(now)
    stale = stale_months(wanted.texts)
    progress("reading bills", 0, len(stale) + 1)
    read_bills()
    done = _Done()
    for number, months in enumerate(_together(stale), 1):
        progress(f"estimating {months[0]:%Y-%m} to {months[-1]:%Y-%m}", number, len(stale) + 1)
        _estimate_months(months, wanted, done, now=now)
    run = EstimateRun.objects.order_by("pk").first()
    known = run.complete_through if run else None
    reach = max((one for one in (known, done.complete_through) if one), default=None)
    problems = {problem: None for row in EstimatedMonth.objects.all() for problem in row.problems}
    EstimateRun.objects.update_or_create(
        pk=1,
        defaults={
            "made_at": now,
            "complete_through": reach,
            "rates": _kept_rates(done.rates),
            "problems": list(problems),
        },
    )
    progress("done", len(stale) + 1, len(stale) + 1)
    return Estimated(
        loads=done.loads,
        lines=done.lines,
        compared=done.compared,
        complete_through=reach,
        problems=tuple(problems),
    )


@dataclass
class _Done:
    """What a run has done so far. ``rates`` are by meter, account and month: rate, currency, through."""

    loads: int = 0
    lines: int = 0
    compared: int = 0
    complete_through: datetime | None = None
    rates: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)


def _together(months: Sequence[date]) -> Iterator[list[date]]:
    """Months that follow each other, at most ``AT_ONCE`` at a time: the weeks before them are read once."""
    group: list[date] = []
    for month in months:
        if group and (len(group) == AT_ONCE or month != add_months(group[-1], 1)):
            yield group
            group = []
        group.append(month)
    if group:
        yield group


def _estimate_months(months: list[date], wanted: MadeOf, done: _Done, *, now: datetime) -> None:
    covers = Covers(bills([add_months(months[0], -1), *months]))
    usage = read_usage(months, covers, wanted.first_months)
    rates = Rates(usage, covers, months)
    used = usage.used
    priced = {(one.about.meter, one.about.account, midnight(one.start)) for one in used}
    rate_of = {key: rate for key in sorted(priced) if (rate := rates.of(*key)) is not None}
    lines = estimate_lines(used, rate_of)
    for month in months:
        lines += fee_lines(month, wanted.fees.get(month, []), covers=covers, rates=rates, now=now)
    outcomes = _write(lines, months)
    keep_estimates(usage.days, usage.complete, covers, rates, now=now, first=months[0])
    done.compared += compare(covers, months, now=now)
    done.loads += sum(outcome.status == "loaded" for outcome in outcomes)
    done.lines += len(lines)
    done.rates |= _newest_rates(rates, usage, months[0])
    reaches = [*usage.complete.values(), *filter(None, [done.complete_through])]
    done.complete_through = max(reaches, default=None)
    for month in months:
        of_month = [one for one in outcomes if one.billing_period == month]
        EstimatedMonth.objects.update_or_create(
            month=month,
            defaults={
                "fingerprint": wanted.texts[month],
                "written": {one.source: one.sha256 for one in of_month},
                "problems": list(rates.problems_of(month)),
                "made_at": now,
            },
        )


def _newest_rates(rates: Rates, usage: Usage, first: date) -> dict[tuple[str, str, str], list[str]]:
    """The newest rate of each meter, account and month, and up to when its usage is in the estimate, for pages."""
    newest: dict[tuple[str, str, date], date] = {}
    for meter, account, day in usage.days:
        if day >= first:
            about = (meter, account, month_start(day))
            newest[about] = max(newest.get(about, day), day)
    found: dict[tuple[str, str, str], list[str]] = {}
    for (meter, account, month), day in newest.items():
        rate = rates.of(meter, account, datetime.combine(day, time(), UTC))
        if rate is not None:
            above, below = rate.per_unit.as_integer_ratio()
            through = f"{usage.complete[meter]:%Y-%m-%dT%H:%M:%S%z}"
            told = [str(above), str(below), rate.currency, through]
            found[meter, account, f"{month:%Y-%m}"] = told
    return found


def _kept_rates(made: dict[tuple[str, str, str], list[str]]) -> list[list[str]]:
    """The rates that were made, beside those of months that did not change."""
    run = EstimateRun.objects.order_by("pk").first()
    kept = {(row[0], row[1], row[2]): list(row[3:]) for row in (run.rates if run else [])} | made
    return [[*key, *kept[key]] for key in sorted(kept)]


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
