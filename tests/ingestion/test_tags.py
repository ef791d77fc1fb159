"""Tags in AWS's three spellings are one key."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.core.tags import TagsError, canonical, merge, normalise_key, parse_map


@pytest.mark.parametrize(
    "key",
    [
        "CostCenter",
        "user_cost_center",
        "resourceTags/user:CostCenter",
        "resource_tags_user_cost_center",
        "user:costCenter",
        "cost-center",
        "Cost Center",
        "COST_CENTER",
    ],
)
def test_one_tag_has_one_key_however_it_is_spelt(key):
    assert normalise_key(key) == "cost_center"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("aws:createdBy", "aws_created_by"),
        ("iamPrincipal/team", "iam_principal_team"),
        ("AWSRegion", "aws_region"),
        ("username", "username"),
        ("user_", "user"),
        ("Tenant", "tenant"),
    ],
)
def test_other_prefixes_stay(key, expected):
    assert normalise_key(key) == expected


def test_raw_tags_win_over_flattened_ones():
    assert merge(
        {"resourceTags/user:Tenant": "Acme"}, {"user_tenant": "acme", "user_env": "prod"}
    ) == {
        "env": "prod",
        "tenant": "Acme",
    }


@pytest.mark.parametrize("text", [None, "", "{}", '""', "  "])
def test_no_tags_are_no_tags(text):
    assert parse_map(text) == {}


@pytest.mark.parametrize(
    "text", ["{", "[]", "1", '"x"', "[1]", '["a"]', "null" * 5, "{'a': 1}", "[" * 100000]
)
def test_a_text_that_is_no_map_is_refused(text):
    with pytest.raises(TagsError):
        parse_map(text)


def test_a_key_given_twice_counts_once():
    assert parse_map('{"a":"1","a":"2","b":null,"c":3}') == {"a": "1", "c": "3"}


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_merging_is_the_same_in_any_order_of_keys(tags, resource_tags):
    merged = merge(tags, resource_tags)
    assert merged == merge(dict(reversed(tags.items())), dict(reversed(resource_tags.items())))
    assert parse_map(canonical(merged)) == merged
    assert parse_map(json.dumps(tags)) == tags
