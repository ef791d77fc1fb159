"""Invoices of suppliers, as they were typed in or delivered in a file: what was billed beside AWS's own files."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

from finops.core.focus import ChargeCategory, ServiceCategory
from finops.models import User
from finops.money import MoneyField, QuantityField

SOURCE_KIND = "invoice"
"""The kind of the sources that invoices are charged under: one per supplier."""
_CURRENCY = RegexValidator(
    r"^[A-Z]{3}\Z", "Write a currency as three capital letters, for example USD."
)
_SLUG = RegexValidator(
    r"^[a-z0-9]+(-[a-z0-9]+)*\Z", "Write small letters, digits and hyphens, for example acme-corp."
)


def reporting_currency() -> str:
    """The currency that figures are reported in."""
    return str(settings.REPORTING_CURRENCY)


class Invoice(models.Model):
    """One invoice of a supplier. A void one stays to be read and charges nothing."""

    service_provider_name = models.CharField(
        "supplier", max_length=100, help_text="FOCUS ServiceProviderName, for example Cloudflare."
    )
    invoice_id = models.CharField(
        "invoice number", max_length=100, help_text="As the supplier writes it."
    )
    issued_on = models.DateField(help_text="The day that stands on the invoice.")
    due_on = models.DateField(null=True, blank=True)
    currency = models.CharField(
        max_length=3, validators=[_CURRENCY], help_text="Of all its amounts; ISO 4217."
    )
    total = MoneyField(help_text="What the invoice asks for, tax included: the sum of its lines.")
    settled_rate = models.DecimalField(
        max_digits=20,
        decimal_places=10,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.0000000001"))],
        help_text="How many units of the settlement's currency were paid for one unit of the invoice's. Empty: "
        "the month's average rate counts.",
    )
    settled_currency = models.CharField(
        max_length=3,
        default=reporting_currency,
        validators=[_CURRENCY],
        help_text="What it was paid in.",
    )
    settled_on = models.DateField(null=True, blank=True, help_text="The day on which it was paid.")
    is_void = models.BooleanField(
        "void", default=False, help_text="It does not count: cancelled, or replaced by another one."
    )
    note = models.TextField(blank=True)
    delivered_as = models.CharField(
        max_length=1000,
        blank=True,
        editable=False,
        help_text="The file that it came with last; empty where it was typed in.",
    )
    changed_by = models.ForeignKey(
        User, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    changed_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["-issued_on", "service_provider_name", "invoice_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["service_provider_name", "invoice_id"], name="one_invoice_per_number"
            ),
            models.CheckConstraint(
                condition=Q(settled_rate__isnull=True) | Q(settled_rate__gt=0),
                name="settled_rate_is_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service_provider_name} {self.invoice_id}"


class InvoiceLine(models.Model):
    """One line of an invoice, in its currency."""

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    description = models.CharField(max_length=300)
    service_name = models.CharField(max_length=100, help_text="For example R2, or Premium support.")
    service_category = models.CharField(
        max_length=40,
        choices=[(name.value, name.value) for name in ServiceCategory],
        default=ServiceCategory.OTHER.value,
        help_text="FOCUS ServiceCategory: the row of the P&L.",
    )
    charge_category = models.CharField(
        max_length=12,
        choices=[(name.value, name.value) for name in ChargeCategory],
        default=ChargeCategory.USAGE.value,
        help_text="A fee or a minimum is a Purchase.",
    )
    service_start = models.DateField(help_text="First day of the service.")
    service_end = models.DateField(help_text="The day after the last day of the service.")
    amount = MoneyField(help_text="In the invoice's currency; a credit is negative.")
    quantity = QuantityField(null=True, blank=True)
    unit = models.CharField(max_length=40, blank=True)
    meter = models.CharField(
        max_length=60,
        blank=True,
        help_text="What was charged for, if usage of it is known: then the amount is spread by that usage.",
    )
    account = models.CharField(
        max_length=100, blank=True, help_text="The supplier's id of the account; empty: all."
    )
    tenant = models.CharField(
        max_length=63,
        blank=True,
        validators=[_SLUG],
        help_text="Slug of the tenant that bears it; empty: a shared pool of the supplier.",
    )
    environment = models.CharField(max_length=63, blank=True, validators=[_SLUG])
    team = models.CharField(max_length=63, blank=True, validators=[_SLUG])

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["meter", "service_end"], name="invoice_line_meter")]
        constraints = [
            models.CheckConstraint(
                condition=Q(service_end__gt=F("service_start")), name="invoiced_days_exist"
            )
        ]

    def __str__(self) -> str:
        return f"{self.description} {self.amount}"


class SpreadMonth(models.Model):
    """By which usage a supplier's month was spread, so that it is spread anew only when that changed."""

    service_provider_name = models.CharField(max_length=100)
    month = models.DateField(help_text="Its first day.")
    usage = models.CharField(
        max_length=64, help_text="Digest of what the sources said of the month."
    )

    class Meta:
        ordering = ["service_provider_name", "month"]
        constraints = [
            models.UniqueConstraint(
                fields=["service_provider_name", "month"], name="one_row_per_spread_month"
            )
        ]

    def __str__(self) -> str:
        return f"{self.service_provider_name} {self.month:%Y-%m}"


def columns_of_line(line: Any) -> dict[str, Any]:
    """A line of ``ingestion.core.invoices`` as columns of ``InvoiceLine``, and back."""
    names = [
        field.name
        for field in InvoiceLine._meta.concrete_fields
        if field.name not in ("id", "invoice")
    ]
    return {name: getattr(line, name) for name in names}
