"""Hours that an API told long ago become days: sums hold, levels keep the day's highest."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from finops.core.periods import Window
from ingestion.cloudflare.selectors import r2_facts, worker_facts
from ingestion.cloudflare.store import Part, store_day
from ingestion.cloudflare_models import UsageHour
from ingestion.core.r2 import bucket_usage
from ingestion.core.usage import METRICS, UsageFact
from ingestion.core.worker_cpu import cpu_series
from ingestion.models import Source
from ingestion.usage_detail import first_detailed_day, put_hours_together
from tests.cloudflare.conftest import NOW

MIDNIGHT = NOW.replace(hour=0, minute=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = MIDNIGHT + timedelta(days=402)
WINDOW = Window(NOW.date() - 3 * DAY, NOW.date() + 5 * DAY)
NAMES = ("worker_requests", "worker_cpu_us", "worker_cpu_us_p99", "r2_class_a", "r2_stored_bytes")


def edge() -> Source:
    return Source.objects.create(
        slug="edge", kind="cloudflare_usage", identity="a" * 32, name="Edge", created_at=NOW
    )


def fact(metric: str, hours: int, quantity: int, subject: str = "a", *, sampled: bool = False):
    about = {"bucket": subject} if metric.startswith("r2") else {"script": subject}
    moment = MIDNIGHT + hours * HOUR
    return UsageFact(moment, metric, Decimal(quantity), is_sampled=sampled, **about)


def keep(source: Source, facts: list[UsageFact]) -> None:
    for day in sorted({one.hour.date() for one in facts}):
        mine = [one for one in facts if one.hour.date() == day]
        store_day(source=source, day=day, facts=mine, parts=[Part(NAMES)])


def pages() -> tuple[object, object]:
    """What the page of Workers shows by day, and R2's usage of the month."""
    return cpu_series(worker_facts(WINDOW), "day"), bucket_usage(r2_facts(WINDOW))


class Hours(TestCase):
    """Whatever was told, pages by day and month show the same before and after."""

    @with_settings(max_examples=40)
    @given(
        told=st.dictionaries(
            st.tuples(st.sampled_from(NAMES), st.integers(0, 71), st.sampled_from("ab")),
            st.tuples(st.integers(0, 10**12), st.booleans()),
            max_size=20,
        )
    )
    def test_pages_over_old_days_stay(self, told):
        facts = [
            fact(metric, hours, quantity, subject, sampled=sampled)
            for (metric, hours, subject), (quantity, sampled) in told.items()
        ]
        keep(edge(), facts)
        before = pages()
        put_hours_together(now=LATER)
        assert pages() == before
        assert put_hours_together(now=LATER) == 0
        first = first_detailed_day(LATER)
        assert not [
            row for row in UsageHour.objects.all() if row.hour.hour and row.hour.date() < first
        ]


@pytest.mark.django_db
def test_a_day_keeps_its_hours_for_as_long_as_the_setting_says(settings):
    source = edge()
    keep(source, [fact("worker_requests", hours, 1) for hours in range(72)])
    settings.USAGE_DETAIL_DAYS = 400
    assert put_hours_together(now=MIDNIGHT + 400 * DAY) == 0
    assert put_hours_together(now=MIDNIGHT + 401 * DAY) == 23
    assert UsageHour.objects.count() == 72 - 23
    settings.USAGE_DETAIL_DAYS = 10
    assert put_hours_together(now=MIDNIGHT + 12 * DAY) == 23


@pytest.mark.django_db
def test_levels_keep_the_highest_and_a_sample_marks_the_day():
    keep(
        edge(),
        [fact("worker_cpu_us_p99", 1, 5), fact("worker_cpu_us_p99", 2, 9, sampled=True)],
    )
    assert METRICS["worker_cpu_us_p99"].is_level
    put_hours_together(now=LATER)
    (row,) = UsageHour.objects.all()
    assert (row.hour, row.quantity, row.is_sampled) == (MIDNIGHT, Decimal(9), True)


@pytest.mark.django_db
def test_a_day_that_is_told_again_has_its_hours_until_the_next_upkeep():
    source = edge()
    facts = [fact("worker_requests", hours, 1) for hours in range(24)]
    keep(source, facts)
    put_hours_together(now=LATER)
    keep(source, facts)
    assert UsageHour.objects.count() == 24
    assert put_hours_together(now=LATER) == 23
