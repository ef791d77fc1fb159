"""Usage that clients send: each record once, what cannot be read put aside and counted."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from finops import clock
from finops.core.periods import Window
from finops.models import Tenant, User
from ingestion.models import Delivery, RejectedRow, Source
from ingestion.selectors import freshness
from ingestion.usage_api import take_usage
from ingestion.usage_api_models import UsageRecord
from ingestion.usage_selectors import days_with_usage, usage_records
from tests.api.conftest import V1, client_of, record
from tests.dashboards.world import NOW, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db, on_30_april):
    return client_of(User.objects.create_superuser("root"), name="edge robot")


def test_a_batch_says_what_became_of_each_record(root, send):
    answer = send(
        root,
        record("a"),
        record("b", quantity="-1"),
        "nonsense",
        record("a"),
        record("c", hour="2026-04-30T10:30:00Z"),
        record("d", tenant=None, host="shop.example", path_prefix="/img", script="resize"),
    )
    assert answer.status_code == 200
    body = answer.json()
    assert (body["accepted"], body["duplicates"], body["rejected"]) == (2, 1, 3)
    assert [(one["index"], one["record_id"]) for one in body["rejects"]] == [
        (1, "b"),
        (2, ""),
        (4, "c"),
    ]
    assert all(one["reason"].endswith(".") for one in body["rejects"])
    assert body["source"] == "usage-edge-robot"
    delivery = Delivery.objects.get()
    assert (delivery.rows, delivery.rejected_rows, delivery.state) == (5, 3, "loaded")
    kept = RejectedRow.objects.order_by("line").values_list("line", "delivery_id")
    assert list(kept) == [(2, delivery.pk), (3, delivery.pk), (5, delivery.pk)]


def test_what_was_sent_is_read_back_exactly(root, send):
    sent = record("a", quantity="0.0001", host="h", path_prefix="/p", bucket="b", zone="z")
    send(root, sent, record("b", quantity="1000", is_sampled=True, tenant=None))
    page = root.get(f"{V1}/usage").json()
    first, second = page["results"]
    assert {name: first[name] for name in sent} == sent
    assert (second["quantity"], second["tenant"], second["is_sampled"]) == ("1000", None, True)
    assert first["source"] == "usage-edge-robot"
    assert page["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "abc"),
        ("metric=requests", "ac"),
        ("tenant=globex", "b"),
        ("tenant=nobody", ""),
        ("source=usage-edge-robot", "abc"),
        ("source=other", ""),
        ("from=2026-04-30T10:00:00Z", "bc"),
        ("to=2026-04-30T10:00:00Z", "a"),
        ("from=2026-04-30T10:00:00Z&to=2026-04-30T11:00:00Z", "b"),
    ],
)
def test_filters(root, send, query, found):
    send(
        root,
        record("a", hour="2026-04-30T09:00:00Z"),
        record("b", metric="edge_bytes", tenant="globex"),
        record("c", hour="2026-04-30T11:00:00Z"),
    )
    rows = root.get(f"{V1}/usage?{query}").json()["results"]
    assert "".join(row["record_id"] for row in rows) == found


def test_the_same_record_id_with_other_values_is_a_contradiction_not_a_duplicate(root, send):
    send(root, record("a", quantity="1"))
    body = send(root, record("a", quantity="2")).json()
    assert (body["accepted"], body["duplicates"], body["rejected"]) == (0, 0, 1)
    assert "sent before with other values" in body["rejects"][0]["reason"]
    assert UsageRecord.objects.get().quantity == Decimal(1)


def test_a_bad_record_that_comes_again_is_put_aside_once(root, send):
    for _ in range(3):
        assert send(root, record("a", metric="steps")).json()["rejected"] == 1
    delivery = Delivery.objects.get()
    assert (delivery.rows, delivery.rejected_rows) == (1, 1)
    assert RejectedRow.objects.count() == 1


def test_record_ids_of_two_senders_do_not_meet(root, send):
    other = client_of(person("erin", "admin"))
    assert send(root, record("a")).json()["accepted"] == 1
    assert send(other, record("a")).json()["accepted"] == 1
    assert Source.objects.filter(kind="usage_api").count() == 2


def test_a_new_token_of_the_same_name_goes_on_where_the_old_one_ended(root, send):
    send(root, record("a"))
    successor = client_of(User.objects.get(username="root"), name="edge robot")
    assert send(successor, record("a")).json()["duplicates"] == 1
    assert Source.objects.count() == 1


def test_names_that_read_alike_get_slugs_of_their_own(on_30_april):
    slugs = {
        take_usage(sender=name, items=[record()], tenants=None, size=1, now=NOW).source
        for name in ("edge robot", "edge-robot", "§")
    }
    assert slugs == {"usage-edge-robot", "usage-edge-robot-2", "usage-api"}


def test_a_new_tenant_appears_as_a_tags_would(root, send):
    send(root, record("a", tenant="newcomer"))
    tenant = Tenant.objects.get(slug="newcomer")
    assert tenant.discovered
    assert UsageRecord.objects.get().tenant == tenant


def test_what_was_not_taken_makes_no_tenant(root, send):
    send(root, record("a"))
    body = send(
        root,
        record("b", tenant="ghost", quantity="-1"),
        record("a", tenant="phantom"),
    ).json()
    assert body["rejected"] == 2
    assert not Tenant.objects.filter(slug__in=["ghost", "phantom"]).exists()


def test_an_index_answers_what_is_read_of_usage(root, send, django_assert_num_queries):
    send(root, record("a", hour="2026-04-28T10:00:00Z"), record("b", hour="2026-04-30T09:00:00Z"))
    source = Source.objects.get()
    window = Window(date(2026, 4, 29), date(2026, 5, 1))
    with django_assert_num_queries(2) as asked:
        (found,) = days_with_usage(window).values()
    assert (found.first, found.days) == (date(2026, 4, 28), {date(2026, 4, 30)})
    for query in asked.captured_queries:
        assert "django_" not in query["sql"]  # a function of Python, for every record
    lists: dict[str, Any] = {
        "usage_source_id": {"source": source.slug},
        "usage_metric_id": {"metric": "requests"},
        "usage_tenant_id": {"tenant": "acme"},
    }
    for index, wanted in lists.items():
        rows = usage_records(tenants=None, **wanted).order_by("pk")
        assert len(rows) == 2
        assert "slug" not in str(rows.query).partition("WHERE")[2]
        if connection.vendor == "sqlite":  # PostgreSQL reads a small table whole
            assert index in rows.all().explain()


def test_people_limited_to_some_tenants_send_and_see_usage_of_these_only(root, send):
    send(root, record("a", tenant="globex"), record("b", tenant=None), record("c", tenant="acme"))
    erin = person("erin", "admin", scope="acme")
    client = client_of(erin, "send_usage", "view_charge_lines")
    rows = client.get(f"{V1}/usage").json()["results"]
    assert [row["record_id"] for row in rows] == ["c"]
    assert client.get(f"{V1}/usage?tenant=globex").json()["results"] == []
    body = send(client, record("d"), record("e", tenant="globex"), record("f", tenant=None)).json()
    assert (body["accepted"], body["rejected"]) == (1, 2)
    assert all("their own tenants only" in one["reason"] for one in body["rejects"])


def test_its_freshness_stands_beside_the_others(root, send, monkeypatch):
    send(root, record("a", hour="2026-04-30T10:00:00Z"))
    (source,) = root.get(f"{V1}/sources").json()["results"]
    assert source["kind"] == "usage_api"
    assert source["data_through"] == "2026-04-30T11:00:00Z"
    assert source["fresh"] is True
    later = NOW + timedelta(hours=48)
    monkeypatch.setattr(clock, "now", lambda: later)
    body = root.get(f"{V1}/sources").json()
    assert (body["fresh_count"], body["total"]) == (0, 1)
    assert "49 hours old; expected within 36" in body["results"][0]["reason"]
    assert freshness(later).as_of is None  # usage is no bill: pages do not end with it


def test_data_health_shows_its_days_and_what_was_put_aside(root, send, monkeypatch):
    send(root, record("a", hour="2026-04-28T10:00:00Z"), record("b", quantity="x"))
    from django.test import Client

    browser = Client()
    browser.force_login(
        User.objects.get(username="root"), backend="django.contrib.auth.backends.ModelBackend"
    )
    page = browser.get("/data-health/").text
    assert "Usage of edge robot" in page
    assert "28 Apr: complete, usage was sent for it" in page
    assert "27 Apr: outside" in page
    assert "29 Apr: due" in page
    delivery = Delivery.objects.get()
    rejects = browser.get(f"/data-health/deliveries/{delivery.pk}/rejects/").text
    assert "quantity is not a number" in rejects


def test_a_batch_takes_a_fixed_number_of_queries(root, send, django_assert_max_num_queries):
    send(root, record("first"))
    with django_assert_max_num_queries(30):
        answer = send(root, *[record(f"r-{n}", tenant="acme") for n in range(300)])
    assert answer.json()["accepted"] == 300


class Deliveries(TestCase):
    """Batches in any order, cut in any way, any number of times: the same sum, nothing lost."""

    @given(
        st.lists(st.sampled_from(["1", "0.5", "2.25", "bad"]), min_size=1, max_size=12),
        st.randoms(use_true_random=False),
    )
    @settings(max_examples=25)
    def test_any_order_any_cut_any_repetition_gives_one_sum(
        self, quantities: list[str], chance: random.Random
    ) -> None:
        records = [record(f"r-{n}", quantity=text) for n, text in enumerate(quantities)]
        sent = records * 2
        chance.shuffle(sent)
        while sent:
            cut = chance.randint(1, len(sent))
            batch, sent = sent[:cut], sent[cut:]
            receipt = take_usage(sender="p", items=batch, tenants=None, size=1, now=NOW)
            assert receipt.accepted + receipt.duplicates + len(receipt.refused) == len(batch)
        good = [Decimal(text) for text in quantities if text != "bad"]
        total = UsageRecord.objects.aggregate(total=Sum("quantity"))["total"] or Decimal(0)
        assert total == sum(good)
        assert RejectedRow.objects.count() == len(quantities) - len(good)
        delivery = Delivery.objects.get()
        assert (delivery.rows, delivery.rejected_rows) == (
            len(quantities),
            len(quantities) - len(good),
        )
