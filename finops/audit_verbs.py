"""What the verbs and fields of the audit log are called for people: one entry where a deed is recorded.

Each app that records deeds lists them in ``<app>/audited.py`` as ``VERBS``. Changes made in the admin need no entry:
``AuditedAdmin`` writes ``<model>.add``, ``.change`` or ``.delete``, and the model has names for itself and its fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
from django.db.models import Model

from finops.registry import Registry

_OF_CURRENCY = re.compile(r"(?P<name>\w+)_(?P<currency>[A-Z]{3})", re.ASCII)
_IN_ADMIN = {"add": "Added", "change": "Changed", "delete": "Removed"}


@dataclass(frozen=True)
class Verb:
    """One deed: ``label`` says what somebody did, ``fields`` what each noted value is called.

    A value by currency is noted as ``<field>_<USD>`` and needs an entry without the currency.
    """

    id: str
    label: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def field_label(self, name: str) -> str:
        """What the noted value ``name`` is called; its name in words where nobody said."""
        if name in self.fields:
            return self.fields[name]
        found = _OF_CURRENCY.fullmatch(name)
        if found and found["name"] in self.fields:
            return f"{self.fields[found['name']]} ({found['currency']})"
        return _words(name)


@cache
def verbs() -> Registry[Verb]:
    """Every verb that is recorded by name, of all apps."""
    registry: Registry[Verb] = Registry("audit verb")
    for app in apps.get_app_configs():
        if not app.name.startswith("django.") and find_spec(f"{app.name}.audited") is not None:
            for verb in import_module(f"{app.name}.audited").VERBS:
                registry.register(verb.id, verb)
    return registry


@cache
def verb_of(verb_id: str) -> Verb:
    """The verb of an entry: a known one, a change in the admin, or its words where it is neither any more."""
    if verb_id in verbs():
        return verbs().get(verb_id)
    name, _, deed = verb_id.rpartition(".")
    model = _models().get(name)
    if model is None or deed not in _IN_ADMIN:
        return Verb(verb_id, _words(verb_id))
    return Verb(verb_id, f"{_IN_ADMIN[deed]} {_with_article(model)}", _fields_of(model))


def _with_article(model: type[Model]) -> str:
    name = str(model._meta.verbose_name)
    return f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def _fields_of(model: type[Model]) -> dict[str, str]:
    named = {one.name: str(one.verbose_name) for one in model._meta.concrete_fields}
    return {name: label[:1].upper() + label[1:] for name, label in named.items()}


@cache
def _models() -> dict[str, type[Model]]:
    ours = [model for model in apps.get_models() if not model.__module__.startswith("django.")]
    return {str(model._meta.model_name): model for model in ours}


def _words(name: str) -> str:
    text = re.sub(r"[._]+", " ", name).strip()
    return text[:1].upper() + text[1:]
