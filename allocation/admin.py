"""Admin of revenue: it lives here because a changed row is recognised anew, which is this app's work."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from allocation.books import book_revenue_changes
from allocation.close_models import GlAccount
from allocation.services import recognise_revenue
from finops.admin_audit import AuditedAdmin
from finops.core.amounts import money_text
from ingestion.models import RevenueRow


@admin.register(GlAccount)
class GlAccountAdmin(AuditedAdmin):
    """The account map of the journal; every change stands in the audit log."""

    list_display = (
        "role",
        "service_provider_name",
        "service_category",
        "charge_category",
        "kind",
        "account",
        "note",
    )
    list_display_links = ("role", "account")
    list_filter = ("role", "service_provider_name")
    search_fields = ("account", "note", "service_provider_name", "service_category")


@admin.register(RevenueRow)
class RevenueRowAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """Revenue rows, imported or typed in; saving one spreads it over its service days again."""

    list_display = (
        "invoice_id",
        "tenant",
        "service_start",
        "service_end",
        "amount_shown",
        "delivery",
    )
    list_filter = ("currency", "service_start")
    list_select_related = ("tenant", "delivery__source")
    search_fields = ("invoice_id", "tenant__slug", "tenant__name")
    autocomplete_fields = ("tenant",)
    readonly_fields = ("delivery",)
    date_hierarchy = "service_start"

    @admin.display(description="Amount", ordering="amount")
    def amount_shown(self, row: RevenueRow) -> str:
        """In cents, with the currency."""
        return money_text(row.amount, row.currency)

    def save_model(
        self, request: HttpRequest, obj: RevenueRow, form: ModelForm[RevenueRow], change: bool
    ) -> None:
        """Save, then recognise anew; the admin's transaction holds both."""
        super().save_model(request, obj, form, change)
        recognise_revenue(revenue_row_ids=[obj.pk])

    def delete_model(self, request: HttpRequest, obj: RevenueRow) -> None:
        """Remove, then book what closed months lose; the admin's transaction holds both."""
        super().delete_model(request, obj)
        book_revenue_changes(why=f"The revenue row of invoice {obj.invoice_id} was removed.")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[RevenueRow]) -> None:
        """The same for several."""
        for row in queryset:
            self.delete_model(request, row)

    def has_delete_permission(self, request: HttpRequest, obj: RevenueRow | None = None) -> bool:
        """Only rows that were typed in: an imported one is corrected by its source."""
        if obj is not None and obj.delivery_id is not None:
            return False
        return super().has_delete_permission(request, obj)
