"""Admin of the kernel: tenants, people, groups and overrides of settings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Exists, Field, ManyToManyField, OuterRef, QuerySet
from django.forms import ModelForm, ModelMultipleChoiceField
from django.http import HttpRequest

from finops import clock
from finops.admin_audit import AuditedAdmin
from finops.admin_site import ReadOnlyAdmin
from finops.api import admin as _tokens  # noqa: F401 - registers the tokens
from finops.core.amounts import plain
from finops.core.tunables import TUNABLES
from finops.fx_admin import ExchangeRateAdmin  # noqa: F401  # Django finds admins in this file
from finops.groups import GROUPS
from finops.models import Job, SettingOverride, Tenant, User
from finops.permissions import Person, holds_more
from finops.selectors import effective_setting

admin.site.unregister(Group)


@admin.register(Tenant)
class TenantAdmin(AuditedAdmin):
    """Tenants are confirmed, renamed and retired here, never deleted."""

    list_display = ("slug", "name", "discovered", "is_active", "first_seen")
    list_filter = ("discovered", "is_active")
    search_fields = ("slug", "name")
    actions = None

    def get_readonly_fields(
        self, request: HttpRequest, obj: Tenant | None = None
    ) -> tuple[str, ...]:
        """The slug is what tags and files say: it is chosen once."""
        return ("slug", "first_seen") if obj else ("first_seen",)

    def save_model(
        self, request: HttpRequest, obj: Tenant, form: ModelForm[Tenant], change: bool
    ) -> None:
        """Date a tenant that a person creates."""
        if not change:
            obj.first_seen = clock.now()
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        """Never: history hangs on it, and a person limited to it alone would see the company."""
        return False


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """People. Nobody gives, and nobody takes over, more than they hold themselves."""

    list_display = ("username", "email", "first_name", "last_name", "is_active", "last_login")
    list_filter = ("is_active", "groups")
    filter_horizontal = ("groups", "user_permissions", "tenant_scope")
    readonly_fields = ("last_login", "date_joined")
    actions = None

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """The rights that reach around the groups are shown to superusers only."""
        if obj is None:
            return super().get_fieldsets(request, obj)
        rights = ["is_active", "groups", "tenant_scope"]
        if request.user.is_superuser:
            rights += ["is_superuser", "user_permissions"]
        return (
            (None, {"fields": ("username", "password")}),
            ("Person", {"fields": ("first_name", "last_name", "email")}),
            ("Rights", {"fields": rights}),
            ("Dates", {"fields": ("last_login", "date_joined")}),
        )

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        """Offer only the groups whose permissions this person holds."""
        if db_field.name == "groups":
            kwargs["queryset"] = _groups_within(request.user)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Not where the other person holds more: whoever sets a password holds the account."""
        if not super().has_change_permission(request, obj):
            return False
        return obj is None or not holds_more(obj, request.user)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Never: people are made inactive, so that the trail keeps its names."""
        return False


@admin.register(Group)
class ReadableGroupAdmin(GroupAdmin):
    """Groups are shown to who manages people; the product's own are kept by ``finops.groups``."""

    actions = None

    def has_view_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Who may see people may see what their groups mean."""
        return request.user.has_perm("finops.view_user")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The same for the index page."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers only."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Superusers only, and only groups of their own making."""
        return bool(request.user.is_superuser) and (obj is None or obj.name not in GROUPS)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """As for changes."""
        return obj is not None and self.has_change_permission(request, obj)


@admin.register(SettingOverride)
class SettingOverrideAdmin(AuditedAdmin):
    """Overrides of settings: for everyone, or for one tenant; each with a reason and its author."""

    list_display = (
        "name",
        "scope",
        "value",
        "default",
        "applies",
        "reason",
        "changed_by",
        "changed_at",
    )
    list_filter = ("name",)
    list_select_related = ("tenant", "changed_by")
    search_fields = ("name", "tenant__slug", "tenant__name", "reason")
    autocomplete_fields = ("tenant",)
    fields = ("name", "tenant", "value", "reason", "default", "applies", "changed_by", "changed_at")
    readonly_fields = ("default", "applies", "changed_by", "changed_at")

    @admin.display(description="For")
    def scope(self, override: SettingOverride) -> str:
        """Whom it is for."""
        return str(override.tenant or "everyone")

    @admin.display(description="Default")
    def default(self, override: SettingOverride) -> str:
        """The value without any override, with its unit, and what the setting does."""
        known = [TUNABLES[override.name]] if override.name in TUNABLES else TUNABLES.values()
        return "; ".join(
            f"{tunable.name} {plain(getattr(settings, tunable.name))} ({tunable.unit})"
            for tunable in known
        )

    @admin.display(description="Applies now")
    def applies(self, override: SettingOverride) -> str:
        """The value in force for the one it is for, and where that value comes from."""
        if override.name not in TUNABLES:
            return "–"
        effective = effective_setting(override.name, override.tenant)
        origin = {"default": "the default", "global": "for everyone", "tenant": "this tenant's own"}
        return f"{plain(effective.value)} ({origin[effective.origin]})"

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        """Name the units and limits beside the value."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "value":
            field.help_text = " ".join(
                f"{tunable.name}: {tunable.help_text} From {tunable.low} to {tunable.high} "
                f"({tunable.unit})."
                for tunable in TUNABLES.values()
            )
        return field

    def save_model(
        self,
        request: HttpRequest,
        obj: SettingOverride,
        form: ModelForm[SettingOverride],
        change: bool,
    ) -> None:
        """Note who changed it."""
        if isinstance(request.user, User):
            obj.changed_by = request.user
        super().save_model(request, obj, form, change)


def _groups_within(actor: Person) -> QuerySet[Group]:
    """The groups that give nothing which ``actor`` lacks."""
    if not isinstance(actor, User):
        return Group.objects.none()
    if actor.is_superuser:
        return Group.objects.all()
    held = actor.get_all_permissions()
    beyond = [
        pk
        for pk, app, codename in Permission.objects.values_list(
            "pk", "content_type__app_label", "codename"
        )
        if f"{app}.{codename}" not in held
    ]
    gives_more = Group.permissions.through.objects.filter(
        group_id=OuterRef("pk"), permission_id__in=beyond
    )
    return Group.objects.exclude(Exists(gives_more))


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Background work; `manage.py load` and `jobs` start, cancel and repeat it."""

    list_display = ("id", "kind", "subject", "state", "attempts", "stage", "run_after", "worker")
    list_filter = ("state", "kind")
    search_fields = ("subject",)
    exclude = ("claim_token",)
