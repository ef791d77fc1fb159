"""The owner wrote it on the resource: a tag names the tenant, environment, product or team.

Confidence 1.0. Which tag keys count is a setting (``ALLOCATION_TENANT_TAGS`` …), in order of preference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from django.conf import settings

from allocation.core.keys import Assignment, Key
from finops.core.slugs import slug_of


class TagMethod:
    """Reads the normalised tags of a key."""

    id = "tag"
    version = 1
    order = 10
    confidence = Decimal("1.00")

    def __init__(self, tag_keys: Mapping[str, Sequence[str]] | None = None) -> None:
        self._tag_keys = tag_keys

    def assign(self, key: Key, dimension: str) -> Assignment | None:
        """The first configured tag that names something."""
        tag_keys = settings.ALLOCATION_TAGS if self._tag_keys is None else self._tag_keys
        for name in tag_keys.get(dimension, ()):
            slug = slug_of(key.tags.get(name, ""))
            if slug:
                return Assignment(slug, f"tag {name}={slug} v{self.version}", self.confidence)
        return None


METHOD = TagMethod()
