"""Lines of suppliers' invoices, and what of them belongs to which month. Pure.

An invoice may cover several months, a month several invoices. A line is split over its months by days, so that the
parts sum to the line to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from finops.core.amounts import EXACT, exact_sum, money_text, split_by_weights
from finops.core.focus import ChargeCategory, Granularity, ServiceCategory
from finops.core.periods import Window, add_months, month_start
from finops.core.slugs import slug_of
from ingestion.core.charge_line import ChargeLine
from ingestion.core.meters import METERS

MAX_DAYS = 1100
"""No supplier invoices more than three years at once; a longer service is a mistyped date."""

_LINE_TYPES = {
    ChargeCategory.USAGE: "Usage",
    ChargeCategory.PURCHASE: "Fee",
    ChargeCategory.TAX: "Tax",
    ChargeCategory.CREDIT: "Credit",
    ChargeCategory.ADJUSTMENT: "Refund",
}
"""In AWS's words, by which the bridge from billed to effective cost knows its steps."""
METERED = (ChargeCategory.USAGE, ChargeCategory.PURCHASE)
"""What may name a meter, so that no estimate of it is added; only usage is spread by usage."""


@dataclass(frozen=True)
class Line:
    """One line of an invoice; ``amount`` is in the invoice's currency with at most 8 decimals.

    ``service_end`` is the day after the last. ``tenant``, ``environment`` and ``team`` are slugs or empty.
    """

    description: str
    service_name: str
    service_category: ServiceCategory
    charge_category: ChargeCategory
    service_start: date
    service_end: date
    amount: Decimal
    meter: str = ""
    account: str = ""
    tenant: str = ""
    environment: str = ""
    team: str = ""
    quantity: Decimal | None = None
    unit: str = ""


@dataclass(frozen=True)
class Bill:
    """An invoice: ``supplier`` is FOCUS ServiceProviderName. ``total`` ``None`` means: what the lines sum to.

    ``settled_rate`` is how many units of ``settled_currency`` were paid for one of ``currency``.
    """

    supplier: str
    invoice_id: str
    issued_on: date
    currency: str
    lines: tuple[Line, ...]
    total: Decimal | None = None
    due_on: date | None = None
    settled_rate: Decimal | None = None
    settled_currency: str = ""
    settled_on: date | None = None


@dataclass(frozen=True)
class MonthPart:
    """What of a line falls into one month: from ``start`` until before ``end``."""

    line: Line
    month: date
    start: date
    end: date
    amount: Decimal


def total_problem(lines: Sequence[Decimal], total: Decimal | None, currency: str) -> str:
    """One sentence where the lines do not sum to the total; empty where they do."""
    found = exact_sum(lines)
    if total is None or found == total:
        return ""
    return (
        f"The lines sum to {_shown(found, currency)}, and the invoice's total is "
        f"{_shown(total, currency)}: correct a line or the total."
    )


def _shown(amount: Decimal, currency: str) -> str:
    """In cents where cents say it all, else with every digit."""
    has_cents = int(EXACT.normalize(amount).as_tuple().exponent) >= -2
    return money_text(amount, currency) if has_cents else f"{amount:f} {currency}"


def line_problems(line: Line) -> list[tuple[str, str]]:
    """Field and sentence for each thing that is wrong with a line."""
    problems = []
    if line.service_end <= line.service_start:
        sentence = (
            f"The service ends ({line.service_end}) before it lasts a day from {line.service_start}: "
            "service_end is the day after the last one."
        )
        problems.append(("service_end", sentence))
    elif line.service_end - line.service_start > timedelta(days=MAX_DAYS):
        sentence = f"The service from {line.service_start} to {line.service_end} lasts longer than three years."
        problems.append(("service_end", sentence))
    if line.meter and line.meter not in METERS:
        known = ", ".join(sorted(METERS))
        problems.append(("meter", f"{line.meter!r} is no meter; known: {known}."))
    elif line.meter and line.charge_category not in METERED:
        sentence = (
            f"A line of {line.charge_category} has no meter: only usage and its fees have one."
        )
        problems.append(("meter", sentence))
    if line.charge_category == ChargeCategory.CREDIT and line.amount > 0:
        problems.append(("amount", "A credit lowers the bill: write its amount negative."))
    if line.charge_category == ChargeCategory.PURCHASE and line.amount < 0:
        sentence = "A fee or a minimum is not negative: write a credit or an adjustment."
        problems.append(("amount", sentence))
    return problems


