"""Whose host, Worker or bucket it is: as somebody entered it, or as a label of the host says.

An entered owner has the confidence that was entered with it. A label of a host counts with 0.80, and only where it
is a tenant's slug (``acme.assets.example.com``): an unknown name makes no tenant. A host with the labels of two
tenants says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from allocation.core.keys import Assignment, Key
from finops.models import Tenant
from ingestion.core.origins import HostPatterns
from ingestion.origin_models import UsageOwner

_CONFIDENCE = Decimal("0.80")


@dataclass(frozen=True)
class Owner:
    """A tenant's slug, and how sure it is."""

    slug: str
    confidence: Decimal


@dataclass(frozen=True)
class HostMethod:
    """Reads ``host``, ``script`` and ``bucket`` of a key; ``owners`` are by kind and name."""

    tenants: Collection[str] = frozenset()
    owners: Mapping[str, Mapping[str, Owner]] = field(default_factory=dict)
    id: str = "host"
    version: int = 1
    order: int = 20

    def prepared(self) -> HostMethod:
        """The method with the tenants and owners of now."""
        owners: dict[str, dict[str, Owner]] = {}
        rows = UsageOwner.objects.values_list("kind", "name", "tenant__slug", "confidence")
        for kind, name, slug, confidence in rows:
            owners.setdefault(kind, {})[name] = Owner(slug, confidence)
        slugs = frozenset(Tenant.objects.values_list("slug", flat=True))
        return HostMethod(slugs, owners)

    def assign(self, key: Key, dimension: str) -> Assignment | None:
        """The owner that was entered, or the only tenant among the labels of the host."""
        if dimension != "tenant":
            return None
        for kind in UsageOwner.Kind.values:
            name = key.tags.get(kind, "")
            owner = self._entered(kind, name) if name else None
            if owner is not None:
                rule = f"owner {kind}={name} v{self.version}"
                return Assignment(owner.slug, rule, owner.confidence)
        host = key.tags.get("host", "").lower()
        named = {label for label in host.split(".") if label in self.tenants}
        if len(named) != 1:
            return None
        return Assignment(named.pop(), f"host {host} v{self.version}", _CONFIDENCE)

    def _entered(self, kind: str, name: str) -> Owner | None:
        entered = self.owners.get(kind, {})
        if kind == UsageOwner.Kind.HOST:
            return HostPatterns(entered).find(name)
        return entered.get(name)


METHOD = HostMethod()
