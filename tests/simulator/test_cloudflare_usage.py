"""What the simulated company uses at Cloudflare: the same for a seed, whole in any windows, with deployments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import cloudflare_usage as usage
from simulator.cloudflare_schema import Limits, World

START = datetime(2026, 11, 23, tzinfo=UTC)
ZONE = usage.zone_ids(7)[0]
READERS: dict[str, Callable[[datetime, datetime], Iterable[usage.Sample]]] = {
    "workers": lambda a, b: usage.workers(7, a, b),
    "r2 operations": lambda a, b: usage.r2_operations(7, a, b),
    "r2 storage": lambda a, b: usage.r2_storage(7, a, b),
    "zone": lambda a, b: usage.zone_http(7, ZONE, a, b),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
@given(minutes=st.integers(0, 360))
def test_a_window_in_two_parts_is_the_window_at_once(reader, minutes):
    end = START + timedelta(hours=6)
    cut = START + timedelta(minutes=minutes)
    parts = Counter(reader(START, cut)) + Counter(reader(cut, end))
    assert parts == Counter(reader(START, end))


def test_another_seed_is_another_company():
    end = START + timedelta(hours=1)
    assert list(usage.workers(7, START, end)) == list(usage.workers(7, START, end))
    assert list(usage.workers(7, START, end)) != list(usage.workers(8, START, end))
    assert usage.account_id(7) != usage.account_id(8)


def test_a_heavy_version_begins_with_its_deployment():
    script = usage.SCRIPTS[0]
    (newest, *_) = usage.deployments(7, script, START + timedelta(days=1))
    assert newest.created_on.date() == START.date()

    def cpu(moment: datetime) -> float:
        for sample in usage.workers(7, moment, moment + usage.QUARTER):
            if dict(sample.about) == {"scriptName": script.name, "status": "success"}:
                figures = dict(sample.figures)
                return figures["cpuTimeUs"] / figures["requests"]
        raise AssertionError(moment)

    hour = newest.created_on.replace(minute=0, second=0)
    assert cpu(hour + timedelta(hours=1)) > 1.8 * cpu(hour - timedelta(hours=1))


def test_no_deployment_lies_in_the_future():
    for script in usage.SCRIPTS:
        for hours in range(0, 24 * 8, 5):
            until = START + timedelta(hours=hours)
            found = usage.deployments(7, script, until)
            assert len(found) == 6
            assert all(one.created_on < until for one in found)


QUERY = (
    "query($a: string!, $s: Time!, $e: Time!) { viewer { accounts(filter: {accountTag: $a}) { "
    "workersInvocationsAdaptive(limit: 100, filter: {datetime_geq: $s, datetime_lt: $e}) { "
    "dimensions { %s } sum { requests cpuTimeUs } } } } }"
)


def asked(names: str, **changes: str) -> dict[str, object]:
    world = World(7, START + timedelta(days=1), Limits())
    variables = {"a": usage.account_id(7), "s": "2026-11-23T03:00:00Z", "e": "2026-11-23T05:00:00Z"}
    return world.answer(QUERY % names, variables | changes)


def rows(names: str) -> list[dict[str, dict[str, int]]]:
    answer: dict[str, object] = asked(names)
    assert answer["errors"] is None
    found: list[dict[str, dict[str, int]]] = answer["data"]["viewer"]["accounts"][0][  # type: ignore[index]
        "workersInvocationsAdaptive"
    ]
    return found


def test_groups_are_what_the_chosen_dimensions_tell_apart():
    def total(names: str) -> int:
        return sum(row["sum"]["requests"] for row in rows(names))

    assert len(rows("scriptName")) == len(usage.SCRIPTS)
    assert len(rows("scriptName datetimeHour")) == 2 * len(usage.SCRIPTS)
    assert total("scriptName") == total("datetimeHour status") == total("datetime scriptName") > 0


@pytest.mark.parametrize(
    ("names", "changes", "message"),
    [
        ("scriptNames", {}, 'unknown field "scriptNames"'),
        ("scriptName", {"s": "2026-01-01T00:00:00Z"}, "cannot request data older than 2678400s"),
        ("scriptName", {"s": "2026-11-01T00:00:00Z"}, "query time range is wider than 259200s"),
        ("scriptName", {"s": "yesterday"}, "error parsing args: 'yesterday' is no time"),
    ],
)
def test_refusals_are_worded_as_cloudflare_words_them(names, changes, message):
    answer = asked(names, **changes)
    assert answer["data"] is None
    assert answer["errors"][0]["message"] == message  # type: ignore[index]


def test_another_account_is_not_there():
    answer = asked("scriptName", a="0" * 32)
    assert answer == {"data": {"viewer": {"accounts": []}}, "errors": None}
