"""The admin site: one sign-in page for the whole product, and the right to enter decides, not is_staff."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache


class FinopsAdminConfig(AdminConfig):
    """Puts ``FinopsAdminSite`` in the place of Django's own admin site."""

    default_site = "finops.admin_site.FinopsAdminSite"


class FinopsAdminSite(AdminSite):
    """The admin for people who hold ``Capability.ENTER_ADMIN`` and are not limited to some tenants."""

    site_header = "FinOps administration"
    site_title = "FinOps administration"
    index_title = "Tenants, sources, revenue and settings"
    site_url = "/"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether this person may enter; what they may do inside is each model's permission."""
        from finops.permissions import Capability, can  # noqa: PLC0415  # models load after this module

        return can(request.user, Capability.ENTER_ADMIN)

    @method_decorator(never_cache)
    @method_decorator(login_not_required)
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseRedirect:
        """Send people to the product's own sign-in page; there is no second form to guess at."""
        wanted = request.GET.get(REDIRECT_FIELD_NAME, "")
        if not url_has_allowed_host_and_scheme(
            wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        ):
            wanted = reverse("admin:index", current_app=self.name)
        if self.has_permission(request):
            return HttpResponseRedirect(wanted)
        if request.user.is_authenticated:
            msg = "You may not enter the admin: ask an administrator to add you to the group admin."
            raise PermissionDenied(msg)
        return HttpResponseRedirect(
            f"{reverse('sign-in')}?{urlencode({REDIRECT_FIELD_NAME: wanted})}"
        )


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """Rows that the product writes: people with the view permission look, nobody edits."""

    actions = None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the product adds these rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the product keeps these rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: they are the trail."""
        return False
