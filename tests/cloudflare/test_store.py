"""A day is replaced as one: by two workers at once, by parts, any number of times."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from ingestion.cloudflare.store import Part, store_day
from ingestion.cloudflare_models import UsageHour
from ingestion.core.usage import UsageFact
from ingestion.models import Source
from tests.cloudflare.conftest import NOW

MIDNIGHT = NOW.replace(hour=0, minute=0)
WORKERS = Part(("worker_requests",))


def source() -> Source:
    return Source.objects.create(
        slug="edge", kind="cloudflare_usage", identity="a" * 32, name="Edge", created_at=NOW
    )


def fact(
    hour: datetime, quantity: int, metric: str = "worker_requests", zone: str = ""
) -> UsageFact:
    return UsageFact(hour, metric, Decimal(quantity), zone=zone, script="a", is_sampled=True)


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_one_day_leave_it_once():
    edge = source()
    facts = [fact(MIDNIGHT + timedelta(hours=hour), hour) for hour in range(24)]
    errors: list[BaseException] = []
    begin = threading.Barrier(2)

    def work() -> None:
        try:
            begin.wait(timeout=20)
            for _ in range(5):
                store_day(source=edge, day=NOW.date(), facts=facts, parts=[WORKERS])
        except BaseException as error:  # told below, in the test's own thread
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    assert UsageHour.objects.count() == 24


@pytest.mark.django_db
def test_only_the_parts_that_were_read_are_replaced():
    edge = source()
    zones = [fact(MIDNIGHT, 5, "zone_requests", zone) for zone in ("x", "y")]
    parts = [WORKERS, Part(("zone_requests",), "x"), Part(("zone_requests",), "y")]
    day = NOW.date()
    store_day(source=edge, day=day, facts=[fact(MIDNIGHT, 1), *zones], parts=parts)
    neighbour = MIDNIGHT - timedelta(hours=1)
    store_day(source=edge, day=neighbour.date(), facts=[fact(neighbour, 3)], parts=[WORKERS])
    store_day(source=edge, day=day, facts=[], parts=[Part(("zone_requests",), "x")])
    left = set(UsageHour.objects.values_list("metric", "zone", "quantity"))
    assert left == {
        ("worker_requests", "", Decimal(1)),
        ("worker_requests", "", Decimal(3)),
        ("zone_requests", "y", Decimal(5)),
    }


class TestLast(TestCase):
    """The last reading of a day is what is stored, to the last digit, whatever came before."""

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 2),
                st.dictionaries(st.integers(0, 23), st.decimals(0, 10**12, places=4), max_size=5),
            ),
            max_size=6,
        )
    )
    def test_the_last_reading_of_each_day_stays(self, readings) -> None:
        edge = source()
        expected: dict[date, dict[int, Decimal]] = {}
        for back, hours in readings:
            start = MIDNIGHT - timedelta(days=back)
            facts = [
                UsageFact(start + timedelta(hours=hour), "worker_requests", value, script="a")
                for hour, value in hours.items()
            ]
            store_day(source=edge, day=start.date(), facts=facts, parts=[WORKERS])
            expected[start.date()] = hours
        found: dict[date, dict[int, Decimal]] = {}
        for row in UsageHour.objects.all():
            found.setdefault(row.hour.date(), {})[row.hour.hour] = row.quantity
        assert found == {day: hours for day, hours in expected.items() if hours}
