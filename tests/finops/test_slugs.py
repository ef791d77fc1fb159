"""One tenant, one slug; two tenants, two slugs."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.core.slugs import MAX_SLUG, slug_of


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme Corp", "acme-corp"),
        ("acme_corp", "acme-corp"),
        (" ACME--CORP. ", "acme-corp"),
        ("Müller & Söhne", "muller-sohne"),
        ("Straße", "strasse"),
        ("", ""),
        ("---", ""),
        ("☃", ""),
    ],
)
def test_names_become_slugs(name, slug):
    assert slug_of(name) == slug


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Müller", "Möller"),
        ("株式会社", "有限会社"),
        ("Acme Київ", "Acme Львів"),
        ("a" * 70, "a" * 70 + "b"),
    ],
)
def test_two_names_stay_two(one, other):
    assert slug_of(one) != slug_of(other)
    assert slug_of(one)


@given(st.text())
def test_a_slug_is_always_a_slug_and_stays_one(name):
    slug = slug_of(name)
    assert re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", slug)
    assert len(slug) <= MAX_SLUG
    assert slug_of(slug) == slug
