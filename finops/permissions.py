"""Who may see and do what: the one module that every page, the admin and the command line ask.

Two questions decide: the *capability* (from the person's groups) and the *tenant scope* (from the
person). A person without a scope sees the company; a person with one sees only these tenants, and
nothing that adds up to the company.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Permission
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from finops.models import Tenant, User

Person = AbstractBaseUser | AnonymousUser
_Rest = ParamSpec("_Rest")
_Response = TypeVar("_Response", bound=HttpResponseBase)

_SCOPE_CACHE = "_finops_tenant_scope"


class Capability(StrEnum):
    """What a person may do; the value is Django's permission name."""

    VIEW_PNL = "finops.view_pnl"
    VIEW_CHARGE_LINES = "finops.view_charge_lines"
    VIEW_RECONCILIATION = "finops.view_reconciliation"
    EXPORT_FIGURES = "finops.export_figures"
    ENTER_ADMIN = "finops.enter_admin"
    OPERATE_LOADS = "finops.operate_loads"
    SEND_USAGE = "finops.send_usage"
    VIEW_AUDIT = "finops.view_audit"
    CLOSE_MONTH = "finops.close_month"


COMPANY_WIDE = frozenset(
    {
        Capability.VIEW_RECONCILIATION,
        Capability.ENTER_ADMIN,
        Capability.OPERATE_LOADS,
        Capability.VIEW_AUDIT,
        Capability.CLOSE_MONTH,
    }
)
"""Capabilities that show every tenant, so that a person with a tenant scope never holds them."""

_SENTENCES: dict[Capability, str] = {
    Capability.VIEW_PNL: "You may not see revenue, cost and margin",
    Capability.VIEW_CHARGE_LINES: "You may not see charge lines",
    Capability.VIEW_RECONCILIATION: "You may not see the reconciliation",
    Capability.EXPORT_FIGURES: "You may not export figures",
    Capability.ENTER_ADMIN: "You may not enter the admin",
    Capability.OPERATE_LOADS: "You may not start, retry or cancel loads",
    Capability.SEND_USAGE: "You may not send usage",
    Capability.VIEW_AUDIT: "You may not see the audit log",
    Capability.CLOSE_MONTH: "You may not close or reopen months",
}
_ASK = "ask an administrator for the group that allows it."
_COMPANY_ONLY = "This page adds up the whole company, and your account is limited to some tenants."


def can(user: Person, capability: Capability, tenant: Tenant | None = None) -> bool:
    """Whether ``user`` holds ``capability``, and for ``tenant`` where one is given."""
    if not isinstance(user, User) or not user.has_perm(capability.value):
        return False
    scope = _scope(user)
    if scope is None:
        return True
    if capability in COMPANY_WIDE:
        return False
    return tenant is None or tenant.pk in scope


def sees_company(user: Person) -> bool:
    """Whether ``user`` may see what adds up to the company: active and not limited to some tenants."""
    return isinstance(user, User) and user.is_active and _scope(user) is None


def visible_tenants(user: Person) -> QuerySet[Tenant]:
    """The tenants, active or not, whose P&L ``user`` may see; none without ``VIEW_PNL``."""
    if not isinstance(user, User) or not can(user, Capability.VIEW_PNL):
        return Tenant.objects.none()
    scope = _scope(user)
    return Tenant.objects.all() if scope is None else Tenant.objects.filter(pk__in=scope)


def scoped_slugs(user: User) -> frozenset[str] | None:
    """The slugs of the tenants that ``user`` is limited to; ``None`` where there is no limit."""
    if sees_company(user):
        return None
    return frozenset(user.tenant_scope.values_list("slug", flat=True))


def holds_more(other: User, actor: Person) -> bool:
    """Whether ``other``, active or not, holds a right that ``actor`` lacks."""
    if not isinstance(actor, User):
        return True
    if actor.is_superuser:
        return False
    held = Permission.objects.filter(Q(user=other) | Q(group__user=other))
    names = {
        f"{app}.{codename}"
        for app, codename in held.values_list("content_type__app_label", "codename")
    }
    return other.is_superuser or not names <= actor.get_all_permissions()


def require(
    capability: Capability, *, company: bool = False
) -> Callable[
    [Callable[Concatenate[HttpRequest, _Rest], _Response]],
    Callable[Concatenate[HttpRequest, _Rest], _Response],
]:
    """Guard a view: 403 with a sentence unless the person holds ``capability``.

    ``company=True`` also refuses people with a tenant scope.
    """

    def decorate(
        view: Callable[Concatenate[HttpRequest, _Rest], _Response],
    ) -> Callable[Concatenate[HttpRequest, _Rest], _Response]:
        @wraps(view)
        def guarded(
            request: HttpRequest, /, *args: _Rest.args, **kwargs: _Rest.kwargs
        ) -> _Response:
            check(request.user, capability, company=company)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def check(user: Person, capability: Capability, *, company: bool = False) -> None:
    """Raise ``PermissionDenied`` with a sentence unless ``user`` holds ``capability``."""
    if (
        (company or capability in COMPANY_WIDE)
        and _holds(user, capability)
        and not sees_company(user)
    ):
        raise PermissionDenied(_COMPANY_ONLY)
    if not can(user, capability):
        msg = f"{_SENTENCES[capability]}: {_ASK}"
        raise PermissionDenied(msg)


def _holds(user: Person, capability: Capability) -> bool:
    return isinstance(user, User) and user.has_perm(capability.value)


def _scope(user: User) -> frozenset[int] | None:
    """The ids of the person's tenants, or ``None`` for everyone's; asked once per user object.

    Like Django's own permission cache it lives as long as the object, that is one request.
    """
    if user.is_superuser:
        return None
    if not hasattr(user, _SCOPE_CACHE):
        ids = frozenset(user.tenant_scope.values_list("pk", flat=True))
        setattr(user, _SCOPE_CACHE, ids or None)
    scope: frozenset[int] | None = getattr(user, _SCOPE_CACHE)
    return scope
