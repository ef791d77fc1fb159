"""The margin goal as it applies, and where it came from in words."""

from __future__ import annotations

from collections.abc import Iterable

from finops.core.tunables import Effective
from finops.models import Tenant
from finops.selectors import effective_setting, effective_settings_for

GOAL = "MARGIN_GOAL"
ORIGINS = {
    "default": "the default",
    "global": "set for all tenants",
    "tenant": "set for this tenant",
}


def company_goal() -> Effective:
    """The goal that holds for everyone without one of their own."""
    return effective_setting(GOAL)


def tenant_goal(tenant: Tenant) -> Effective:
    """The goal of one tenant."""
    return effective_setting(GOAL, tenant)


def goals_of(slugs: Iterable[str]) -> dict[str, Effective]:
    """The goal of each tenant, in one query."""
    return effective_settings_for(GOAL, slugs)
