"""What the checks find: a lost cent, a stale source, a connection that fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from allocation.checks.jobs import Jobs
from allocation.core.checks import Asked, CheckState
from allocation.jobs.check_health import JOB
from allocation.models import PnlMonth
from finops import clock, job_table
from finops.alerting import acknowledge, check_all, open_alerts
from finops.models import Job, User
from finops.runner import Runner
from ingestion.models import Connection, Load, Source
from ingestion.selectors import freshness
from ingestion.services import ingest
from tests.cur_export import Export, line

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 4, 30, 12, tzinfo=UTC)


@pytest.fixture
def bill(tmp_path):
    rows = [line("10.0049", tenant="acme"), line("3.5", day=2, tenant="globex")]
    assert ingest(kind="aws_cur", location=Export(rows).write(tmp_path)).exit_code == 0
    return Load.objects.get(state="current")


def kinds(now: datetime = NOW) -> list[tuple[str, str]]:
    check_all(now=now)
    return list(open_alerts().values_list("kind", "subject"))


def fresh_until(load: Load) -> datetime:
    assert load.data_through
    return load.data_through + timedelta(hours=load.source.expected_every_hours)


def test_a_bill_that_adds_up_is_no_alert(bill):
    assert kinds(fresh_until(bill)) == []


def test_a_line_that_was_lost_after_the_commit_is_an_alert_with_its_amount(bill):
    lost = PnlMonth.objects.filter(tenant__slug="globex").get()
    values = {field.name: getattr(lost, field.name) for field in lost._meta.concrete_fields}
    lost.delete()
    slug = bill.source.slug
    assert kinds(fresh_until(bill)) == [("unexplained-cent", f"{slug} 2026-04 USD")]
    (alert,) = open_alerts()
    assert alert.severity == "danger"
    assert "differs by 3.5 USD" in alert.sentence
    PnlMonth.objects.create(**values)
    assert kinds(fresh_until(bill)) == []


@pytest.mark.parametrize("change", ["0.00000001", "-0.01"])
def test_the_smallest_change_of_a_total_is_an_alert(bill, change):
    row = PnlMonth.objects.filter(tenant__slug="acme").get()
    row.billed_cost += Decimal(change)
    row.save()
    assert [kind for kind, _ in kinds(fresh_until(bill))] == ["unexplained-cent"]
    (alert,) = open_alerts()
    assert Decimal(alert.evidence["difference"]) == -Decimal(change)


def test_a_source_is_stale_just_after_its_hours_and_not_at_their_end(bill):
    end, slug = fresh_until(bill), bill.source.slug
    assert kinds(end) == []
    assert kinds(end + timedelta(seconds=1)) == [("stale-source", slug)]
    (alert,) = open_alerts()
    assert "is late by 1 minute: its data ends" in alert.sentence
    assert (
        f"newer data is expected within {bill.source.expected_every_hours} hours" in alert.sentence
    )
    assert "let an admin add a connection" in alert.sentence, (
        "nobody looks for a bill loaded by hand"
    )
    Source.objects.filter(pk=bill.source.pk).update(expected_every_hours=10_000)
    assert kinds(end + timedelta(seconds=2)) == []


def test_lateness_that_was_acknowledged_asks_again_when_it_has_doubled(bill):
    end, erin = fresh_until(bill), User.objects.create_user("erin")
    check_all(now=end + timedelta(hours=2))
    acknowledge(alert_id=open_alerts().get().pk, by=erin)
    check_all(now=end + timedelta(hours=4))
    assert open_alerts().get().acknowledged_by == erin
    check_all(now=end + timedelta(hours=4, minutes=1))
    assert open_alerts().get().acknowledged_at is None


def test_an_unexplained_amount_that_grows_after_it_was_acknowledged_asks_again(bill):
    row, erin = PnlMonth.objects.get(tenant__slug="acme"), User.objects.create_user("erin")
    before = row.billed_cost
    for lost, holds in (("1", True), ("1.1", True), ("1.11", False)):
        row.billed_cost = before - Decimal(lost)
        row.save()
        check_all(now=fresh_until(bill))
        alert = open_alerts().get()
        if lost == "1":
            alert = acknowledge(alert_id=alert.pk, by=erin)
        assert (alert.acknowledged_at is not None) is holds, lost


def test_a_source_that_never_delivered_is_late_from_when_it_was_first_seen():
    place = Connection.objects.create(
        slug="bills", kind="aws_cur", location="/srv/bills", created_at=NOW
    )
    Source.objects.create(
        slug="bills",
        kind="aws_cur",
        identity="arn",
        name="Bills",
        service_provider_name="AWS",
        connection=place,
        created_at=NOW - timedelta(hours=36),
    )
    assert kinds(NOW) == []
    assert [one.state for one in freshness(NOW).sources] == ["waiting"]
    assert kinds(NOW + timedelta(minutes=5)) == [("stale-source", "bills")]
    (alert,) = open_alerts()
    assert (
        "late by 5 minutes: nothing has come, and data is expected within 36 hours"
        in alert.sentence
    )
    assert "Load the connection bills now" in alert.sentence
    assert alert.evidence["late_by_minutes"] == 5


def test_looking_after_health_is_no_load_under_way(bill):
    job_table.enqueue(kind=JOB.id, subject="health")
    Job.objects.update(state=Job.State.RUNNING)
    asked = Asked(bill.billing_period, NOW, None)
    assert Jobs().look(asked).state is CheckState.OK
    Job.objects.update(kind="collect")
    assert Jobs().look(asked).state is CheckState.OPEN


def test_an_inactive_source_is_never_stale(bill):
    Source.objects.update(is_active=False)
    assert kinds(fresh_until(bill) + timedelta(days=90)) == []


def test_a_connection_that_could_not_be_read_is_an_alert_while_it_is_active():
    bills = Connection.objects.create(
        slug="bills", kind="aws_cur", location="/srv/bills", created_at=NOW, problem="No access."
    )
    assert kinds() == [("failing-connection", "bills")]
    assert "No access." in open_alerts().get().sentence
    bills.is_active = False
    bills.save()
    assert kinds(NOW + timedelta(seconds=1)) == []


def test_health_is_checked_every_five_minutes_and_after_each_load(bill):
    now = clock.now()
    assert list(JOB.due(now))
    job_table.enqueue(kind=JOB.id, subject="health")
    assert Runner().work_off() == 1
    done = Job.objects.get(kind=JOB.id)
    assert done.state == "done"
    assert "alerts opened" in done.result
    assert done.finished_at
    assert not list(JOB.due(done.finished_at + timedelta(seconds=299)))
    assert list(JOB.due(done.finished_at + timedelta(seconds=300)))
    Load.objects.filter(pk=bill.pk).update(committed_at=done.finished_at + timedelta(seconds=1))
    assert list(JOB.due(done.finished_at + timedelta(seconds=2)))


def test_rounds_that_ended_well_do_not_fill_the_list_of_jobs(bill):
    assert bill
    for _ in range(3):
        job_table.enqueue(kind=JOB.id, subject="health")
        Runner().work_off()
    assert Job.objects.filter(kind=JOB.id).count() == 1


def test_a_delivery_that_changes_no_day_leaves_the_rows_of_the_one_before_and_is_no_alert(
    bill, tmp_path
):
    rows = [line("10.0049", tenant="acme"), line("3.5", day=2, tenant="globex")]
    again = Export(list(reversed(rows)), execution="2026-05-02T08:00:00.000Z-00000009")
    assert ingest(kind="aws_cur", location=again.write(tmp_path)).exit_code == 0
    newer = Load.objects.get(state="current")
    assert newer != bill
    assert not PnlMonth.objects.filter(load=newer).exists()
    assert kinds(fresh_until(newer)) == []
