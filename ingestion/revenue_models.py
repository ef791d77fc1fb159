"""Revenue as it was invoiced to tenants: the other side of the P&L."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from finops.models import Tenant
from finops.money import MoneyField


class RevenueRow(models.Model):
    """Revenue as invoiced: net of tax and discount, recognised straight-line over its service days."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="revenue_rows")
    service_start = models.DateField(help_text="First day of the service.")
    service_end = models.DateField(help_text="The day after the last day of the service.")
    amount = MoneyField(help_text="Net of tax and discount; negative for a credit note.")
    currency = models.CharField(max_length=3, help_text="ISO 4217, for example USD.")
    invoice_id = models.CharField(max_length=100)
    line_id = models.CharField(
        max_length=100, blank=True, help_text="Tells apart lines of one invoice for the same days."
    )
    delivery = models.ForeignKey(
        "ingestion.Delivery",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="revenue_rows",
        help_text="The file it came from; empty when it was typed in.",
    )

    class Meta:
        ordering = ["-service_start", "tenant__slug", "invoice_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice_id", "tenant", "service_start", "service_end", "line_id"],
                name="one_revenue_row_per_invoice_line",
            ),
            models.CheckConstraint(
                condition=Q(service_end__gt=F("service_start")), name="service_days_exist"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invoice_id} {self.tenant.slug} {self.amount} {self.currency}"
