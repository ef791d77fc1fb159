"""The allocation methods: one file each in ``allocation/methods``, run in their order."""

from __future__ import annotations

from functools import cache

from allocation.core.keys import Method
from finops.registry import load_plugins


@cache
def methods() -> list[Method]:
    """Every method, first come first served."""
    found: dict[str, Method] = load_plugins("allocation.methods", "METHOD")
    return sorted(found.values(), key=lambda method: (method.order, method.id))
