"""The lines of one billing month, up to an hour: usage, and what AWS adds (credit, refund, fee, tax).

A month is always rebuilt whole from the seed and the controls' history, as AWS delivers it; that a
delivery repeats what an earlier one said is then a matter of course.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from simulator import catalogue, company, numbers, plan, rhythm, rows, seeded
from simulator.company import Tagging
from simulator.resources import Meter, World
from simulator.rows import Bill, Template

HOUR = timedelta(hours=1)
THOUSAND = 1000
_DAY_SCALE = THOUSAND * rhythm.GROWTH_BASE // 100
_HOUR_SCALE = THOUSAND * THOUSAND * 100
_CENT = numbers.UNIT // 100
SHARED_OWNER = "shared"
"""The owner of cost that is nobody's alone: the platform, fees and taxes."""


@dataclass(frozen=True)
class Change:
    """From ``hour`` on, egress of these tenants (slug, factor in thousandths); others are at 1000."""

    hour: datetime
    egress: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Month:
    """Which lines to build: the month that begins at ``start``, up to but without ``until``.

    ``origin`` is the first simulated month; ``invoice_id`` is empty while the month is open.
    """

    start: datetime
    until: datetime
    origin: datetime
    invoice_id: str
    changes: tuple[Change, ...] = ()

    @property
    def end(self) -> datetime:
        """The first moment after the month."""
        return next_month(self.start)

    @property
    def number(self) -> int:
        """0 for the first simulated month, 1 for the second…"""
        return months_between(self.origin, self.start)


@dataclass
class Tally:
    """Running sums of one month while its rows are written, in dollar steps of 1e-10."""

    lines: Counter[str] = field(default_factory=Counter)
    cost_by_owner: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    tagged_by_owner: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    usage_by_tagging: defaultdict[Tagging, int] = field(default_factory=lambda: defaultdict(int))
    cost_by_product: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, line_type: str, product: str, meter: Meter | None, cost: int, count: int) -> None:
        """Count ``count`` lines that cost ``cost`` together."""
        owner = (meter.resource.tenant if meter else None) or SHARED_OWNER
        self.lines[line_type] += count
        self.cost_by_owner[owner] += cost
        if line_type != "Tax":
            self.cost_by_product[product] += cost
        if meter and line_type in {"Usage", plan.COVERED}:
            self.usage_by_tagging[meter.resource.tagging] += cost
        if meter and meter.resource.tagging is Tagging.CORRECT:
            self.tagged_by_owner[owner] += cost


def next_month(moment: datetime) -> datetime:
    """The first moment of the month after ``moment``'s."""
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def months_between(first: datetime, second: datetime) -> int:
    """How many calendar months lie between the months of two moments."""
    return (second.year - first.year) * 12 + second.month - first.month


@dataclass(frozen=True)
class _Day:
    """One day's page: its hours (interval and span cells), its rows so far and the month's sums."""

    start: datetime
    hours: list[tuple[str, str]]
    rows: list[str]
    tally: Tally

    @property
    def whole(self) -> bool:
        """Whether all its hours have passed: lines of a day come when the day is over."""
        return len(self.hours) == 24


def build(world: World, month: Month, tally: Tally) -> Iterator[list[str]]:
    """The rows of the month as lists of CSV text, day by day; ``tally`` is filled on the way."""
    bill = Bill(world, month.start, month.end, month.invoice_id)
    templates = [(meter, rows.usage_template(bill, meter)) for meter in world.meters]
    promotions = {
        meter.key: rows.adjustment_template(bill, meter, "Credit", "AWS Promotional Credit")
        for meter in world.meters
        if meter.key in world.credited
    }
    committed = _Committed(world, bill)
    start = month.start
    while start < month.until:
        passed = min(24, int((month.until - start) / HOUR))
        day = _Day(start, _hour_cells(start, passed), [], tally)
        for meter, template in templates:
            if meter.sku.daily:
                if day.whole:
                    _write_daily(day, template, meter, daily_amount(world, month, start, meter))
                continue
            if plan.is_covered(meter):
                continue
            amounts = hourly_amounts(world, month, start, meter)[:passed]
            costs = [numbers.cost_of(amount, meter.rate) for amount in amounts]
            _write_hourly(day, template, meter, amounts, costs)
            if meter.key in promotions and start.day <= company.CREDIT_DAYS:
                _write_credits(day, promotions[meter.key], meter, costs)
        _write_plan(day, committed, world, month)
        yield day.rows
        start += timedelta(days=1)
    yield _monthly_rows(world, month, bill, tally)


