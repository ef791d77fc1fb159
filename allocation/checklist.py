"""The close checklist: every check of ``allocation/checks``, found by walking the folder."""

from __future__ import annotations

from functools import cache

from allocation.core.checks import Asked, Check, Item
from finops.registry import load_plugins


@cache
def checks() -> tuple[Check, ...]:
    """The checks in the order of the list."""
    found: dict[str, Check] = load_plugins("allocation.checks", "CHECK")
    return tuple(sorted(found.values(), key=lambda check: (check.order, check.id)))


def checklist(asked: Asked) -> list[Item]:
    """What every check finds for the month."""
    return [Item(check.id, check.title, check.look(asked)) for check in checks()]
