"""Of a zone with many hosts the busiest are kept by name, and no request is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ingestion.cloudflare_models import UsageHour
from ingestion.core.cloudflare_graphql import bounded_hosts
from ingestion.core.usage import UsageFact
from tests.cloudflare.looks import look

HOST_FACTS = st.lists(
    st.builds(
        UsageFact,
        hour=st.sampled_from([datetime(2026, 11, 25, hour, tzinfo=UTC) for hour in (3, 4)]),
        metric=st.sampled_from(["zone_requests", "zone_edge_bytes"]),
        quantity=st.integers(0, 10**9).map(Decimal),
        zone=st.sampled_from(["x", "y"]),
        host=st.sampled_from(["a", "b", "c", "d", "other"]),
        cache_status=st.sampled_from(["hit", "miss"]),
        is_sampled=st.just(True),
    ),
    max_size=40,
)


@given(HOST_FACTS)
def test_of_many_hosts_the_busiest_are_kept_and_sums_stay(facts):
    def sums(every: Iterable[UsageFact]) -> dict[UsageFact, Decimal]:
        found: dict[UsageFact, Decimal] = {}
        for fact in every:
            key = replace(fact, host="", quantity=Decimal(0))
            found[key] = found.get(key, Decimal(0)) + fact.quantity
        return found

    def requests(every: Iterable[UsageFact], host: str, of: UsageFact) -> Decimal:
        return sum(
            (
                f.quantity
                for f in every
                if (f.metric, f.zone, f.hour, f.host) == ("zone_requests", of.zone, of.hour, host)
            ),
            Decimal(0),
        )

    kept = bounded_hosts(facts, 2)
    assert sums(kept) == sums(facts)
    for fact in kept:
        named = {f.host for f in kept if (f.zone, f.hour) == (fact.zone, fact.hour)} - {"other"}
        gone = {f.host for f in facts if (f.zone, f.hour) == (fact.zone, fact.hour)} - named
        assert len(named) <= 2
        for host in named:
            least = requests(facts, host, fact)
            assert all(least >= requests(facts, each, fact) for each in gone - {"other"})


def test_the_reader_bounds_the_hosts_of_a_zone(connection, monkeypatch):
    monkeypatch.setattr("ingestion.cloudflare.reader.HOSTS", 2)
    look(connection)
    rows = UsageHour.objects.filter(metric="zone_requests").values_list("hour", "host")
    hours: dict[datetime, set[str]] = {}
    for hour, host in rows:
        hours.setdefault(hour, set()).add(host)
    assert hours
    assert all(len(hosts) == 3 and "other" in hosts for hosts in hours.values())
