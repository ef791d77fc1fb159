"""Admin of origins of hosts and owners of usage; a change is in the figures with the next estimate."""

from __future__ import annotations

from django.contrib import admin

from ingestion.origin_models import HostOrigin, UsageOwner


@admin.register(HostOrigin)
class HostOriginAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """Where hosts have their origins."""

    list_display = ("pattern", "kind", "region_id", "account", "note")
    list_filter = ("kind",)
    search_fields = ("pattern", "account", "note")


@admin.register(UsageOwner)
class UsageOwnerAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    """Whose hosts, Workers and buckets are."""

    list_display = ("name", "kind", "tenant", "confidence", "note")
    list_filter = ("kind",)
    search_fields = ("name", "tenant__slug", "tenant__name", "note")
    autocomplete_fields = ("tenant",)
    list_select_related = ("tenant",)
