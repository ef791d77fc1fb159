"""Every deed that the code writes into the audit log has a name for people, and so has every value it notes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.admin.sites import site

from finops.admin_audit import AuditedAdmin
from finops.audit_verbs import Verb, verb_of, verbs
from ingestion.models import Source

ROOT = Path(__file__).parents[2]
ROOMS = ("finops", "ingestion", "allocation", "dashboards", "composition")
GENERATED = "finops/admin_audit.py"
"""It makes its verbs of the models' names."""


def recorded() -> Iterator[tuple[str, dict[str, ast.expr]]]:
    """Place and arguments of each call of ``record`` that names a verb."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                name = node.func.id if isinstance(node.func, ast.Name) else name
                arguments = {word.arg: word.value for word in node.keywords if word.arg}
                if name == "record" and "verb" in arguments:
                    yield path.relative_to(ROOT).as_posix(), arguments


def test_every_verb_that_is_recorded_has_a_label():
    found = []
    for place, arguments in recorded():
        if place == GENERATED:
            continue
        verb = arguments["verb"]
        assert isinstance(verb, ast.Constant), (
            f"{place}: write the verb out, so that it can be found"
        )
        assert verb.value in verbs(), (
            f"{place}: give {verb.value!r} an entry in its app's audited.py"
        )
        found.append(verb.value)
    assert {"month.close", "month.reopen", "alert.acknowledge", "alert.ask_again"} <= set(found)
    assert set(verbs()) == set(found), "an entry of a verb that nobody records any more"


def test_every_value_that_is_noted_by_name_has_a_label():
    for place, arguments in recorded():
        if place == GENERATED:
            continue
        verb = verbs().get(ast.literal_eval(arguments["verb"]))
        for side in ("before", "after"):
            for node in ast.walk(arguments.get(side, ast.Constant(None))):
                if isinstance(node, ast.Dict):
                    for key in node.keys:
                        if isinstance(key, ast.Constant):
                            assert key.value in verb.fields, f"{place}: {verb.id} {key.value!r}"


@pytest.mark.parametrize("deed", ["add", "change", "delete"])
def test_a_change_in_the_admin_is_named_by_its_model(deed):
    audited = [model for model, admin in site._registry.items() if isinstance(admin, AuditedAdmin)]
    assert Source in audited
    for model in audited:
        verb = verb_of(f"{model._meta.model_name}.{deed}")
        assert str(model._meta.verbose_name) in verb.label
        assert set(verb.fields) == {field.name for field in model._meta.concrete_fields}


def test_a_verb_that_is_gone_and_a_value_by_currency_read_in_words():
    assert verb_of("goal.change").label == "Goal change"
    verb = verb_of("month.close")
    assert verb.field_label("billed_cost_USD") == "Billed cost (USD)"
    assert verb.field_label("closed_through") == "Closed through"
    assert Verb("x", "X").field_label("a_b") == "A b"


def test_labels_are_words():
    for verb in verbs().all().values():
        assert re.fullmatch(r"[A-Z][a-z ]+", verb.label), verb.label
    assert settings.PIPELINE
