"""What allocation is extended by, one file each: methods, residuals and evidence of reconciliation."""

from __future__ import annotations

from functools import cache

from allocation.core.keys import Method, Prepared
from allocation.core.reconcile import Evidence, Residual
from finops.registry import load_plugins


@cache
def methods() -> list[Method]:
    """Every method, first come first served."""
    found: dict[str, Method] = load_plugins("allocation.methods", "METHOD")
    return sorted(found.values(), key=lambda method: (method.order, method.id))


def ready_methods() -> list[Method]:
    """Every method, with what it knows of the database read once: keys are many, and ask each of them."""
    return [method.prepared() if isinstance(method, Prepared) else method for method in methods()]


@cache
def residuals() -> list[Residual]:
    """Every amount that stands beside a bill (``allocation/residuals``), in order."""
    found: dict[str, Residual] = load_plugins("allocation.residuals", "RESIDUAL")
    return sorted(found.values(), key=lambda one: (one.order, one.id))


@cache
def evidence() -> list[Evidence]:
    """Every way to tell a bill's total (``allocation/evidence``), in order."""
    found: dict[str, Evidence] = load_plugins("allocation.evidence", "EVIDENCE")
    return sorted(found.values(), key=lambda one: (one.order, one.id))
