"""Admin of suppliers' invoices: typed in with their lines, checked against their total, charged when saved."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms import BaseInlineFormSet, ChoiceField, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from finops import clock, job_table
from finops.admin_audit import AuditedAdmin
from finops.core.focus import ChargeCategory, ServiceCategory
from finops.models import User
from ingestion.core.delivery import LoadRefusedError
from ingestion.core.invoices import Line, line_problems, months_of, total_problem
from ingestion.core.meters import METERS
from ingestion.invoice_models import Invoice, InvoiceLine
from ingestion.invoices import (
    JOB_KIND,
    SUBJECT,
    bill_of,
    charge_months,
    known_supplier,
    months_to_spread,
)


class InvoiceForm(ModelForm):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """The invoice itself; its lines are checked by their own forms."""

    class Meta:
        model = Invoice
        fields = (
            *("service_provider_name", "invoice_id", "issued_on", "due_on", "currency", "total"),
            *("settled_rate", "settled_currency", "settled_on", "is_void", "note"),
        )

    def clean_service_provider_name(self) -> str:
        """One supplier, one spelling."""
        name = " ".join(str(self.cleaned_data["service_provider_name"]).split())
        known = known_supplier(name)
        return name if self.instance.pk and known == self.instance.service_provider_name else known


class LineForm(ModelForm):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """One line; says at once what is wrong with it."""

    meter = ChoiceField(
        required=False,
        help_text="What was charged for, if usage of it is known: then the amount is spread by that usage.",
    )

    class Meta:
        model = InvoiceLine
        fields = (
            *("description", "amount", "service_name", "service_category", "charge_category"),
            *("service_start", "service_end", "tenant", "environment", "team"),
            *("meter", "account", "quantity", "unit"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "none")] + [(m.id, f"{m.provider}: {m.title}") for m in METERS.values()]
        self.fields["meter"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField

    def clean(self) -> dict[str, Any]:
        """Ask the rules that files are held against, too."""
        found = super().clean() or {}
        if not self.errors and found and found.get("service_start") and found.get("service_end"):
            names = Line.__dataclass_fields__
            values = {name: value for name, value in found.items() if name in names}
            values["charge_category"] = ChargeCategory(values["charge_category"])
            values["service_category"] = ServiceCategory(values["service_category"])
            for field, sentence in line_problems(Line(**values)):
                self.add_error(field, sentence)
        return found


class LineFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """All lines together: they are what the total says."""

    def clean(self) -> None:
        """Refuse lines that do not sum to the total."""
        super().clean()
        if any(self.errors):
            return
        amounts = [
            form.cleaned_data["amount"]
            for form in self.forms
            if form.cleaned_data and not form.cleaned_data.get("DELETE")
        ]
        if not amounts:
            msg = "An invoice has at least one line."
            raise ValidationError(msg)
        total = self.instance.total
        problem = total_problem(amounts, total, self.instance.currency)
        if total is not None and problem:
            raise ValidationError(problem)


class LineInline(admin.StackedInline):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """The lines."""

    model = InvoiceLine
    form = LineForm
    formset = LineFormSet
    extra = 1
    fields = (
        ("description", "amount"),
        ("service_name", "service_category", "charge_category"),
        ("service_start", "service_end"),
        ("tenant", "environment", "team"),
        ("meter", "account", "quantity", "unit"),
    )


@admin.register(Invoice)
class InvoiceAdmin(AuditedAdmin):
    """Saving charges the invoice's months; a wrong invoice is corrected or marked void, never deleted."""

    form = InvoiceForm
    inlines = (LineInline,)
    list_display = (
        *("service_provider_name", "invoice_id", "issued_on", "total", "currency"),
        *("settled_rate", "is_void", "delivered_as"),
    )
    list_filter = ("service_provider_name", "is_void", "currency")
    search_fields = ("invoice_id", "service_provider_name", "lines__description")
    date_hierarchy = "issued_on"
    readonly_fields = ("delivered_as", "changed_by", "changed_at")

    def save_model(
        self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool
    ) -> None:
        """Save, and remember what the invoice charged before."""
        obj.before = set()
        if change:
            old = Invoice.objects.get(pk=obj.pk)
            lines = bill_of(old).lines
            obj.before = {(old.service_provider_name, month) for month in months_of(lines)}
        obj.changed_by = request.user if isinstance(request.user, User) else None
        obj.changed_at = clock.now()
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: ModelForm[Any], formsets: Any, change: bool
    ) -> None:
        """Save the lines, and charge every month that they touch or touched; usage spreads them in the background."""
        super().save_related(request, form, formsets, change)
        invoice = Invoice.objects.get(pk=form.instance.pk)
        now = {
            (invoice.service_provider_name, month) for month in months_of(bill_of(invoice).lines)
        }
        touched = form.instance.before | now
        for supplier in sorted({name for name, _ in touched}):
            months = {month for name, month in touched if name == supplier}
            charge_months(supplier=supplier, months=months, by_usage=False)
        if months_to_spread():
            job_table.enqueue(kind=JOB_KIND, subject=SUBJECT)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form; an invoice that the ledger refuses changes nothing, and a message says why."""
        try:
            with transaction.atomic():
                return super().changeform_view(request, object_id, form_url, extra_context)
        except LoadRefusedError as error:
            messages.error(request, f"Nothing was saved: {error}")
            return HttpResponseRedirect(request.path)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: an invoice that does not count is marked void and stays to be read."""
        return False
