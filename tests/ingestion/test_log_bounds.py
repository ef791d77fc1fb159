"""Hosts and prefixes of a log are bounded, and so is what a batch reads of the days it adds to."""

from __future__ import annotations

from pathlib import Path

import pytest

from finops import clock
from ingestion.models import Connection
from ingestion.services import collect
from ingestion.usage_models import LogpushSettings, UsageDay
from tests.log_objects import facts, request, take, total, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Where the job writes; the lake of a test lies elsewhere."""
    return tmp_path / "logs"


def test_prefixes_beyond_the_limit_are_other_and_sums_hold(logs):
    Connection.objects.create(
        slug="logs", kind="cloudflare_logpush", location=str(logs), created_at=clock.now()
    )
    LogpushSettings.objects.create(
        connection=Connection.objects.get(), most_prefixes=2, path_depth=1
    )
    paths = ["/a/x", "/a/y", "/a/z", "/b/x", "/b/y", "/c/x", "/d/x"]
    lines = [request(n, ClientRequestPath=path) for n, path in enumerate(paths)]
    write(logs, "a.log", *lines)
    collect(connection=Connection.objects.get())
    expected = {("requests", "/a"): 3, ("requests", "/b"): 2, ("requests", "other"): 2}
    assert {
        key: int(value) for key, value in facts("path_prefix").items() if key[0] == "requests"
    } == expected
    write(logs, "b.log", *(request(10 + n, ClientRequestPath="/c/x") for n in range(9)))
    collect(connection=Connection.objects.get())
    assert facts("path_prefix")["requests", "other"] == 11, (
        "an hour's host keeps the prefixes it has"
    )
    assert total("requests") == 16


def test_hosts_beyond_the_limit_are_other_and_sums_hold(logs):
    connection = Connection.objects.create(
        slug="logs", kind="cloudflare_logpush", location=str(logs), created_at=clock.now()
    )
    LogpushSettings.objects.create(connection=connection, most_hosts=2)
    hosts = ["a", "a", "a", "b", "b", "c", "d"]
    write(logs, "a.log", *(request(n, ClientRequestHost=host) for n, host in enumerate(hosts)))
    collect(connection=connection)
    expected = {("requests", "a"): 3, ("requests", "b"): 2, ("requests", "other"): 2}
    found = facts("host")
    assert {key: int(value) for key, value in found.items() if key[0] == "requests"} == expected
    write(logs, "b.log", *(request(10 + n, ClientRequestHost="c") for n in range(9)))
    write(logs, "c.log", request(90, ClientRequestHost="b"), request(91, ZoneName="b.example"))
    collect(connection=connection)
    found = facts("zone", "host")
    assert found["requests", "example.com", "other"] == 11, "an hour's zone keeps its hosts"
    assert found["requests", "example.com", "b"] == 3
    assert found["requests", "b.example", "acme.assets.example.com"] == 1
    assert total("requests") == 18
    rows = UsageDay.objects.filter(metric="requests").values_list("zone", "host", "quantity")
    assert {("requests", *row[:2]): row[2] for row in rows} == {
        key: value for key, value in found.items() if key[0] == "requests"
    }


def test_a_batch_reads_only_those_of_a_days_sums_that_it_adds_to(
    logs, django_assert_max_num_queries
):
    write(logs, "a.log", *(request(n, ClientRequestHost=f"h{n}") for n in range(40)))
    take(logs)
    write(logs, "b.log", request(99, ClientRequestHost="h1"))
    with django_assert_max_num_queries(60) as asked:
        take(logs)
    (read,) = [
        one["sql"]
        for one in asked.captured_queries
        if one["sql"].startswith("SELECT") and "usageday" in one["sql"]
    ]
    assert "'h1'" in read
    assert UsageDay.objects.get(metric="requests", host="h1").quantity == 2
