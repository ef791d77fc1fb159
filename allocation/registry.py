"""The allocation methods: one file each in ``allocation/methods``, run in their order."""

from __future__ import annotations

from functools import cache

from allocation.core.keys import Method, Prepared
from finops.registry import load_plugins


@cache
def methods() -> list[Method]:
    """Every method, first come first served."""
    found: dict[str, Method] = load_plugins("allocation.methods", "METHOD")
    return sorted(found.values(), key=lambda method: (method.order, method.id))


def ready_methods() -> list[Method]:
    """Every method, with what it knows of the database read once: keys are many, and ask each of them."""
    return [method.prepared() if isinstance(method, Prepared) else method for method in methods()]
