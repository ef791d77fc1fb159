"""Writes to the kernel's tables."""

from __future__ import annotations

from collections.abc import Iterable

from finops import clock
from finops.models import Tenant


def tenants_by_slug(*, slugs: Iterable[str], discovered: bool) -> dict[str, Tenant]:
    """The tenants of these slugs, made where they are new. A known tenant stays as it is."""
    wanted = set(slugs)
    known = {tenant.slug: tenant for tenant in Tenant.objects.filter(slug__in=wanted)}
    new = sorted(wanted - set(known))
    if new:
        now = clock.now()
        Tenant.objects.bulk_create(
            [
                Tenant(
                    slug=slug,
                    name=slug.replace("-", " ").title(),
                    discovered=discovered,
                    first_seen=now,
                )
                for slug in new
            ],
            ignore_conflicts=True,
        )
        known |= {tenant.slug: tenant for tenant in Tenant.objects.filter(slug__in=new)}
    return known
