"""Admin of what was delivered: sources are named here, the trail of deliveries is read."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.forms import ChoiceField, ModelForm, ValidationError
from django.http import HttpRequest

from finops import clock
from finops.admin_audit import AuditedAdmin
from finops.admin_site import ReadOnlyAdmin
from finops.core.amounts import money_text, plain
from ingestion.admin_usage import LogpushSettingsInline
from ingestion.api_registry import api_sources
from ingestion.cloudflare_models import UsageCheck, WorkerDeployment
from ingestion.core.cloudflare_settings import secret_setting
from ingestion.core.delivery import SourceError
from ingestion.invoice_admin import InvoiceAdmin  # noqa: F401  # Django finds admins in this file
from ingestion.learning import is_learnt
from ingestion.locations.base import SourceUnavailableError
from ingestion.locations.choose import location_of
from ingestion.models import (
    Connection,
    Delivery,
    LakeFile,
    Load,
    LoadTotal,
    RejectedRow,
    Source,
)
from ingestion.origin_admin import HostOriginAdmin  # noqa: F401  # Django finds admins in this file
from ingestion.price_admin import PriceListEntryAdmin  # noqa: F401  # Django finds admins in this file
from ingestion.registry import sources
from ingestion.tsa_admin import TsaContractAdmin  # noqa: F401  # Django finds admins in this file
from ingestion.usage_api_models import UsageRecord


class ConnectionForm(ModelForm):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """Says at once when a place cannot be one."""

    kind = ChoiceField(help_text="Which reader reads it.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            known = [*sources().values(), *api_sources().values()]
            self.fields["kind"].choices = [(r.id, r.title) for r in known]  # type: ignore[attr-defined]  # a ChoiceField

    def clean(self) -> dict[str, Any]:
        """Refuse a location that cannot be read, and credentials wherever they are written."""
        found = super().clean() or {}
        location = str(found.get("location", ""))
        endpoint = str(found.get("endpoint_url", ""))
        settings = found.get("settings") or {}
        found["settings"] = settings
        if place := secret_setting(settings):
            msg = (
                f"{place} looks like a secret: name the environment variable that holds it instead, in a "
                "setting that ends with _env."
            )
            raise ValidationError({"settings": msg})
        api = api_sources().get(str(found.get("kind", "")))
        if api:
            try:
                api.check(location, settings)
            except SourceError as error:
                raise ValidationError(str(error)) from None
            return found
        if "@" in urlsplit(endpoint).netloc:
            raise ValidationError(
                {"endpoint_url": "Leave credentials out: they are never kept here."}
            )
        if not location.startswith(("/", "s3://")):
            msg = (
                "Write a whole path (/srv/bills) or a bucket with a prefix (s3://acme-billing/cur)."
            )
            raise ValidationError({"location": msg})
        try:
            location_of(location, endpoint_url=endpoint)
        except SourceUnavailableError as error:
            raise ValidationError({"location": str(error)}) from None
        return found


@admin.register(Connection)
class ConnectionAdmin(AuditedAdmin):
    """Places that are looked at on a schedule; who changed one is in the audit log."""

    form = ConnectionForm
    inlines = (LogpushSettingsInline,)
    list_display = (
        "slug",
        "kind",
        "location",
        "check_every_minutes",
        "is_active",
        "checked_at",
        "problem",
    )
    list_filter = ("kind", "is_active")
    search_fields = ("slug", "location")
    actions = None

    def get_readonly_fields(
        self, request: HttpRequest, obj: Connection | None = None
    ) -> tuple[str, ...]:
        """The name is chosen once: jobs and pages know it by that."""
        seen = ("created_at", "checked_at", "problem")
        return ("slug", *seen) if obj else seen

    def save_model(
        self, request: HttpRequest, obj: Connection, form: ModelForm[Connection], change: bool
    ) -> None:
        """Date a connection that a person creates."""
        if not change:
            obj.created_at = clock.now()
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Connection | None = None) -> bool:
        """Never: a connection is made inactive."""
        return False


@admin.register(Source)
class SourceAdmin(AuditedAdmin):
    """Sources: what is delivered from where, and how often it is expected; who changed one is in the audit log."""

    list_display = (
        "slug",
        "name",
        "kind",
        "service_provider_name",
        "expected_every_hours",
        "is_active",
    )
    list_filter = ("kind", "is_active")
    search_fields = ("slug", "name", "identity")
    actions = None

    def get_readonly_fields(
        self, request: HttpRequest, obj: Source | None = None
    ) -> tuple[str, ...]:
        """What names the source to the provider is set once: its loads hang on it."""
        if not obj:
            return ("created_at",)
        told = ("service_provider_name",) if is_learnt(obj.kind) else ()
        return ("slug", "kind", "identity", *told, "created_at")

    def save_model(
        self, request: HttpRequest, obj: Source, form: ModelForm[Source], change: bool
    ) -> None:
        """Date a source that a person creates."""
        if not change:
            obj.created_at = clock.now()
        if "expected_every_hours" in form.changed_data:
            obj.is_expectation_learnt = False
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Source | None = None) -> bool:
        """Never: a source is made inactive."""
        return False


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Deliveries with their state and, where one was refused, the reason."""

    list_display = (
        "key",
        "source",
        "billing_period",
        "state",
        "rows",
        "rejected_rows",
        "finished_at",
    )
    list_filter = ("state", "source", "billing_period")
    list_select_related = ("source",)
    search_fields = ("key", "execution_id", "sha256")


