"""Which value of a tunable setting applies: the default, the global override or the tenant's own."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from decimal import Decimal

from django.conf import settings
from django.db.models import Q

from finops.core.tunables import TUNABLES, Effective, Tunable, TunableError
from finops.models import SettingOverride, Tenant

logger = logging.getLogger(__name__)


def effective_setting(name: str, tenant: Tenant | None = None) -> Effective:
    """The setting ``name`` as it applies to everyone, or to ``tenant`` where one is given.

    Raises ``TunableError`` where no such setting exists.
    """
    slugs = [] if tenant is None else [tenant.slug]
    company, by_slug = _effective(name, slugs)
    return company if tenant is None else by_slug[tenant.slug]


def effective_settings_for(name: str, tenants: Iterable[str]) -> dict[str, Effective]:
    """The setting ``name`` for each tenant slug, in one query for the whole table."""
    return _effective(name, list(tenants))[1]


def _effective(name: str, slugs: list[str]) -> tuple[Effective, dict[str, Effective]]:
    tunable = TUNABLES.get(name)
    if tunable is None:
        msg = f"There is no setting {name!r}. Known: {', '.join(TUNABLES)}."
        raise TunableError(msg)
    overrides: Iterable[tuple[str | None, str]] = SettingOverride.objects.filter(
        Q(tenant__isnull=True) | Q(tenant__slug__in=slugs), name=name
    ).values_list("tenant__slug", "value")
    own: dict[str, Effective] = {}
    company = Effective(name=name, value=Decimal(getattr(settings, name)), origin="default")
    for slug, text in overrides:
        value = _parsed(tunable, text, slug)
        if value is None:
            continue
        if slug is None:
            company = Effective(name=name, value=value, origin="global")
        else:
            own[slug] = Effective(name=name, value=value, origin="tenant")
    return company, {slug: own.get(slug, company) for slug in slugs}


def _parsed(tunable: Tunable, text: str, slug: str | None) -> Decimal | None:
    """The override's value; ``None``, with a warning, where later limits forbid it."""
    try:
        return tunable.parse(text)
    except TunableError as error:
        logger.warning("An override is ignored: %s", error, extra={"tenant": slug})
        return None
