"""Alerts open once, follow what is found, resolve by themselves, and are acknowledged by a person."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops import job_table
from finops.alert_checks import alert_checks
from finops.alerting import (
    AlertRefusedError,
    acknowledge,
    check_all,
    open_alerts,
    recent_alerts,
)
from finops.audit_models import AuditEntry
from finops.core.alerts import (
    Finding,
    Matter,
    Severity,
    asks_again,
    settle,
    without_figures,
)
from finops.models import Alert, Job, User

NOW = datetime(2026, 4, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


class Probe:
    """Finds what the test says."""

    id = "probe"

    def __init__(self) -> None:
        self.finds: list[Finding] = []
        self.breaks = False

    def findings(self, now: datetime) -> Iterable[Finding]:
        assert now
        if self.breaks:
            msg = "no answer"
            raise ValueError(msg)
        return self.finds


@pytest.fixture
def probe() -> Iterator[Probe]:
    check = Probe()
    alert_checks().register(check.id, check)
    yield check
    alert_checks.cache_clear()


def finding(
    subject: str = "bills",
    sentence: str = "It is late.",
    *,
    severity: Severity = Severity.WARNING,
    **matter: Any,
) -> Finding:
    return Finding("probe", subject, severity, sentence, {"hours": 40}, **matter)


def of_probe() -> list[Alert]:
    return list(Alert.objects.filter(kind="probe").order_by("id"))


KEYS = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", "z"]))


@given(st.sets(KEYS), st.lists(KEYS), st.sets(st.sampled_from(["a", "b"])))
def test_after_settling_what_is_open_is_what_was_found_or_could_not_be_asked(standing, keys, asked):
    found = [Finding(kind, about, Severity.WARNING, "It is so.") for kind, about in keys]
    changes = settle(standing, found, asked=asked)
    open_then = (standing - set(changes.over)) | {one.key for one in changes.opened}
    assert open_then == set(keys) | {key for key in standing if key[0] not in asked}
    assert len({one.key for one in changes.opened}) == len(changes.opened)
    assert {one.key for one in changes.standing} == set(keys) & standing


@pytest.mark.django_db
def test_an_alert_opens_once_follows_its_finding_and_resolves_by_itself(probe):
    probe.finds = [finding()]
    check_all(now=NOW)
    probe.finds = [finding(sentence="It is very late.")]
    check_all(now=LATER)
    (alert,) = of_probe()
    assert (alert.first_seen, alert.last_seen) == (NOW, LATER)
    assert alert.sentence == "It is very late."
    assert alert.evidence == {"hours": 40}
    probe.finds = []
    check_all(now=LATER)
    (alert,) = of_probe()
    assert alert.resolved_at == LATER
    probe.finds = [finding()]
    check_all(now=LATER + timedelta(hours=1))
    assert [one.resolved_at is None for one in of_probe()] == [False, True]


@pytest.mark.django_db
def test_who_looked_earlier_does_not_overrule_who_looked_later(probe):
    probe.finds = [finding()]
    check_all(now=LATER)
    probe.finds = []
    check_all(now=NOW)
    assert [one.resolved_at for one in of_probe()] == [None]


@pytest.mark.django_db
def test_who_looked_earlier_does_not_open_what_is_over_by_now(probe):
    probe.finds = [finding()]
    check_all(now=NOW)
    probe.finds = []
    check_all(now=LATER)
    probe.finds = [finding()]
    check_all(now=NOW + timedelta(minutes=1))
    assert [one.resolved_at for one in of_probe()] == [LATER]


@pytest.mark.django_db
def test_an_alert_of_a_check_that_is_gone_is_over(probe):
    probe.finds = [finding()]
    check_all(now=NOW)
    alert_checks.cache_clear()
    check_all(now=LATER)
    assert [one.resolved_at for one in of_probe()] == [LATER]


@pytest.mark.django_db
def test_secrets_stay_out_of_alerts(probe):
    secret = "AKIA" + "Q" * 16
    probe.finds = [
        Finding("probe", "s3", Severity.WARNING, f"The key {secret} fails.", {"said": secret})
    ]
    check_all(now=NOW)
    (alert,) = of_probe()
    assert secret not in f"{alert.sentence} {alert.evidence}"


@pytest.mark.django_db
def test_a_broken_check_is_an_alert_itself_and_resolves_nothing(probe):
    probe.finds = [finding()]
    check_all(now=NOW)
    probe.breaks = True
    check_all(now=LATER)
    assert [one.resolved_at for one in of_probe()] == [None]
    assert open_alerts().filter(kind="check-failed", subject="probe").count() == 1
    probe.breaks, probe.finds = False, []
    check_all(now=LATER)
    assert not open_alerts().exists()


@pytest.mark.django_db(transaction=True)
def test_two_checkers_at_once_open_one_alert(probe):
    probe.finds = [finding(str(number)) for number in range(5)]
    gate, errors = threading.Barrier(2), []

    def look() -> None:
        try:
            gate.wait()
            check_all(now=NOW)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(one.subject for one in of_probe()) == ["0", "1", "2", "3", "4"]


@pytest.mark.django_db
def test_acknowledging_is_noted_once_and_only_while_it_is_open(probe):
    erin = User.objects.create_user("erin")
    probe.finds = [finding()]
    check_all(now=NOW)
    (alert,) = of_probe()
    first = acknowledge(alert_id=alert.pk, by=erin)
    assert acknowledge(alert_id=alert.pk, by=erin).acknowledged_at == first.acknowledged_at
    entry = AuditEntry.objects.get(verb="alert.acknowledge")
    assert (entry.actor, entry.target) == ("erin", "alert probe bills")
    probe.finds = []
    check_all(now=LATER)
    with pytest.raises(AlertRefusedError, match="over already"):
        acknowledge(alert_id=alert.pk, by=erin)
    assert [one.pk for one in recent_alerts(LATER)] == [alert.pk]
    assert not recent_alerts(LATER + timedelta(days=8))


SIZES = st.decimals(-(10**9), 10**9, places=8)
MATTERS = st.builds(
    Matter, st.sampled_from(Severity), st.sampled_from(["", "the log", "the bill"]), SIZES
)


@given(MATTERS, MATTERS)
def test_an_acknowledgement_holds_for_what_was_seen_and_for_less_of_the_same(seen, now):
    holds = (
        (now.severity is seen.severity or now.severity is Severity.WARNING)
        and now.about == seen.about
        and not seen.size * now.size < 0
        and abs(now.size) * 10 <= abs(seen.size) * 11
    )
    assert (asks_again(seen, now) == "") is holds
    assert asks_again(now, now) == ""


@pytest.mark.django_db
@given(st.lists(SIZES, min_size=1, max_size=8))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_any_course_an_alert_is_acknowledged_only_at_the_size_that_was_seen(probe, sizes):
    Alert.objects.all().delete()
    erin, _ = User.objects.get_or_create(username="erin")
    probe.finds = [finding(size=Decimal(50))]
    check_all(now=NOW)
    acknowledge(alert_id=of_probe()[0].pk, by=erin)
    holds = True
    for number, size in enumerate(sizes, start=1):
        probe.finds = [finding(size=size)]
        check_all(now=NOW + timedelta(minutes=number))
        holds = holds and Decimal(0) <= size <= Decimal(55)
        (alert,) = of_probe()
        assert (alert.acknowledged_at is not None) is holds
        assert alert.acknowledgements.count() == 1
        assert Decimal(alert.size) == size


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"size": Decimal("3.86")}, "it grew from 3.5 to 3.86"),
        ({"size": Decimal("-3.5")}, "it changed its sign, from 3.5 to -3.5"),
        ({"about": "the ledger"}, "it is about something else now"),
        ({"severity": Severity.DANGER}, "it has become more severe"),
    ],
)
def test_an_acknowledged_alert_that_is_another_matter_asks_again_and_keeps_who_saw_it(
    probe, change, why
):
    erin = User.objects.create_user("erin")
    seen: dict[str, Any] = {"about": "the bill", "size": Decimal("3.5")}
    probe.finds = [finding(**seen, sentence="3.5 are missing.")]
    check_all(now=NOW)
    acknowledge(alert_id=of_probe()[0].pk, by=erin, reason="The provider knows.")
    probe.finds = [finding(**seen | {"size": Decimal("3.85")} | change, sentence="More.")]
    check_all(now=LATER)
    (alert,) = of_probe()
    assert (alert.acknowledged_at, alert.acknowledged_by, alert.resolved_at) == (None, None, None)
    (kept,) = alert.acknowledgements.all()
    assert (kept.by, kept.reason, kept.sentence) == (
        erin,
        "The provider knows.",
        "3.5 are missing.",
    )
    assert (kept.lapsed_at, kept.lapsed_because) == (LATER, why)
    entry = AuditEntry.objects.get(verb="alert.ask_again")
    assert (entry.actor, entry.reason) == ("system", f"The alert asks again: {why}.")
    acknowledge(alert_id=alert.pk, by=erin)
    check_all(now=LATER + timedelta(minutes=5))
    assert of_probe()[0].acknowledged_by == erin
    assert alert.acknowledgements.count() == 2


@pytest.mark.django_db
def test_an_alert_that_was_acknowledged_before_matters_were_noted_asks_once(probe):
    erin = User.objects.create_user("erin")
    probe.finds = [finding()]
    check_all(now=NOW)
    Alert.objects.update(acknowledged_by=erin, acknowledged_at=NOW)
    check_all(now=LATER)
    (alert,) = of_probe()
    assert alert.acknowledged_at is None
    assert [(one.by, one.at) for one in alert.acknowledgements.all()] == [(erin, NOW)]


@pytest.mark.django_db
def test_a_round_that_looked_earlier_ends_no_acknowledgement(probe):
    erin = User.objects.create_user("erin")
    probe.finds = [finding()]
    check_all(now=LATER)
    acknowledge(alert_id=of_probe()[0].pk, by=erin)
    probe.finds = [finding(size=Decimal(9))]
    check_all(now=NOW)
    assert of_probe()[0].acknowledged_by == erin


def test_figures_that_move_make_no_other_matter():
    first, second = "Key 17 of 2,000 is gone at 06:10.", "Key 9 of 1.5 is gone at 07:00."
    assert without_figures(first) == without_figures(second)
    assert without_figures(first) != without_figures("Access is denied.")


@pytest.mark.django_db
def test_a_failed_job_is_an_alert_until_a_later_one_ends_well():
    job, _ = job_table.enqueue(kind="maintain", subject="lake")
    Job.objects.filter(pk=job.pk).update(
        state="failed", finished_at=NOW, attempts=3, error="The bucket refuses."
    )
    check_all(now=NOW)
    (alert,) = open_alerts()
    assert (alert.kind, alert.subject) == ("failed-job", "maintain lake")
    assert "The bucket refuses." in alert.sentence
    again, _ = job_table.enqueue(kind="maintain", subject="lake")
    check_all(now=NOW)
    assert open_alerts().exists()
    Job.objects.filter(pk=again.pk).update(state="done", finished_at=LATER)
    check_all(now=LATER)
    assert not open_alerts().exists()
