"""Estimated charge lines: metered usage beyond the bills × the average price of a whole month. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from finops.core.amounts import to_lake
from finops.core.focus import ChargeCategory, Granularity
from finops.core.periods import month_start
from finops.core.slugs import slug_of
from ingestion.core.charge_line import ChargeLine
from ingestion.core.meter_map import METER_MAP
from ingestion.core.meters import METERS
from ingestion.core.pricing import decimal_of, split_cost


@dataclass(frozen=True)
class About:
    """What a quantity is about; ``tags`` are sorted pairs."""

    meter: str
    account: str = ""
    region_id: str = ""
    resource_id: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Used:
    """A quantity of one hour, or of the billed-for rest of a day (``start`` until before ``end``)."""

    start: datetime
    end: datetime
    granularity: Granularity
    about: About
    quantity: Decimal


@dataclass(frozen=True)
class AverageRate:
    """Money per one of the meter's quantity, over the whole month; the marginal one values savings."""

    per_unit: Fraction
    currency: str
    marginal: Fraction = Fraction(0)


def estimated_cost(quantity: Decimal, rate: AverageRate) -> Decimal:
    """Money in the rate's currency at the lake's 18 decimals."""
    return to_lake(decimal_of(Fraction(quantity) * rate.per_unit))


def estimate_lines(
    used: Iterable[Used], rate_of: Mapping[tuple[str, str, datetime], AverageRate]
) -> list[ChargeLine]:
    """One line for each of ``used`` that costs something, by time and meter.

    ``rate_of`` is by meter, account and the day's first moment; what has no rate there makes no line. The
    lines of one meter, account and hour sum to its quantity × rate, rounded once.
    """
    groups: dict[tuple[datetime, datetime, str, str], list[Used]] = defaultdict(list)
    for one in used:
        groups[one.start, one.end, one.about.meter, one.about.account].append(one)
    lines: list[ChargeLine] = []
    for (start, _end, meter, account), members in sorted(groups.items()):
        rate = rate_of.get((meter, account, midnight(start)))
        if rate is None or not rate.per_unit:
            continue
        quantities = {
            one.about: one.quantity
            for one in sorted(members, key=lambda one: (one.about.tags, one.about.resource_id))
            if one.quantity
        }
        if not quantities:
            continue
        total = sum(map(Fraction, quantities.values()), Fraction(0))
        costs = split_cost(to_lake(decimal_of(total * rate.per_unit)), quantities)
        lines += [
            _line(members[0], about, quantities[about], cost, rate.currency)
            for about, cost in costs.items()
        ]
    return lines


def fee_line(
    about: About, start: datetime, end: datetime, *, amount: Decimal, currency: str
) -> ChargeLine:
    """What an agreed price asks for from ``start`` until before ``end`` although nothing is used.

    ``amount`` is in ``currency`` at the lake's 18 decimals. It is a shared fee of the provider.
    """
    meter = METERS[about.meter]
    span = Used(start, end, Granularity.DAY, about, Decimal(0))
    line = _line(span, about, Decimal(0), amount, currency)
    return replace(
        line,
        charge_category=ChargeCategory.PURCHASE,
        charge_description=f"{meter.title}: fee without use, estimated",
        charge_frequency="Recurring",
        x_pool=f"fees {slug_of(meter.provider)}",
    )


def midnight(moment: datetime) -> datetime:
    """The first moment of its UTC day."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _line(span: Used, about: About, quantity: Decimal, cost: Decimal, currency: str) -> ChargeLine:
    meter, billed_as = METERS[about.meter], METER_MAP[about.meter]
    return ChargeLine(
        billing_period_start=month_start(span.start.date()),
        charge_period_start=span.start,
        charge_period_end=span.end,
        granularity=span.granularity,
        service_provider_name=meter.provider,
        service_name=billed_as.service_name,
        service_category=billed_as.service_category,
        billed_cost=cost,
        effective_cost=cost,
        billing_currency=currency,
        charge_description=f"{meter.title}, estimated",
        consumed_quantity=to_lake(quantity),
        consumed_unit=meter.quantity_unit,
        pricing_unit=meter.quantity_unit,
        sub_account_id=about.account,
        region_id=about.region_id,
        resource_id=about.resource_id,
        sku_id=about.meter,
        x_usage_type=about.meter,
        tags=dict(about.tags),
    )
