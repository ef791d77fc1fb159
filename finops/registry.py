"""Plug-in discovery: a new file in a plug-in folder is the only edit that a new plug-in needs."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, Generic, TypeVar

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


class UnknownPlugin(KeyError):  # noqa: N818  # it says what, like Http404
    """An id that no plug-in carries; the message names the known ones."""

    def __init__(self, kind: str, plugin_id: str, known: list[str]) -> None:
        self.sentence = (
            f"There is no {kind} {plugin_id!r}. Known: {', '.join(known) if known else 'none yet'}."
        )
        super().__init__(self.sentence)

    def __str__(self) -> str:
        # KeyError shows its argument's repr, which would put the sentence in quotes.
        return self.sentence


class Registry(Generic[T]):
    """Objects by id, in the order of their registration."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._plugins: dict[str, T] = {}

    def register(self, plugin_id: str, plugin: T) -> T:
        """Add ``plugin``; an id that is taken stops the start."""
        if plugin_id in self._plugins:
            msg = f"Two plug-ins carry the id {plugin_id!r} ({self.kind}): rename one of them."
            raise ImproperlyConfigured(msg)
        self._plugins[plugin_id] = plugin
        return plugin

    def get(self, plugin_id: str) -> T:
        """The plug-in with this id. Raises ``UnknownPlugin``."""
        try:
            return self._plugins[plugin_id]
        except KeyError:
            raise UnknownPlugin(self.kind, plugin_id, sorted(self._plugins)) from None

    def all(self) -> dict[str, T]:
        """Every plug-in by id; a copy."""
        return dict(self._plugins)

    def __contains__(self, plugin_id: object) -> bool:
        return plugin_id in self._plugins

    def __iter__(self) -> Iterator[str]:
        return iter(self._plugins)

    def __len__(self) -> int:
        return len(self._plugins)


def discover(package: str) -> list[ModuleType]:
    """Import every module of the package's folder, in name order.

    A module that fails to import stops the start with a sentence that names it: a plug-in that is
    silently missing would be found much later, in the figures.
    """
    folder = import_module(package)
    modules = []
    for info in sorted(pkgutil.iter_modules(folder.__path__), key=lambda info: info.name):
        name = f"{package}.{info.name}"
        try:
            modules.append(import_module(name))
        except Exception as error:
            msg = f"The plug-in {name} cannot be imported: {type(error).__name__}: {error}"
            raise ImproperlyConfigured(msg) from error
    return modules


def load_plugins(package: str, attribute: str) -> dict[str, T]:
    """The object called ``attribute`` of every module in ``package``, by its ``id``.

    A name that starts with an underscore marks a helper module, which needs no such object.
    """
    registry: Registry[T] = Registry(attribute.lower())
    for module in discover(package):
        if module.__name__.rpartition(".")[2].startswith("_"):
            continue
        plugin: Any = getattr(module, attribute, None)
        plugin_id = getattr(plugin, "id", None)
        if not isinstance(plugin_id, str) or not plugin_id:
            msg = (
                f"The plug-in {module.__name__} must define {attribute} = …, an object with an id."
            )
            raise ImproperlyConfigured(msg)
        registry.register(plugin_id, plugin)
    return registry.all()
