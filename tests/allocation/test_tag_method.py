"""Tags say who bears a line; what no tag says stays unallocated, and both say why."""

from __future__ import annotations

from decimal import Decimal

import pytest

from allocation.core.keys import Key, allocate
from allocation.methods.tag import METHOD, TagMethod
from allocation.registry import methods


def test_a_tag_names_each_dimension_with_full_confidence():
    key = Key(
        {"tenant": "Acme Corp", "env": "Production", "project": "Portal", "cost_center": "CC-1"}
    )
    found = allocate(key, [METHOD])
    assert {name: a.value for name, a in found.items()} == {
        "tenant": "acme-corp",
        "environment": "production",
        "product": "portal",
        "team": "cc-1",
    }
    assert found["tenant"].rule == "tag tenant=acme-corp v1"
    assert {a.confidence for a in found.values()} == {Decimal("1.00")}


def test_what_no_tag_names_is_unallocated_and_says_so():
    found = allocate(Key({"tenat": "acme"}), [METHOD])
    assert found["tenant"].value == ""
    assert found["tenant"].rule == "unallocated v1"
    assert found["tenant"].confidence == 0


def test_the_first_configured_tag_wins_and_empty_ones_are_passed_over():
    method = TagMethod({"tenant": ["tenant", "customer"]})
    passed_over = method.assign(Key({"tenant": " -- ", "customer": "globex"}), "tenant")
    first = method.assign(Key({"tenant": "acme", "customer": "globex"}), "tenant")
    assert passed_over
    assert passed_over.value == "globex"
    assert first
    assert first.value == "acme"


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.id)
def test_every_method_answers_with_a_rule_a_value_and_a_confidence(method):
    for tags in ({}, {"tenant": "acme"}, {"tenant": "é" * 500}, {"tenant": "'; --"}):
        for dimension in ("tenant", "environment", "product", "team"):
            assignment = method.assign(Key(tags), dimension)
            if assignment is not None:
                assert assignment.value
                assert len(assignment.value) <= 63
                assert f"v{method.version}" in assignment.rule
                assert 0 < assignment.confidence <= 1
