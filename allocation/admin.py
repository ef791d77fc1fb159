"""Admin of revenue: it lives here because a changed row is recognised anew, which is this app's work."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import CharField, ChoiceField, ModelForm, TextInput
from django.http import HttpRequest, HttpResponse

from allocation.books import book_revenue_changes
from allocation.close_models import GlAccount
from allocation.services import recognise_revenue
from finops.admin_audit import AuditedAdmin
from finops.core.amounts import money_text
from finops.core.focus import ChargeCategory, CostKind, ServiceCategory
from ingestion.models import RevenueRow, Source


class GlAccountForm(ModelForm):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """What has a known set of values is chosen; a provider may be one whose first bill is still to come."""

    service_provider_name = CharField(
        label="Provider",
        required=False,
        max_length=100,
        widget=TextInput(attrs={"list": "known-providers", "class": "vTextField"}),
        help_text="Only for this provider, as bills spell it. Empty: any.",
    )
    service_category = ChoiceField(
        required=False,
        choices=[("", "any"), *((one.value, one.value) for one in ServiceCategory)],
        help_text="Only for this FOCUS service category.",
    )
    charge_category = ChoiceField(
        required=False,
        choices=[("", "any"), *((one.value, one.value) for one in ChargeCategory)],
        help_text="Only for charges of this kind.",
    )
    kind = ChoiceField(
        required=False,
        choices=[("", "any"), *((one.value, one.value) for one in CostKind)],
        help_text="Only for cost that is billed, estimated, or a true-up of an estimate.",
    )

    class Meta:
        model = GlAccount
        fields = (
            *("role", "service_provider_name", "service_category", "charge_category", "kind"),
            *("account", "note"),
        )


@admin.register(GlAccount)
class GlAccountAdmin(AuditedAdmin):
    """The account map of the journal; every change stands in the audit log."""

    form = GlAccountForm
    change_form_template = "admin/allocation/glaccount/change_form.html"
    list_display = ("role_name", "account", "takes", "note")
    list_display_links = ("role_name", "account")
    list_filter = ("role", "service_provider_name")
    search_fields = ("account", "note", "service_provider_name", "service_category")

    @admin.display(description="Role", ordering="role")
    def role_name(self, row: GlAccount) -> str:
        """The role in a word or two; the form says what it is for."""
        return str(row.get_role_display()).split(":", maxsplit=1)[0]

    @admin.display(description="Takes", ordering="service_provider_name")
    def takes(self, row: GlAccount) -> str:
        """What the row matches, in the order of the form, or any."""
        named = (
            row.service_provider_name,
            row.service_category,
            row.charge_category,
            f"{row.kind} cost" if row.kind else "",
        )
        return ", ".join(filter(None, named)) or "any"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The form, with the providers that have billed to pick from."""
        names = Source.objects.exclude(service_provider_name="").order_by("service_provider_name")
        context["providers"] = names.values_list("service_provider_name", flat=True).distinct()
        return super().render_change_form(request, context, *args, **kwargs)


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
