"""Deliveries, looks of both kinds and upkeep in any order give the totals of one look at everything."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from finops import clock
from ingestion import usage_upkeep
from ingestion.log_selectors import log_health
from ingestion.models import Connection
from ingestion.services import collect
from ingestion.usage_models import LogObject, PastObjects, UsageDay
from tests.log_objects import START, facts, request, write
from tests.properties.test_logpush_properties import clear

DAY = timedelta(days=1)
DAYS = 9

objects = st.tuples(
    st.integers(0, DAYS - 1),
    st.sampled_from(["day", "zone/day", "name", "none"]),
    st.lists(st.integers(0, 3), min_size=1, max_size=3),
)
steps = st.one_of(
    st.tuples(st.just("put"), objects),
    st.tuples(st.just("look"), st.booleans()),
    st.tuples(st.just("upkeep"), st.sampled_from([1, 40, 500])),
)


def put(folder: Path, number: int, day: int, place: str, requests: list[int]) -> None:
    stamp = f"{START + day * DAY:%Y%m%d}"
    name = {
        "day": f"{stamp}/{number}.log",
        "zone/day": f"zone/date={stamp}/{number}.log",
        "name": f"{stamp}T100000Z_{stamp}T100100Z_{number}.log",
        "none": f"{number}.log",
    }[place]
    lines = [request(day * 10 + one, seconds=day * 86_400 + one * 3600) for one in requests]
    write(folder, name, *lines)


def look(*, whole: bool) -> None:
    collect(connection=Connection.objects.get(slug="property"), whole=whole)


def upkeep(days: int) -> None:
    """All of it but what lets keys go: from then on late lines are put aside, by design."""
    now = clock.now() + days * DAY
    usage_upkeep.put_hours_together(now=now)
    usage_upkeep.compact_days(now=now)
    usage_upkeep.forget_rejected_lines(now=now)
    usage_upkeep.forget_old_objects(now=now)


def told(made: list[tuple[str, Any]]) -> tuple[Any, ...]:
    """What readers are told once everything was looked at."""
    clear()
    with tempfile.TemporaryDirectory() as folder:
        Connection.objects.update_or_create(
            slug="property",
            defaults={
                "kind": "cloudflare_logpush",
                "location": folder,
                "created_at": clock.now(),
            },
        )
        for number, (kind, what) in enumerate(made):
            if kind == "put":
                put(Path(folder), number, *what)
            elif kind == "look":
                look(whole=what)
            else:
                upkeep(what)
        look(whole=True)
    days = UsageDay.objects.values_list("day", "host", "cache_status", "metric", "quantity")
    (health,) = log_health()
    counts = (health.loaded, health.skipped, health.rejected, health.lines, health.duplicates)
    return facts("CAST(hour AS DATE)", "host", "cache_status"), set(days), counts


@pytest.mark.django_db
@with_settings(max_examples=25)
@given(first=objects, made=st.lists(steps, max_size=14))
def test_looks_and_upkeep_in_any_order_change_no_total(first, made):
    made = [("put", first), *made]
    assert told(made) == told([step for step in made if step[0] == "put"])


@pytest.mark.django_db
def test_the_property_reaches_forgotten_objects():
    made = [("put", (day, "day", [0, 1])) for day in range(DAYS)]
    before = told([*made, ("look", True)])
    assert told([*made, ("look", True), ("upkeep", 500), ("look", True)]) == before
    assert PastObjects.objects.count() == DAYS - 4
    assert LogObject.objects.count() == 4
