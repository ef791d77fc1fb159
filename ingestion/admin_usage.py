"""Admin of logs: a job's settings stand on its connection, the trail of objects is read."""

from __future__ import annotations

from django.contrib import admin

from finops.admin_site import ReadOnlyAdmin
from ingestion.usage_models import LogObject, LogpushSettings, RejectedLine, UsageFile, UsageLoad


class LogpushSettingsInline(admin.StackedInline):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """What a Logpush job's own settings do to its lines; of no effect for other kinds."""

    model = LogpushSettings
    can_delete = False
    extra = 0


class RejectedLineInline(admin.TabularInline):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """The lines of an object that were put aside."""

    model = RejectedLine
    fields = readonly_fields = ("line", "reason", "text")
    can_delete = False
    max_num = 0


@admin.register(LogObject)
class LogObjectAdmin(ReadOnlyAdmin):
    """Objects of logs, what became of each and why."""

    list_display = ("key", "source", "state", "lines", "duplicates", "rejected", "taken_at")
    list_filter = ("state", "source")
    list_select_related = ("source",)
    search_fields = ("key", "reason")
    inlines = (RejectedLineInline,)


class UsageFileInline(admin.TabularInline):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """The Parquet files of a load."""

    model = UsageFile
    fields = readonly_fields = ("kind", "day", "path", "rows", "bytes", "left_at")
    can_delete = False
    max_num = 0


@admin.register(UsageLoad)
class UsageLoadAdmin(ReadOnlyAdmin):
    """Loads of usage, each visible as a whole."""

    list_display = ("source", "mode", "state", "lines", "duplicates", "rejected", "committed_at")
    list_filter = ("state", "source")
    list_select_related = ("source",)
    inlines = (UsageFileInline,)
