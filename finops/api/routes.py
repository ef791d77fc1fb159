"""The API's addresses, found in the ``api`` folder of each room: a new file there is the only edit.

A module ``<room>/api/<what>.py`` declares ``urlpatterns``; the kernel's own folder is this base.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
from django.urls import URLPattern


@cache
def routes() -> tuple[URLPattern, ...]:
    """The addresses of every room, below ``/api/v1/``."""
    found: list[URLPattern] = []
    for app in apps.get_app_configs():
        if app.name == "finops" or find_spec(f"{app.name}.api") is None:
            continue
        package = import_module(f"{app.name}.api")  # a module without a folder has no path
        for name in sorted(
            module.name for module in pkgutil.iter_modules(getattr(package, "__path__", ()))
        ):
            module = import_module(f"{package.__name__}.{name}")
            found += getattr(module, "urlpatterns", ())
    return tuple(found)
