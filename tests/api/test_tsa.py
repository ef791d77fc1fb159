"""Sending time-stamp tokens: each once, the good ones taken, the others listed with index and field."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from django.conf import settings

from finops.models import Tenant
from ingestion.models import RejectedRow, Source
from ingestion.tsa_models import TenantAssets, TsaToken
from tests.api.conftest import V1, client_of
from tests.dashboards.world import person
from tests.ingestion.stamps import sums


def token(number: int = 1, **changed: Any) -> dict[str, Any]:
    fields = {
        "sha256": sha256(str(number).encode()).hexdigest(),
        "at": "2026-04-30T10:07:21Z",
        "tenant": "acme",
        "hash_algorithm": "sha256",
        "digest": f"{number:064x}",
        **changed,
    }
    return {name: value for name, value in fields.items() if value is not None}


@pytest.fixture
def post():
    count = iter(range(1_000_000))

    def send(
        client: Any, *records: Any, key: str = "", to: str = "tokens", body: Any = None
    ) -> Any:
        return client.post(
            f"{V1}/tsa/{to}",
            {"records": list(records)} if body is None else body,
            content_type="application/json",
            headers={"Idempotency-Key": key or f"key-{next(count)}"},
        )

    return send


def test_a_batch_under_another_key_counts_nothing_twice(erin, post):
    batch = [token(n) for n in range(5)]
    first, again = post(erin, *batch).json(), post(erin, *batch, token(9)).json()
    assert (first["accepted"], first["duplicates"], first["rejected"]) == (5, 0, 0)
    assert (again["accepted"], again["duplicates"], again["rejected"]) == (1, 5, 0)
    assert sums() == {"acme": (6, 0, 0)}
    assert Source.objects.get(kind="tsa_api").slug == first["source"]


def test_the_same_key_is_answered_from_what_was_kept(erin, post):
    first, again = post(erin, token(), key="k"), post(erin, token(), key="k")
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"


def test_what_cannot_be_read_is_listed_with_index_and_field_and_the_others_are_taken(erin, post):
    answer = post(
        erin,
        token(1),
        token(2, sha256="xyz"),
        token(3, at="2026-04-30T10:07:21"),
        token(4, at="2026-05-30T10:07:21Z"),
        token(5, status="maybe"),
        token(6, digest=None),
        token(7, tenant="../acme"),
        token(8, colour="red"),
        "no object",
        token(10),
    ).json()
    assert (answer["accepted"], answer["rejected"]) == (2, 8)
    assert [one["index"] for one in answer["rejects"]] == list(range(1, 9))
    fields = ["sha256", "at must", "future", "status", "digest", "tenant", "colour", "object"]
    for field, reject in zip(fields, answer["rejects"], strict=True):
        assert field in reject["reason"]
    assert RejectedRow.objects.filter(delivery__source__kind="tsa_api").count() == 8


def test_rejections_and_doubles_of_a_digest_are_counted_apart(erin, post):
    post(erin, token(1), token(2, digest=f"{1:064x}"), token(3, status="rejection"))
    assert sums() == {"acme": (2, 1, 1)}


def test_who_is_limited_to_some_tenants_sends_for_these_only(company, post):
    robot = person("robot", "admin", scope="acme")
    client = client_of(robot)
    answer = post(client, token(1), token(2, tenant="globex"), token(3, tenant=None)).json()
    assert (answer["accepted"], answer["rejected"]) == (1, 2)
    assert sums() == {"acme": (1, 0, 0)}
    assert post(client, {"tenant": "globex", "day": "2026-04-01", "assets": 1}, to="assets").json()[
        "rejected"
    ]


def test_a_tenant_that_is_new_appears(erin, post):
    post(erin, token(1, tenant="newcomer"))
    assert Tenant.objects.get(slug="newcomer").discovered


def test_a_body_that_is_no_batch_is_refused(erin, post):
    bodies: tuple[Any, ...] = (
        [],
        {"records": []},
        {"records": [token()], "more": 1},
        {"records": 1},
    )
    for body in bodies:
        assert post(erin, body=body).status_code == 400
    too_many = [token(n) for n in range(settings.API_TSA_MAX_RECORDS + 1)]
    assert "1 to 5000 records" in str(post(erin, *too_many).json())
    assert TsaToken.objects.count() == 0


def test_a_full_batch_is_taken(erin, post):
    answer = post(erin, *[token(n) for n in range(settings.API_TSA_MAX_RECORDS)]).json()
    assert answer["accepted"] == settings.API_TSA_MAX_RECORDS


def test_a_secret_in_the_wrong_field_is_neither_kept_nor_answered(erin, post):
    secret = "AKIA" + "ABCDEFGHIJKLMNOP"
    answer = post(erin, token(1, account=f"{secret}\n"))
    assert secret not in answer.content.decode()
    kept = RejectedRow.objects.get(delivery__source__kind="tsa_api")
    assert secret not in kept.text + kept.reason


def test_assets_hold_from_their_day(erin, post):
    rows = [
        {"tenant": "acme", "day": "2026-04-01", "assets": 1200},
        {"tenant": "acme", "day": "1 April", "assets": 1},
        {"tenant": "acme", "day": "2026-04-02", "assets": "12"},
        {"tenant": "acme", "day": "2026-04-02", "assets": -1},
        {"day": "2026-04-02", "assets": 1},
    ]
    answer = post(erin, *rows, to="assets").json()
    assert (answer["accepted"], answer["rejected"]) == (1, 4)
    assert TenantAssets.objects.get().assets == 1200
    assert post(erin, rows[0], to="assets").json()["duplicates"] == 1


def test_the_month_is_read_back(alice, erin, post):
    post(erin, token(1), token(2, tenant=None))
    found = alice.get(f"{V1}/tsa/usage?month=2026-04").json()
    assert found["tokens"] == 2
    assert [one["tenant"] for one in found["tenants"]] == ["acme", None]
    assert found["tenants"][0]["uncovered_tokens"] == 1
    assert found["projection"] is None
    for month in ("April", "2026-05", "9999-99"):
        assert alice.get(f"{V1}/tsa/usage?month={month}").status_code == 400
