"""Alerts by the API: the open ones first, with who has seen them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from finops.alerting import acknowledge
from finops.audit_models import AuditEntry
from finops.models import Alert
from tests.api.conftest import V1, client_of
from tests.dashboards.world import person

MORNING = datetime(2026, 4, 20, 6, tzinfo=UTC)


def alert(subject: str, **values: object) -> Alert:
    return Alert.objects.create(
        kind="stale-source",
        subject=subject,
        severity="warning",
        sentence=f"{subject} is late.",
        first_seen=MORNING,
        last_seen=MORNING,
        **values,
    )


def test_open_alerts_come_first_and_say_who_has_seen_them(db):
    alice = person("alice", "finance")
    seen, unseen = alert("bills"), alert("logs")
    acknowledge(alert_id=seen.pk, by=alice)
    answer = client_of(alice).get(f"{V1}/alerts")
    assert answer.status_code == 200
    found = answer.json()
    assert found["open"] == 2
    assert [(row["id"], row["acknowledged_by"]) for row in found["results"]] == [
        (seen.pk, "alice"),
        (unseen.pk, None),
    ]


def seen(client, pk: int, body: object = None, *, key: str = "k"):
    return client.post(
        f"{V1}/alerts/{pk}/acknowledge",
        {} if body is None else body,
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )


@pytest.fixture
def erin(db):
    return client_of(person("erin", "admin"))


def test_who_operates_loads_acknowledges_with_a_reason_for_the_audit_log(erin):
    late = alert("bills")
    answer = seen(erin, late.pk, {"reason": "The provider knows."})
    assert answer.status_code == 200
    assert answer.json()["acknowledged_by"] == "erin"
    assert answer.json()["resolved_at"] is None, "it stays open"
    entry = AuditEntry.objects.get(verb="alert.acknowledge")
    assert (entry.actor, entry.reason) == ("erin", "The provider knows.")


def test_an_alert_that_asks_again_says_who_saw_what_before(erin):
    late = alert("bills")
    assert seen(erin, late.pk, {"reason": "The provider knows."}).status_code == 200
    kept = late.acknowledgements.get()
    kept.lapsed_at, kept.lapsed_because = MORNING, "it grew from 2 to 9"
    kept.save()
    Alert.objects.update(acknowledged_at=None, acknowledged_by=None, size="9")
    (row,) = erin.get(f"{V1}/alerts").json()["results"]
    assert (row["acknowledged_at"], row["size"]) == (None, "9")
    (before,) = row["acknowledgements"]
    assert (before["by"], before["sentence"]) == ("erin", "bills is late.")
    assert (before["reason"], before["lapsed_because"]) == (
        "The provider knows.",
        "it grew from 2 to 9",
    )


def test_the_same_request_again_is_answered_as_before_and_noted_once(erin):
    late = alert("bills")
    first, again = seen(erin, late.pk), seen(erin, late.pk)
    assert again["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert seen(erin, late.pk, key="another").status_code == 200
    assert AuditEntry.objects.filter(verb="alert.acknowledge").count() == 1


def test_a_key_is_not_taken_for_another_alert(erin):
    assert seen(erin, alert("bills").pk).status_code == 200
    assert seen(erin, alert("logs").pk).status_code == 422
    assert Alert.objects.filter(acknowledged_at=None).count() == 1


def test_finance_reads_alerts_and_acknowledges_none(db):
    late = alert("bills")
    assert seen(client_of(person("alice", "finance")), late.pk).status_code == 403
    late.refresh_from_db()
    assert late.acknowledged_at is None


def test_what_is_over_or_was_never_there_is_not_found(erin):
    for pk in (alert("bills", resolved_at=MORNING).pk, 4711):
        answer = seen(erin, pk, key=f"k{pk}")
        assert answer.status_code == 404
        assert "nothing to acknowledge" in answer.json()["detail"]


@pytest.mark.parametrize("body", [{"why": "x"}, {"reason": "x" * 501}, [], {"reason": {}}])
def test_a_body_that_is_no_acknowledgement_changes_nothing(erin, body):
    late = alert("bills")
    assert seen(erin, late.pk, body).status_code == 400
    late.refresh_from_db()
    assert late.acknowledged_at is None