class LoadTotalInline(admin.TabularInline):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """The control totals of a load, exact, per currency."""

    model = LoadTotal
    fields = readonly_fields = (
        "service_provider_name",
        "billing_currency",
        "source_total",
        "ingested",
        "rejected",
        "allocated_shown",
        "unallocated_shown",
        "rounding",
        "lines",
        "rejected_lines",
    )
    can_delete = False
    max_num = 0

    @admin.display(description="Source total")
    def source_total(self, total: LoadTotal) -> str:
        """To the last digit."""
        return plain(total.exact("source_total"))

    @admin.display(description="Ingested")
    def ingested(self, total: LoadTotal) -> str:
        """To the last digit."""
        return plain(total.exact("ingested"))

    @admin.display(description="Rejected")
    def rejected(self, total: LoadTotal) -> str:
        """To the last digit."""
        return plain(total.exact("rejected"))

    @admin.display(description="Allocated")
    def allocated_shown(self, total: LoadTotal) -> str:
        """In cents; the exact figures stand beside it."""
        return money_text(total.allocated, total.billing_currency)

    @admin.display(description="Unallocated")
    def unallocated_shown(self, total: LoadTotal) -> str:
        """In cents."""
        return money_text(total.unallocated, total.billing_currency)

    @admin.display(description="Rounding")
    def rounding(self, total: LoadTotal) -> str:
        """To the last digit."""
        return plain(total.exact("rounding"))


class LakeFileInline(admin.TabularInline):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """The Parquet files of a load."""

    model = LakeFile
    fields = readonly_fields = ("kind", "path", "rows", "bytes")
    can_delete = False
    max_num = 0


@admin.register(Load)
class LoadAdmin(ReadOnlyAdmin):
    """Loads: which of them readers see, and their control totals."""

    list_display = ("source", "billing_period", "state", "lines", "rejected_lines", "committed_at")
    list_filter = ("state", "source", "billing_period")
    list_select_related = ("source",)
    inlines = (LoadTotalInline, LakeFileInline)


@admin.register(RejectedRow)
class RejectedRowAdmin(ReadOnlyAdmin):
    """Rows put aside, redacted."""

    list_display = ("file", "line", "reason", "amount", "billing_currency")
    list_filter = ("delivery__source",)
    search_fields = ("file", "reason")


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnlyAdmin):
    """Usage that clients sent."""

    list_display = ("record_id", "source", "hour", "metric", "quantity", "tenant", "received_at")
    list_filter = ("source", "metric")
    list_select_related = ("source", "tenant")
    search_fields = ("record_id",)


@admin.register(UsageCheck)
class UsageCheckAdmin(ReadOnlyAdmin):
    """Looks at APIs: what each could tell, and the rows that were put aside."""

    list_display = ("checked_at", "source", "data_through", "rows", "rejected_rows", "problem")
    list_filter = ("source",)
    list_select_related = ("source",)


@admin.register(WorkerDeployment)
class WorkerDeploymentAdmin(ReadOnlyAdmin):
    """Deployments of Workers."""

    list_display = ("created_at", "script", "deployed_by", "message")
    list_filter = ("script",)
