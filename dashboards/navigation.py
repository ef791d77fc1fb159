"""The rooms of the left navigation, found by walking ``dashboards/views``: a new file is the only edit.

A module there may declare ``urlpatterns`` (its addresses) and ``NAV`` (its entry in the navigation).
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType

from django.urls import URLPattern

from dashboards import views
from finops.permissions import Capability


@dataclass(frozen=True)
class NavEntry:
    """One room: ``order`` is its place in the flow, ``capability`` who sees it.

    ``shows`` are kinds of sources (their readers' ids) that its figures come from, and by which its "as of" goes;
    empty: bills, as pages of money show them.
    """

    label: str
    url_name: str
    order: int
    capability: Capability
    shows: tuple[str, ...] = ()


@dataclass(frozen=True)
class NavLink:
    """A room as a link of this page."""

    label: str
    url: str
    current: bool


ADMIN = NavEntry("Admin", "admin:index", 90, Capability.ENTER_ADMIN)


@cache
def view_modules() -> tuple[ModuleType, ...]:
    """Every module of ``dashboards/views``, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(views.__path__))
    return tuple(import_module(f"{views.__name__}.{name}") for name in names)


@cache
def nav_entries() -> tuple[NavEntry, ...]:
    """The rooms in the order of the flow."""
    declared = [
        entry
        for module in view_modules()
        if isinstance(entry := getattr(module, "NAV", None), NavEntry)
    ]
    return tuple(sorted([*declared, ADMIN], key=lambda entry: entry.order))


def patterns() -> list[URLPattern]:
    """The addresses of every room."""
    return [pattern for module in view_modules() for pattern in getattr(module, "urlpatterns", ())]
