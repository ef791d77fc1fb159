"""Invoices become charge lines: written, corrected or voided, they are what their months are charged at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from finops import clock
from finops.core.amounts import EXACT, exact_sum
from finops.core.focus import ChargeCategory, CostKind, Granularity, ServiceCategory
from finops.core.periods import Window, add_months, month_start
from finops.models import User
from ingestion.bookkeeping import hand_on
from ingestion.core.charge_line import ChargeLine
from ingestion.core.invoices import (
    Bill,
    Line,
    MonthPart,
    by_month,
    charge_line,
    identity_of,
    midnight,
    months_of,
    slug_of_source,
    tags_of,
)
from ingestion.core.meters import METERS
from ingestion.invoice_models import (
    SOURCE_KIND,
    Invoice,
    InvoiceLine,
    SpreadMonth,
    columns_of_line,
)
from ingestion.made_load import Made, load_made
from ingestion.models import Load, Source
from ingestion.spreading import spread, usage_marks

JOB_KIND, SUBJECT = "charge-invoices", "invoices"
"""The background work that spreads invoices by usage."""


@dataclass(frozen=True)
class _Group:
    """Lines that are one load: ``settled`` is the number of an invoice that was paid at a rate of its own."""

    spread: bool
    settled: str

    def identity(self, supplier: str) -> str:
        return identity_of(supplier, spread=self.spread, settled=self.settled)


@transaction.atomic
def take_bills(*, bills: Sequence[Bill], delivered_as: str = "", by: User | None = None) -> None:
    """Write these invoices in place of what was known under their numbers, and charge their months anew.

    All or nothing. Raises ``ingestion.core.delivery.LoadRefusedError``.
    """
    touched: dict[str, set[date]] = defaultdict(set)
    for given in bills:
        bill = replace(given, supplier=known_supplier(given.supplier))
        known = Invoice.objects.filter(
            service_provider_name=bill.supplier, invoice_id=bill.invoice_id
        ).first()
        if known is not None:
            touched[bill.supplier] |= months_of(bill_of(known).lines)
        values = {
            "issued_on": bill.issued_on,
            "currency": bill.currency,
            "total": exact_sum(line.amount for line in bill.lines),
            "due_on": bill.due_on,
            "settled_rate": bill.settled_rate,
            "settled_on": bill.settled_on,
            "delivered_as": delivered_as[:1000],
            "is_void": False,
            "changed_by": by,
            "changed_at": clock.now(),
        }
        if bill.settled_currency:
            values["settled_currency"] = bill.settled_currency
        invoice, _ = Invoice.objects.update_or_create(
            service_provider_name=bill.supplier, invoice_id=bill.invoice_id, defaults=values
        )
        invoice.lines.all().delete()
        InvoiceLine.objects.bulk_create(
            InvoiceLine(invoice=invoice, **columns_of_line(line)) for line in bill.lines
        )
        touched[bill.supplier] |= months_of(bill.lines)
    for supplier, months in sorted(touched.items()):
        charge_months(supplier=supplier, months=months)


@transaction.atomic
def charge_months(*, supplier: str, months: Collection[date], by_usage: bool = True) -> None:
    """Make what all invoices of ``supplier`` say of ``months`` what these are charged; the same changes nothing.

    Usage that became known since spreads the lines that name a meter anew. Without ``by_usage`` they are charged as
    they stand, for who waits for an answer: ``charge_again`` spreads them. Raises ``LoadRefusedError``.
    """
    # One at a time: two writers of one supplier would each miss the other's lines.
    list(Invoice.objects.select_for_update().filter(service_provider_name=supplier).order_by("pk"))
    # Before usage is read: what changes from here on makes the month be spread again.
    marks = usage_marks() if by_usage else {}
    found = _lines(supplier, months, by_usage=by_usage)
    for source in Source.objects.filter(kind=SOURCE_KIND, service_provider_name=supplier):
        loaded = Load.objects.filter(
            source=source, state=Load.State.CURRENT, billing_period__in=months
        )
        for month in loaded.values_list("billing_period", flat=True):
            found.setdefault((source.identity, month), (_kind(supplier, source.identity), []))
    # What is emptied goes first, so that a line that moves between sources is not there twice on the way.
    order = sorted(found.items(), key=lambda item: (bool(item[1][1]), item[0]))
    for (identity, month), (kind, lines) in order:
        if not lines and not _is_loaded(identity, month):
            continue
        made = Made(
            source_kind=SOURCE_KIND,
            identity=identity,
            source_slug=slug_of_source(identity),
            source_name=_name(supplier, identity),
            service_provider_name=supplier,
            key=f"{identity} {month:%Y-%m}"[:500],
        )
        load_made(made, billing_period=month, lines=lines, kind=kind)
    for month in months:
        if by_usage:
            SpreadMonth.objects.update_or_create(
                service_provider_name=supplier,
                month=month,
                defaults={"usage": marks.get(month, "")},
            )
        else:
            SpreadMonth.objects.filter(service_provider_name=supplier, month=month).delete()
    # A rate paid is no charge line: where only that changed, no load tells of it.
    hand_on("settlements", supplier=supplier, months=months)


def known_supplier(name: str) -> str:
    """``name`` as invoices spell it already: one supplier, one spelling."""
    known = Invoice.objects.filter(service_provider_name__iexact=name).order_by("pk").first()
    return known.service_provider_name if known else name


def charge_again() -> int:
    """Spread the invoiced months anew whose usage changed since they were spread; how many there were.

    A month whose usage stands still costs nothing, however many there are.
    """
    stale = months_to_spread()
    for supplier, months in sorted(stale.items()):
        charge_months(supplier=supplier, months=months)
    return sum(len(months) for months in stale.values())


def months_to_spread() -> dict[str, set[date]]:
    """Supplier → the months with a line to be spread whose usage is not the one that they were spread by."""
    metered_lines = InvoiceLine.objects.filter(
        invoice__is_void=False, charge_category=ChargeCategory.USAGE.value
    ).exclude(meter="")
    named: set[tuple[str, date]] = set()
    for supplier, start, end in metered_lines.order_by().values_list(
        "invoice__service_provider_name", "service_start", "service_end"
    ):
        named |= {(supplier, month) for month in Window(start, end).each_month()}
    if not named:
        return {}
    marks = usage_marks()
    known = {(row.service_provider_name, row.month): row.usage for row in SpreadMonth.objects.all()}
    stale: dict[str, set[date]] = defaultdict(set)
    for supplier, month in named:
        if known.get((supplier, month)) != marks.get(month, ""):
            stale[supplier].add(month)
    return stale


def bill_of(invoice: Invoice) -> Bill:
    """The stored invoice in pure form."""
    return Bill(
        supplier=invoice.service_provider_name,
        invoice_id=invoice.invoice_id,
        issued_on=invoice.issued_on,
        currency=invoice.currency,
        lines=tuple(_line(row) for row in invoice.lines.order_by("pk")),
        total=invoice.total,
        due_on=invoice.due_on,
        settled_rate=invoice.settled_rate,
        settled_currency=invoice.settled_currency,
        settled_on=invoice.settled_on,
    )


@dataclass(frozen=True)
class InvoicedShare:
    """What an invoice asks for in one month, of its total; ``amount`` is in ``currency``."""

    supplier: str
    invoice_id: str
    month: date
    currency: str
    amount: Decimal


def invoiced_shares(month: date | None = None) -> list[InvoicedShare]:
    """Every invoice that counts, by the months of its lines, or what falls into ``month``.

    The shares of an invoice sum to its total: what its lines do not say of it falls into the last month of them.
    """
    found = []
    invoices = Invoice.objects.filter(is_void=False).prefetch_related("lines")
    for invoice in invoices.order_by("service_provider_name", "invoice_id"):
        lines = [_line(row) for row in invoice.lines.all()]
        shares: dict[date, Decimal] = defaultdict(Decimal)
        for part in (part for line in lines for part in by_month(line)):
            shares[part.month] = EXACT.add(shares[part.month], part.amount)
        rest = EXACT.subtract(invoice.total, exact_sum(line.amount for line in lines))
        if rest:
            last = max(shares, default=month_start(invoice.issued_on))
            shares[last] = EXACT.add(shares[last], rest)
        found += [
            InvoicedShare(
                invoice.service_provider_name, invoice.invoice_id, when, invoice.currency, amount
            )
            for when, amount in sorted(shares.items())
            if month in {None, when}
        ]
    return found


def is_settled(bill: Bill) -> bool:
    """Whether a rate of its own converts it."""
    return bill.settled_rate is not None and bill.settled_currency != bill.currency


def _line(row: InvoiceLine) -> Line:
    values = columns_of_line(row)
    values["service_category"] = ServiceCategory(values["service_category"])
    values["charge_category"] = ChargeCategory(values["charge_category"])
    return Line(**values)


def _lines(
    supplier: str, months: Collection[date], *, by_usage: bool
) -> dict[tuple[str, date], tuple[CostKind, list[ChargeLine]]]:
    """Identity and month of each load → its kind and lines."""
    found: dict[tuple[str, date], tuple[CostKind, list[ChargeLine]]] = {}
    if not months:
        return found
    touching = InvoiceLine.objects.filter(
        service_start__lt=add_months(max(months), 1), service_end__gt=min(months)
    )
    invoices = Invoice.objects.filter(
        service_provider_name=supplier, is_void=False, pk__in=touching.values("invoice")
    )
    for invoice in invoices.prefetch_related("lines").order_by("invoice_id"):
        bill = bill_of(invoice)
        settled = bill.invoice_id if is_settled(bill) else ""
        for number, line in enumerate(bill.lines, 1):
            for part in by_month(line):
                if part.month not in months:
                    continue
                lines = list(_spread(bill, part, number)) if by_usage else []
                is_spread = bool(lines)
                lines = lines or [charge_line(bill, part, number=number)]
                identity = _Group(is_spread, settled).identity(supplier)
                kind = CostKind.TRUE_UP if is_spread else CostKind.BILLED
                found.setdefault((identity, part.month), (kind, []))[1].extend(lines)
    return found


def _spread(bill: Bill, part: MonthPart, number: int) -> Iterable[ChargeLine]:
    """One line for each day and owner that the part's meter was metered for; none without such usage."""
    line, whole = part.line, charge_line(bill, part, number=number)
    parts = (
        spread(
            amount=part.amount,
            meter=line.meter,
            start=midnight(part.start),
            end=midnight(part.end),
            account=line.account,
        )
        if line.meter and line.charge_category == ChargeCategory.USAGE and part.amount
        else []
    )
    for place, piece in enumerate(parts, 1):
        tags = {**piece.tags, **tags_of(line)}
        yield replace(
            whole,
            charge_period_start=piece.start,
            charge_period_end=piece.end,
            granularity=Granularity.DAY,
            billed_cost=piece.amount,
            effective_cost=piece.amount,
            consumed_quantity=piece.quantity,
            consumed_unit=METERS[line.meter].quantity_unit,
            x_line_item_id=f"{whole.x_line_item_id}/{place}",
            x_pool="",
            tags=tags,
        )