def hourly_amounts(world: World, month: Month, day: datetime, meter: Meter) -> list[int]:
    """Usage of the 24 hours of ``day`` in steps of 1e-10 unit."""
    kind = meter.sku.rhythm
    if kind is rhythm.Rhythm.FIXED:
        return [meter.base] * 24
    base = _day_base(month, day, meter)
    raw = seeded.day_noise(world.seed, meter.key, day.toordinal())
    curve = rhythm.hours(kind, meter.resource.region)
    amounts = [
        base * curve[hour] * rhythm.noise(kind, raw[hour]) // _HOUR_SCALE for hour in range(24)
    ]
    if meter.egress and month.changes:
        factors = _egress_factors(month.changes, day, meter.resource.tenant or "")
        amounts = [a * f // THOUSAND for a, f in zip(amounts, factors, strict=True)]
    if meter.sku.whole:
        amounts = [amount - amount % numbers.UNIT for amount in amounts]
    return [min(amount, meter.cap) for amount in amounts] if meter.cap else amounts


def daily_amount(world: World, month: Month, day: datetime, meter: Meter) -> int:
    """Usage of a whole ``day`` of a meter that counts by the day, in steps of 1e-10 unit."""
    raw = seeded.day_noise(world.seed, meter.key, day.toordinal())[0]
    amount = _day_base(month, day, meter) * rhythm.noise(meter.sku.rhythm, raw) // (100 * THOUSAND)
    return amount - amount % numbers.UNIT if meter.sku.whole else amount


def _day_base(month: Month, day: datetime, meter: Meter) -> int:
    """The day's mean usage in hundredths of a step: base, weekday and growth."""
    grown = rhythm.growth((day - month.origin).days)
    return meter.base * rhythm.weekdays(meter.sku.rhythm)[day.weekday()] * grown // _DAY_SCALE


def _egress_factors(changes: tuple[Change, ...], day: datetime, tenant: str) -> list[int]:
    def factor(hour: datetime) -> int:
        last = [change for change in changes if change.hour <= hour][-1:]
        return dict(last[0].egress).get(tenant, THOUSAND) if last else THOUSAND

    return [factor(day + hour * HOUR) for hour in range(24)]


def _hour_cells(day: datetime, count: int) -> list[tuple[str, str]]:
    """Interval and span cells of the first ``count`` hours of a day."""
    moments = [day + hour * HOUR for hour in range(count + 1)]
    return [(rows.interval(start, end), rows.span(start, end)) for start, end in pairwise(moments)]


def _write_hourly(
    day: _Day, template: Template, meter: Meter, amounts: list[int], costs: list[int]
) -> None:
    text = numbers.java_double
    size = meter.sku.normalization
    for (interval, span), amount, steps in zip(day.hours, amounts, costs, strict=True):
        cost = text(steps)
        normalized = text(amount * size) if size else "0.0"
        day.rows.append(
            template.row(
                interval,
                span,
                cost=cost,
                amount=text(amount),
                list_cost=cost,
                normalized=normalized,
            )
        )
    day.tally.add("Usage", meter.sku.product_code, meter, sum(costs), len(costs))


class _Committed:
    """The meters that the Savings Plan may cover, with the templates of their lines."""

    def __init__(self, world: World, bill: Bill) -> None:
        arn = plan.arn(world)
        self.meters = [meter for meter in world.meters if plan.is_covered(meter)]
        self.fee = rows.plan_fee_template(bill, arn)
        self.usage = {meter.key: rows.usage_template(bill, meter) for meter in self.meters}
        self.covered, self.negation = (
            {meter.key: rows.plan_template(bill, meter, kind, arn) for meter in self.meters}
            for kind in (plan.COVERED, plan.NEGATION)
        )


def _write_plan(day: _Day, committed: _Committed, world: World, month: Month) -> None:
    """The day's lines of covered meters, hour by hour, and the plan's fee for each hour."""
    text = numbers.java_double
    amounts = [
        (meter, hourly_amounts(world, month, day.start, meter)) for meter in committed.meters
    ]
    for hour, (interval, span) in enumerate(day.hours):
        used = 0
        metered = [(m, of[hour], numbers.cost_of(of[hour], m.rate)) for m, of in amounts]
        for one in plan.cover(metered):
            meter, cost = one.meter, text(one.cost)
            kind = committed.usage if one.taken is None else committed.covered
            row = kind[meter.key].row(
                interval,
                span,
                cost=cost,
                amount=text(one.amount),
                list_cost=cost,
                normalized=text(one.amount * meter.sku.normalization),
            )
            day.rows.append(row.replace(rows.PLAN_CELL, text(one.taken or 0)))
            product = meter.sku.product_code
            day.tally.add(
                "Usage" if one.taken is None else plan.COVERED, product, meter, one.cost, 1
            )
            if one.taken is not None:
                used += one.taken
                negation = committed.negation[meter.key]
                day.rows.append(
                    negation.row(
                        interval,
                        span,
                        cost=text(-one.cost),
                        amount=text(one.amount),
                        list_cost="0.0",
                    )
                )
                day.tally.add(plan.NEGATION, product, meter, -one.cost, 1)
        fee = committed.fee.row(
            interval, span, cost=text(plan.commitment()), amount="1.0", list_cost="0.0"
        )
        day.rows.append(fee.replace(rows.PLAN_CELL, text(used)))
        day.tally.add(plan.FEE, catalogue.PLANS, None, plan.commitment(), 1)


def _write_daily(day: _Day, template: Template, meter: Meter, amount: int) -> None:
    steps = numbers.cost_of(amount, meter.rate)
    cost, end = numbers.java_double(steps), day.start + timedelta(days=1)
    day.rows.append(
        template.row(
            rows.interval(day.start, end),
            rows.span(day.start, end),
            cost=cost,
            amount=numbers.java_double(amount),
            list_cost=cost,
        )
    )
    day.tally.add("Usage", meter.sku.product_code, meter, steps, 1)


def _write_credits(day: _Day, template: Template, meter: Meter, costs: list[int]) -> None:
    credited = [-(cost * company.CREDIT_PER_CENT // 100) for cost in costs]
    for (interval, span), steps in zip(day.hours, credited, strict=True):
        cost = numbers.java_double(steps)
        day.rows.append(template.row(interval, span, cost=cost, amount="0.0", list_cost="0.0"))
    day.tally.add("Credit", meter.sku.product_code, meter, sum(credited), len(credited))


def _monthly_rows(world: World, month: Month, bill: Bill, tally: Tally) -> list[str]:
    """Refund, Fee and one Tax row per product; taxes are 0 until the month is closed."""
    written: list[str] = []
    refunded = month.start + timedelta(days=company.REFUND_DAY - 1)
    if month.number == 1 and month.until >= refunded + timedelta(days=1):
        written.append(_refund_row(world, bill, refunded, tally))
    interval, span = rows.whole_month(bill)

    def add(line_type: str, product: str, text: str, steps: int, tax_type: str = "") -> None:
        template = rows.product_template(bill, line_type, product, text, tax_type)
        cost = numbers.java_double(steps)
        list_cost = "0.0" if line_type == "Tax" else cost
        written.append(template.row(interval, span, cost=cost, amount="1.0", list_cost=list_cost))
        tally.add(line_type, product, None, steps, 1)

    fee = numbers.from_decimal(company.SUPPORT_FEE)
    add("Fee", catalogue.SUPPORT, "AWS Support (Business), monthly fee", fee)
    for product, cost in sorted(tally.cost_by_product.items()):
        tax = max(cost, 0) * company.TAX_PER_MILLE // THOUSAND if month.invoice_id else 0
        tax = (tax + _CENT // 2) // _CENT * _CENT
        add("Tax", product, f"Tax for product code {product}", tax, "US Sales Tax")
    return written


def _refund_row(world: World, bill: Bill, day: datetime, tally: Tally) -> str:
    meter = next(
        m
        for m in world.meters
        if m.resource.tenant == company.REFUND_TENANT and m.sku is catalogue.DATABASE
    )
    text = "Service credit for the database outage of last month"
    template = rows.adjustment_template(bill, meter, "Refund", text)
    steps = -numbers.from_decimal(company.REFUND)
    end = day + timedelta(days=1)
    tally.add("Refund", meter.sku.product_code, meter, steps, 1)
    interval, span = rows.interval(day, end), rows.span(day, end)
    return template.row(
        interval, span, cost=numbers.java_double(steps), amount="0.0", list_cost="0.0"
    )
