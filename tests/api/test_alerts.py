"""Alerts by the API: the open ones first, with who has seen them."""

from __future__ import annotations

from datetime import UTC, datetime

from finops.alerting import acknowledge
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
