"""The demo's books: an account map, and the oldest simulated month closed by its admin."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from allocation import books
from allocation.checklist import checklist
from allocation.close_models import ClosedMonth, FrozenRate, GlAccount
from allocation.close_selectors import months_with_figures
from allocation.core.checks import Asked, CheckState
from allocation.month_close import CloseRefusedError, close_month
from allocation.services import recognise_revenue
from finops import clock
from finops.core.amounts import EXACT, to_cents
from finops.core.periods import Window, add_months
from ingestion.core.invoices import months_of
from ingestion.estimating import awaits_estimate, estimate
from ingestion.invoice_models import Invoice
from ingestion.invoices import bill_of, charge_again, charge_months
from ingestion.models import RevenueRow

_ACCOUNTS: tuple[tuple[str, dict[str, str], str, str], ...] = (
    ("expense", {}, "5000", "Cost of revenue, other services"),
    ("expense", {"service_category": "Compute"}, "5010", "Cost of revenue, compute"),
    ("expense", {"service_category": "Storage"}, "5020", "Cost of revenue, storage"),
    ("expense", {"service_category": "Networking"}, "5030", "Cost of revenue, network"),
    ("expense", {"charge_category": "Tax"}, "1570", "Input tax"),
    ("expense", {"charge_category": "Credit"}, "5090", "Credits of providers"),
    ("payable", {}, "2000", "Accounts payable"),
    ("accrued", {}, "2100", "Accrued liabilities"),
    ("prepaid", {}, "1300", "Prepaid commitments"),
    ("exchange", {}, "5980", "Exchange differences"),
    ("rounding", {}, "5999", "Rounding"),
)
_CREDITED = Decimal("0.05")
_DEARER = Decimal("1.03")
_RATE_DIGITS = Decimal("0.0001")
_ACCEPTED = (
    "the demo closes its oldest month, so that reported and restated figures can be compared"
)


def ensure_accounts() -> None:
    """An account map where there is none; one that somebody changed stays."""
    if GlAccount.objects.exists():
        return
    GlAccount.objects.bulk_create(
        GlAccount(role=role, account=account, note=note, **named)
        for role, named, account, note in _ACCOUNTS
    )


def ensure_closed_month(username: str) -> None:
    """Close the oldest month that is over, once; a month that somebody opened again stays open."""
    if ClosedMonth.objects.exists():
        return
    actor = get_user_model().objects.get(username=username)
    months = [month for month in months_with_figures() if add_months(month, 1) <= clock.today()]
    if len(months) < 2:
        return
    month = min(months)
    charge_again()  # what the worker does first: usage is known that spreads invoices
    if awaits_estimate(clock.now()):
        estimate()
    items = checklist(Asked(month, clock.now(), books.closed_through()))
    accept = {item.id: _ACCEPTED for item in items if item.found.state is CheckState.OPEN}
    try:
        close_month(
            month=month, actor=actor, reason="Simulated month, closed by the demo", accept=accept
        )
    except CloseRefusedError:
        return  # what blocks it stands on the page
    _credit_note(month)
    _late_payment(month)


def _late_payment(month: date) -> None:
    """An invoice in another currency that is paid after the close, dearer: it shows an exchange difference."""
    foreign = Invoice.objects.filter(lines__service_start__gte=month, settled_rate__isnull=True)
    foreign = foreign.filter(lines__service_start__lt=add_months(month, 1), is_void=False)
    invoice = foreign.exclude(currency=settings.REPORTING_CURRENCY).order_by("pk").first()
    rate = (
        FrozenRate.objects.filter(closed__month=month, base=invoice.currency).first()
        if invoice
        else None
    )
    if invoice is None or rate is None or not Decimal(rate.rate):
        return
    invoice.settled_rate = (Decimal(rate.rate) * _DEARER).quantize(_RATE_DIGITS)
    invoice.settled_currency, invoice.settled_on = rate.quote, clock.today()
    invoice.changed_at = clock.now()
    with transaction.atomic():
        invoice.save()
        charge_months(
            supplier=invoice.service_provider_name, months=months_of(bill_of(invoice).lines)
        )


def _credit_note(month: date) -> None:
    """A credit note that comes after the close: it shows what an adjustment is."""
    window = Window.of_month(month)
    of_month = RevenueRow.objects.filter(service_start=window.start, service_end=window.end)
    largest = of_month.order_by("-amount", "pk").first()
    if largest is None:
        return
    note = RevenueRow.objects.create(
        tenant=largest.tenant,
        service_start=window.start,
        service_end=window.end,
        amount=-to_cents(EXACT.multiply(largest.amount, _CREDITED)),
        currency=largest.currency,
        invoice_id=f"{largest.invoice_id}-CN",
    )
    recognise_revenue(
        revenue_row_ids=[note.pk], why=f"Credit note {note.invoice_id} came after the close."
    )