def _kind(supplier: str, identity: str) -> CostKind:
    rest = identity.removeprefix(identity_of(supplier))
    return CostKind.TRUE_UP if rest.startswith(", spread") else CostKind.BILLED


def _is_loaded(identity: str, month: date) -> bool:
    return Load.objects.filter(
        source__kind=SOURCE_KIND,
        source__identity=identity,
        billing_period=month,
        state=Load.State.CURRENT,
        lines__gt=0,
    ).exists()


def _name(supplier: str, identity: str) -> str:
    rest = identity.removeprefix(identity_of(supplier)).lstrip(", ")
    return f"{supplier} invoices{f' ({rest})' if rest else ''}"[:200]


@dataclass(frozen=True)
class SettledSource:
    """A source whose amounts were paid at a rate of their own."""

    source_id: int
    currency: str
    settled_currency: str
    rate: Decimal
    invoice_id: str
    supplier: str
    months: tuple[date, ...]


def settled_sources() -> list[SettledSource]:
    """The sources of invoices that were paid at a known rate."""
    wanted: dict[str, Invoice] = {}
    rows = Invoice.objects.filter(is_void=False, settled_rate__isnull=False)
    for row in rows.exclude(currency=F("settled_currency")).order_by("pk"):
        for is_spread in (False, True):
            wanted[_Group(is_spread, row.invoice_id).identity(row.service_provider_name)] = row
    if not wanted:
        return []
    loads = Load.objects.filter(
        source__kind=SOURCE_KIND, source__identity__in=wanted, state=Load.State.CURRENT, lines__gt=0
    )
    months: dict[tuple[int, str], list[date]] = defaultdict(list)
    for source_id, identity, month in loads.order_by("source", "billing_period").values_list(
        "source", "source__identity", "billing_period"
    ):
        months[source_id, identity].append(month)
    return [
        SettledSource(
            source_id,
            wanted[identity].currency,
            wanted[identity].settled_currency,
            wanted[identity].settled_rate or Decimal(0),
            wanted[identity].invoice_id,
            wanted[identity].service_provider_name,
            tuple(billed),
        )
        for (source_id, identity), billed in months.items()
    ]


def invoiced_through(meter: str, account: str = "") -> date | None:
    """The day after the last one that an invoice charges ``meter`` for, in all accounts or this one."""
    rows = InvoiceLine.objects.filter(meter=meter, invoice__is_void=False)
    if account:
        rows = rows.filter(account__in=("", account))
    return rows.order_by("-service_end").values_list("service_end", flat=True).first()
