"""Admin of exchange rates: files bring them, a person corrects one or adds what no file has."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.http import HttpRequest

from finops import clock
from finops.admin_audit import AuditedAdmin
from finops.fx import rates_changed
from finops.fx_models import ExchangeRate


class RateForm(ModelForm):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """A rate between two currencies."""

    class Meta:
        model = ExchangeRate
        fields = ("day", "base", "quote", "rate", "source")

    def clean(self) -> dict[str, Any]:
        """Refuse a rate from a currency to itself."""
        found = super().clean() or {}
        if found.get("base") and found.get("base") == found.get("quote"):
            msg = "A rate is between two currencies: base and quote are the same."
            raise ValidationError({"quote": msg})
        return found


@admin.register(ExchangeRate)
class ExchangeRateAdmin(AuditedAdmin):
    """Every change is in the audit log and in the row's history; a month that is closed keeps its rates."""

    form = RateForm
    list_display = ("day", "base", "quote", "rate", "source", "changed_at")
    list_filter = ("base", "quote")
    search_fields = ("base", "quote", "source")
    date_hierarchy = "day"
    readonly_fields = ("changed_at",)

    def save_model(
        self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool
    ) -> None:
        """Save with the time; the admin's transaction holds what follows, too."""
        obj.changed_at = clock.now()
        super().save_model(request, obj, form, change)
        rates_changed()