def by_month(line: Line) -> list[MonthPart]:
    """The line's parts by month, in proportion to days; they sum to its amount to the last digit."""
    window = Window(line.service_start, line.service_end)
    spans = [
        (month, max(month, window.start), min(add_months(month, 1), window.end))
        for month in window.each_month()
    ]
    parts = split_by_weights(line.amount, [(end - start).days for _, start, end in spans])
    return [
        MonthPart(line, month, start, end, amount)
        for (month, start, end), amount in zip(spans, parts, strict=True)
    ]


def months_of(lines: Sequence[Line]) -> set[date]:
    """The first days of the months that the lines touch."""
    return {
        month
        for line in lines
        for month in Window(line.service_start, line.service_end).each_month()
    }


def identity_of(supplier: str, *, spread: bool = False, settled: str = "") -> str:
    """What names the source of a supplier's invoices for good; one that was settled is a source of its own."""
    parts = [f"invoices {supplier.casefold()}", *(["spread"] if spread else [])]
    return ", ".join([*parts, *([f"settled {settled}"] if settled else [])])


def slug_of_source(identity: str) -> str:
    """A short name for ``identity`` in commands and addresses."""
    return slug_of(identity)


def charge_line(bill: Bill, part: MonthPart, *, number: int) -> ChargeLine:
    """The part as one charge of its days, to be accrued over them. ``number`` tells lines of an invoice apart.

    What names no tenant is borne by a shared pool of the supplier.
    """
    line = part.line
    one_day = part.end - part.start == timedelta(days=1)
    pool = "" if line.tenant else f"{_pool(line)} {slug_of(bill.supplier)}"
    quantity = line.quantity if (part.start, part.end) == _days(line) else None
    return ChargeLine(
        billing_period_start=month_start(part.month),
        charge_period_start=midnight(part.start),
        charge_period_end=midnight(part.end),
        granularity=Granularity.DAY if one_day else Granularity.MONTH,
        service_provider_name=bill.supplier,
        service_name=line.service_name,
        service_category=line.service_category,
        billed_cost=part.amount,
        effective_cost=part.amount,
        billing_currency=bill.currency,
        charge_category=line.charge_category,
        charge_description=line.description,
        charge_frequency=_frequency(line),
        consumed_quantity=quantity,
        consumed_unit=line.unit if quantity is not None else "",
        billing_account_id=line.account,
        sub_account_id=line.account,
        invoice_id=bill.invoice_id,
        invoice_issuer_name=bill.supplier,
        x_line_item_type=_LINE_TYPES[line.charge_category],
        x_usage_type=line.meter,
        x_line_item_id=f"{bill.invoice_id}/{number}",
        x_pool=pool,
        tags=tags_of(line),
    )


def tags_of(line: Line) -> dict[str, str]:
    """What the line says of who bears it."""
    named = {"tenant": line.tenant, "environment": line.environment, "team": line.team}
    return {name: value for name, value in named.items() if value}


def midnight(day: date) -> datetime:
    """The start of ``day`` in UTC."""
    return datetime.combine(day, time(), UTC)


def _pool(line: Line) -> str:
    return "fees" if line.charge_category == ChargeCategory.PURCHASE else "shared"


def _frequency(line: Line) -> str:
    return "Usage-Based" if line.charge_category == ChargeCategory.USAGE else "Recurring"


def _days(line: Line) -> tuple[date, date]:
    return line.service_start, line.service_end
