"""Reading records of usage: pure."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.core.usage import METRICS
from ingestion.core.usage_records import DIMENSIONS, read_records
from tests.api.conftest import record
from tests.dashboards.world import NOW

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.just(record(**dict.fromkeys(DIMENSIONS, "x"))[name])
        for name in record(**dict.fromkeys(DIMENSIONS, "x"))
    },
)


def read(*items: object, tenants: frozenset[str] | None = None):
    return read_records(items, now=NOW, tenants=tenants)


def reason_of(item: object, **named: Any) -> str:
    taken, refused = read(item, **named)
    assert taken == []
    reason: str = refused[0].reason
    return reason


@given(st.lists(JSON | NEARLY, max_size=5))
def test_whatever_is_sent_every_record_is_taken_or_refused_in_order(items: list[object]):
    taken, refused = read(*items)
    assert sorted(one.index for one in [*taken, *refused]) == list(range(len(items)))
    for one in refused:
        assert one.reason.endswith((".", "?"))
        json.dumps(dict(one.columns)).encode("utf-8")
        assert all("\0" not in text for text in one.columns.values())


@given(
    st.decimals(min_value=0, max_value=Decimal("99999999999999.9999"), places=4),
    st.sampled_from(sorted(METRICS)),
)
def test_a_quantity_is_kept_to_its_last_digit(quantity: Decimal, metric: str):
    ((one,), _) = read(record(quantity=format(quantity, "f"), metric=metric))
    assert one.fact.quantity == quantity
    assert one.fact.metric == metric


def test_a_whole_record_is_a_fact():
    named = {name: f"a {name}" for name in DIMENSIONS}
    ((one,), refused) = read(record("r", is_sampled=True, **named))
    assert refused == []
    assert {name: getattr(one.fact, name) for name in DIMENSIONS} == named
    assert (one.record_id, one.tenant, one.fact.is_sampled) == ("r", "acme", True)
    assert one.fact.hour.isoformat() == "2026-04-30T10:00:00+00:00"


@pytest.mark.parametrize(
    "hour",
    [
        "2026-04-30T10:00Z",
        "2026-04-30T10:00:00.000Z",
        "2026-04-30T12:00:00+02:00",
        "2026-04-30T15:30:00.0+05:30",
        "2026-04-29T23:00:00-11:00",
    ],
)
def test_an_hour_may_be_written_with_any_offset(hour):
    ((one,), _) = read(record(hour=hour))
    assert one.fact.hour.isoformat() == "2026-04-30T10:00:00+00:00"


def test_null_says_that_an_optional_field_is_absent():
    absent = record(tenant=None)
    nulls = dict.fromkeys(("tenant", "is_sampled", *DIMENSIONS))
    ((one, other), refused) = read(absent, {**absent, **nulls})
    assert refused == []
    assert (one.tenant, one.fact) == (other.tenant, other.fact)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"record_id": None}, "record_id is missing."),
        ({"record_id": 7}, "record_id must be text in quotes."),
        ({"record_id": "a b"}, "record_id must have 1 to 128"),
        ({"record_id": ""}, "record_id must have 1 to 128"),
        ({"record_id": "x" * 129}, "record_id must have 1 to 128"),
        ({"hour": None}, 'hour is missing, for example "2026-04-30T13:00:00Z".'),
        ({"hour": "2026-04-30T13:30:00Z"}, "hour must be a whole hour in UTC"),
        ({"hour": "2026-04-30T13:00:00+05:30"}, "hour must be a whole hour in UTC"),
        ({"hour": "2026-04-30"}, "hour must be a whole hour in UTC"),
        ({"hour": "2026-02-30T13:00:00Z"}, "hour must be a whole hour in UTC"),
        ({"hour": "1999-12-31T23:00:00Z"}, "hour lies before 2000"),
        ({"hour": "2026-04-30T14:00:00Z"}, "hour lies in the future"),
        ({"metric": "steps"}, "There is no metric 'steps'"),
        ({"quantity": 1.5}, "quantity must be text in quotes, for example"),
        ({"quantity": ""}, "quantity is empty"),
        ({"quantity": "1,5"}, "quantity is not a number"),
        ({"quantity": "NaN"}, "quantity is not a finite number"),
        ({"quantity": "-0.1"}, "quantity is negative"),
        ({"quantity": "1e14"}, "quantity is larger than any hour's usage"),
        ({"quantity": "0.00001"}, "quantity has more than 4 decimals"),
        ({"quantity": "1e3"}, "quantity must be plain digits"),
        ({"quantity": "+1"}, "quantity must be plain digits"),
        ({"quantity": ".5"}, "quantity must be plain digits"),
        ({"quantity": " 1"}, "quantity must be plain digits"),
        ({"hour": "2026-04-30T13:00:00.001Z"}, "hour must be a whole hour in UTC"),
        ({"hour": "2026-04-30T13:00:01Z"}, "hour must be a whole hour in UTC"),
        ({"hour": "0001-01-01T00:00:00+23:00"}, "hour must be a whole hour in UTC"),
        ({"tenant": "Acme Corp"}, "lower-case letters, digits and hyphens: 'acme-corp'?"),
        ({"tenant": 1}, "tenant must be text in quotes."),
        ({"host": "x" * 256}, "host has 256 characters: 255 are the limit."),
        ({"host": "a\0b"}, "host holds characters that cannot be shown"),
        ({"host": None, "zone": 1}, "zone must be text in quotes."),
        ({"is_sampled": "yes"}, "is_sampled must be true or false."),
        ({"hosts": "x"}, "There is no field hosts: known are record_id"),
    ],
)
def test_each_refusal_says_what_and_what_to_write(changed, reason):
    assert reason in reason_of(record(**changed))


def test_a_clock_may_run_a_little_ahead():
    assert read(record(hour="2026-04-30T13:00:00Z"))[1] == []


@pytest.mark.parametrize("tenant", ["globex", None])
def test_a_sender_with_tenants_of_their_own_names_one_of_them(tenant):
    mine = frozenset({"acme"})
    assert "their own tenants only" in reason_of(record(tenant=tenant), tenants=mine)
    assert read(record(), tenants=mine)[1] == []


def test_the_same_record_is_known_again_however_its_fields_are_ordered():
    first = record(quantity="x")
    again = dict(reversed(first.items()))
    other = record(quantity="y")
    marks = [one.mark for one in read(first, again, other)[1]]
    assert marks[0] == marks[1] != marks[2]
