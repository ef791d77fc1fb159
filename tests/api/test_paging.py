"""Lists come in pages that neither lose nor repeat a row, whatever is added meanwhile."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from finops.models import User
from ingestion.models import Delivery, RejectedRow, Source
from tests.api.conftest import V1, client_of, record
from tests.dashboards.world import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db, on_30_april):
    return client_of(User.objects.create_superuser("root"))


@pytest.fixture
def source(db) -> Source:
    return Source.objects.create(
        slug="bills", kind="aws_cur", identity="arn", name="Bills", created_at=NOW
    )


def deliver(source: Source, *keys: str) -> list[Delivery]:
    return [
        Delivery.objects.create(source=source, key=key, discovered_at=NOW, state="loaded")
        for key in keys
    ]


def walk(client, url: str, name: str, between=lambda: None) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        page = client.get(f"{url}{'&' if cursor else ''}{cursor}").json()
        pages.append([row[name] for row in page["results"]])
        if page["next_cursor"] is None:
            return pages
        between()
        cursor = f"cursor={page['next_cursor']}"


def test_pages_of_deliveries_are_newest_first_and_hold_still(root, source):
    deliver(source, *"abcde")
    late = iter("xyz")
    pages = walk(
        root, f"{V1}/deliveries?limit=2", "key", between=lambda: deliver(source, next(late))
    )
    assert pages == [["e", "d"], ["c", "b"], ["a"]]


def test_a_last_page_that_is_full_has_no_next(root, source):
    deliver(source, *"abcd")
    assert walk(root, f"{V1}/deliveries?limit=2", "key") == [["d", "c"], ["b", "a"]]


def test_pages_of_usage_are_in_the_order_in_which_it_came(root, send):
    send(root, *[record(name) for name in "cab"])
    between = iter("xy")
    pages = walk(
        root,
        f"{V1}/usage?limit=2",
        "record_id",
        between=lambda: send(root, record(next(between))),
    )
    assert pages == [["c", "a"], ["b", "x"]]


def test_pages_of_rejects(root, source):
    (delivery,) = deliver(source, "a")
    RejectedRow.objects.bulk_create(
        [
            RejectedRow(delivery=delivery, file="f", line=line, reason="it is bad.", text="x")
            for line in (2, 3, 4)
        ]
    )
    assert walk(root, f"{V1}/deliveries/{delivery.pk}/rejects?limit=2", "line") == [[2, 3], [4]]


@pytest.mark.parametrize(
    "url", ["deliveries?limit=500", "usage?limit=500", "deliveries/{delivery}/rejects?limit=500"]
)
def test_a_page_of_many_takes_as_many_queries_as_a_page_of_one(root, source, send, url):
    """Token, owner's rights, the delivery or the tenants, the page: never one a row."""
    (delivery,) = deliver(source, "a")
    counts = []
    for rows in (1, 40):
        deliver(source, *[f"{rows}-{n}" for n in range(rows)])
        send(root, *[record(f"{rows}-{n}") for n in range(rows)])
        RejectedRow.objects.bulk_create(
            [RejectedRow(delivery=delivery, file="f", line=n, reason=".") for n in range(rows)]
        )
        with CaptureQueriesContext(connection) as asked:
            found = root.get(f"{V1}/{url.format(delivery=delivery.pk)}").json()["results"]
        assert len(found) >= rows
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 4


def test_filters_of_deliveries(root, source):
    other = Source.objects.create(
        slug="other", kind="aws_cur", identity="arn2", name="Other", created_at=NOW
    )
    deliver(source, "a", "b")
    deliver(other, "c")
    Delivery.objects.filter(key="a").update(state="rejected", billing_period="2026-04-01")
    Delivery.objects.filter(key="b").update(discovered_at="2026-05-02T00:00:00Z")

    def keys(query: str) -> str:
        rows = root.get(f"{V1}/deliveries?{query}").json()["results"]
        return "".join(row["key"] for row in rows)

    assert keys("source=bills") == "ba"
    assert keys("state=rejected") == "a"
    assert keys("billing_period=2026-04") == "a"
    assert keys("since=2026-05-01T00:00:00Z") == "b"
    assert keys("source=bills&state=loaded") == "b"
    assert keys("source=nobody") == ""


def test_one_delivery_is_the_one_of_the_list(root, source):
    (delivery,) = deliver(source, "a")
    (listed,) = root.get(f"{V1}/deliveries").json()["results"]
    assert root.get(f"{V1}/deliveries/{delivery.pk}").json() == listed
    assert listed["billing_period"] is None
    assert listed["discovered_at"] == "2026-04-30T12:00:00Z"
