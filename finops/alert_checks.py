"""What is looked for: one file ``<app>/alerts/<kind>.py`` each, with an object ``CHECK``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from typing import Protocol

from django.apps import apps

from finops.core.alerts import Finding
from finops.registry import Registry, load_plugins


class Check(Protocol):
    """Looks for one kind of thing that may be wrong."""

    id: str
    """The ``kind`` of every finding that it gives."""

    def findings(self, now: datetime) -> Iterable[Finding]:
        """What is wrong at ``now`` (UTC); nothing where all is well. Quick: it runs every few minutes."""


@cache
def alert_checks() -> Registry[Check]:
    """Every check by its id, found in the ``alerts`` folder of each app."""
    registry: Registry[Check] = Registry("check")
    for app in apps.get_app_configs():
        if not app.name.startswith("django.") and find_spec(f"{app.name}.alerts") is not None:
            found: dict[str, Check] = load_plugins(f"{app.name}.alerts", "CHECK")
            for kind, check in found.items():
                registry.register(kind, check)
    return registry
