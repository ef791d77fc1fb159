"""The sources of metered quantities: one file each in ``ingestion/metered``."""

from __future__ import annotations

from functools import cache

from finops.registry import load_plugins
from ingestion.core.metered import Metered


@cache
def metered() -> dict[str, Metered]:
    """Every source by its id."""
    return load_plugins("ingestion.metered", "METERED")
