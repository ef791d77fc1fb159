"""A look at the API from end to end, against a stand-in over HTTP: what is stored, and every way to fail."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from finops import clock, job_table
from finops.models import Job
from finops.runner import Runner
from ingestion.cloudflare import collect as collecting
from ingestion.cloudflare.client import TRIES
from ingestion.cloudflare.store import Check, record_check, store_day
from ingestion.cloudflare_models import UsageCheck, UsageHour, WorkerDeployment
from ingestion.core.cloudflare_queries import SHORTEST_WINDOW
from ingestion.models import Source
from ingestion.requests import request_load
from ingestion.selectors import freshness
from ingestion.services import collect
from simulator import cloudflare_usage
from simulator.cloudflare_api import Fault
from simulator.cloudflare_schema import Limits
from tests.cloudflare.conftest import NOW, ZONE
from tests.cloudflare.looks import look, newest, problem, stored

pytestmark = pytest.mark.django_db


def truth(metric: str, figure: str) -> Decimal:
    """The same figure from the simulator itself."""
    midnight = NOW.replace(hour=0, minute=0)
    samples = cloudflare_usage.workers(7, midnight, NOW - cloudflare_usage.QUARTER)
    assert metric
    return Decimal(sum(dict(sample.figures)[figure] for sample in samples))


# --- what is stored ----------------------------------------------------------------------------------


def test_a_look_stores_workers_r2_zones_and_deployments(connection):
    report = look(connection)
    assert [(o.key, o.status) for o in report.outcomes] == [("2026-11-25", "loaded")]
    assert problem(connection) == ""
    for metric, figure in (
        ("worker_requests", "requests"),
        ("worker_errors", "errors"),
        ("worker_cpu_us", "cpuTimeUs"),
        ("subrequests", "subrequests"),
        ("worker_wall_us", "wallTime"),
    ):
        rows = UsageHour.objects.filter(metric=metric).values_list("quantity", flat=True)
        assert sum(rows) == truth(metric, figure), metric
    assert set(UsageHour.objects.values_list("metric", flat=True)) >= {
        "r2_class_a",
        "r2_class_b",
        "r2_free",
        "r2_stored_bytes",
        "worker_cpu_us_p50",
        "worker_cpu_us_p99",
        "zone_requests",
        "zone_edge_bytes",
    }
    assert not UsageHour.objects.filter(is_sampled=False).exists()
    assert "The figures are Cloudflare's estimates from samples." in newest().notes
    peaks = UsageHour.objects.filter(metric="r2_stored_bytes")
    assert peaks.count() == len(cloudflare_usage.BUCKETS)
    assert {row.hour for row in peaks} == {NOW.replace(hour=0, minute=0)}
    assert WorkerDeployment.objects.filter(script="image-resizer").count() == 6
    check = newest()
    assert check.capabilities["workersInvocationsAdaptive.cpuTimeUs"] == "yes"
    assert check.capabilities["deployments"] == "yes"
    assert check.data_through == NOW
    assert check.rows == sum(o.rows for o in report.outcomes) + WorkerDeployment.objects.count()


def test_what_workers_fetch_within_is_no_request_of_a_visitor(connection):
    look(connection)
    midnight = NOW.replace(hour=0, minute=0)
    samples = cloudflare_usage.zone_http(7, ZONE, midnight, NOW - cloudflare_usage.QUARTER)
    asked = {"eyeball": Decimal(), "edgeWorkerFetch": Decimal()}
    for sample in samples:
        asked[str(dict(sample.about)["requestSource"])] += dict(sample.figures)["count"]
    assert asked["edgeWorkerFetch"] > 0
    rows = UsageHour.objects.filter(metric="zone_requests").values_list("quantity", flat=True)
    assert sum(rows) == asked["eyeball"]


def test_the_same_look_twice_changes_nothing(connection):
    look(connection)
    before, deployed = stored(), WorkerDeployment.objects.count()
    look(connection)
    assert stored() == before
    assert WorkerDeployment.objects.count() == deployed


def test_figures_that_changed_take_the_place_of_the_old_ones(connection):
    look(connection)
    before = stored()
    UsageHour.objects.filter(script="edge-router").update(quantity=Decimal(1))
    UsageHour.objects.filter(script="auth-gate").update(script="never-existed")
    look(connection)
    assert stored() == before


def test_months_in_any_order_and_twice_give_the_same(connection, api, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 2, 12, tzinfo=UTC))
    api.behaviour.limits = Limits(oldest=3 * 86_400)
    october, november = date(2026, 10, 1), date(2026, 11, 1)
    for month in (october, november):
        collect(connection=connection, since=month, until=month)
    first = stored()
    assert {row[0].date().isoformat() for row in first} == {
        "2026-10-31",
        "2026-11-01",
        "2026-11-02",
    }
    UsageHour.objects.all().delete()
    for month in (november, october, november):
        collect(connection=connection, since=month, until=month)
    assert stored() == first


def test_the_next_look_begins_where_the_last_whole_one_ended(connection, monkeypatch, api):
    look(connection)
    later = NOW + timedelta(days=2, hours=3)
    monkeypatch.setattr(clock, "now", lambda: later)
    report = look(connection)
    assert [o.key for o in report.outcomes] == ["2026-11-25", "2026-11-26", "2026-11-27"]


def test_months_that_a_person_asks_for_leave_no_gap_behind_them(connection, api, monkeypatch):
    look(connection)
    later = NOW + timedelta(days=8)
    monkeypatch.setattr(clock, "now", lambda: later)
    december = date(2026, 12, 1)
    collect(connection=connection, since=december, until=december)
    assert newest().data_through is None
    assert [outcome.key for outcome in look(connection).outcomes][:2] == [
        "2026-11-25",
        "2026-11-26",
    ]


def test_a_full_page_is_split_until_every_row_has_come(connection, api):
    look(connection)
    whole, calls = stored(), len(api.behaviour.asked)
    UsageHour.objects.all().delete()
    api.behaviour.limits = Limits(page=40)
    assert {o.status for o in look(connection).outcomes} == {"loaded"}
    assert len(api.behaviour.asked) > calls * 2
    assert stored() == whole


def test_a_minute_that_fills_a_page_alone_is_a_sentence_and_changes_nothing(connection, api):
    look(connection)
    before = stored()
    api.behaviour.limits = Limits(page=3)
    failed = [o for o in look(connection).outcomes if o.status == "failed"]
    assert timedelta(minutes=1) == SHORTEST_WINDOW
    assert "alone fills a page of 3 rows" in failed[0].sentence
    assert stored() == before
    assert newest().data_through is None


def test_windows_are_as_short_as_the_settings_node_wants(connection, api):
    look(connection)
    whole = stored()
    UsageHour.objects.all().delete()
    api.behaviour.asked.clear()
    api.behaviour.limits = Limits(longest=7200)
    look(connection)
    assert stored() == whole
    asked = [body["variables"] for _, _, body in api.behaviour.asked if "variables" in body]
    spans = [
        datetime.fromisoformat(each["end"]) - datetime.fromisoformat(each["start"])
        for each in asked
        if "end" in each
    ]
    assert max(spans) == timedelta(hours=2)


def test_what_the_api_has_forgotten_stays_here_as_it_is(connection, api, monkeypatch):
    look(connection)
    before = stored()
    api.behaviour.limits = Limits(oldest=86_400)
    later = NOW + timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    look(connection)
    assert stored(hour__lt=NOW) == before
    assert any("older ones stay as they are here" in n for n in newest().notes)


def test_a_worker_that_is_killed_half_way_loses_nothing(connection, monkeypatch):
    monkeypatch.setattr(collecting, "FIRST", timedelta(days=2))
    calls: list[Any] = []

    def killed(**what: Any) -> None:
        calls.append(what)
        if len(calls) == 2:
            raise KeyboardInterrupt
        store_day(**what)

    monkeypatch.setattr(collecting, "store_day", killed)
    with pytest.raises(KeyboardInterrupt):
        look(connection)
    assert {row[0].date().day for row in stored()} == {23}
    monkeypatch.setattr(collecting, "store_day", store_day)
    look(connection)
    done = stored()
    assert {row[0].date().day for row in done} == {23, 24, 25}
    look(connection)
    assert stored() == done


def test_a_store_that_breaks_inside_its_transaction_leaves_the_day_as_it_was(
    connection, monkeypatch
):
    look(connection)
    before = stored()

    def broken(*_: object) -> int:
        raise ValueError("disk full")

    monkeypatch.setattr("ingestion.cloudflare.store.insert_rows", broken)
    failed = look(connection).outcomes[0]
    assert failed.sentence == "The usage of 2026-11-25 could not be stored (disk full)."
    assert stored() == before


# --- capabilities ------------------------------------------------------------------------------------


def test_without_a_sum_of_cpu_time_the_rest_is_read_and_the_lack_is_told(connection, api):
    api.behaviour.without = frozenset({"cpuTimeUs"})
    assert {o.status for o in look(connection).outcomes} == {"loaded"}
    capabilities = newest().capabilities
    assert capabilities["workersInvocationsAdaptive.cpuTimeUs"] == "not in the schema"
    metrics = set(UsageHour.objects.values_list("metric", flat=True))
    assert "worker_cpu_us" not in metrics
    assert {"worker_requests", "worker_cpu_us_p99"} <= metrics


def test_a_schema_without_hours_gives_the_same_sums(connection, api):
    look(connection)
    whole = stored()
    api.behaviour.without = frozenset({"datetimeHour"})
    look(connection)
    assert stored() == whole


def test_a_changed_schema_is_one_sentence_and_disturbs_nothing_else(connection, api):
    look(connection)
    workers = stored(script="edge-router")
    UsageHour.objects.filter(metric="r2_stored_bytes").delete()
    api.behaviour.without = frozenset({"scriptName"})
    failed = [o for o in look(connection).outcomes if o.status == "failed"]
    assert [o.sentence for o in failed] == [
        "Workers invocations: Cloudflare's GraphQL schema no longer knows scriptName, which this version needs; "
        "nothing of workersInvocationsAdaptive was changed: look for a newer version."
    ]
    assert problem(connection) == failed[0].sentence
    assert stored(script="edge-router") == workers
    assert UsageHour.objects.filter(metric="r2_stored_bytes").exists()


def test_a_dataset_that_is_gone_is_one_sentence(connection, api):
    api.behaviour.without = frozenset({"r2StorageAdaptiveGroups"})
    failed = [o for o in look(connection).outcomes if o.status == "failed"]
    assert len(failed) == 1
    assert "R2 storage" in failed[0].sentence
    assert UsageHour.objects.filter(metric="r2_class_a").exists()


def test_billable_usage_is_a_capability_and_no_problem_where_it_is_missing(connection, api):
    look(connection)
    assert newest().capabilities["billable_usage"] == "no (forbidden)"
    api.behaviour.billable = True
    look(connection)
    assert newest().capabilities["billable_usage"] == "yes"
    assert problem(connection) == ""


def test_deployments_that_may_not_be_read_are_a_lack_and_no_problem(connection, api):
    refused = {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]}
    api.behaviour.faults.append(Fault(403, refused, match="/deployments"))
    assert {o.status for o in look(connection).outcomes} == {"loaded"}
    told = newest().capabilities["deployments"]
    assert told.startswith("The token may not read this")
    assert len([1 for _, path, _ in api.behaviour.asked if "deployments" in path]) == 1


# --- as a job ----------------------------------------------------------------------------------------


def test_it_is_collected_on_its_schedule_and_by_hand_like_any_other(connection):
    assert job_table.enqueue_due() >= 1
    Job.objects.exclude(subject="edge").delete()
    Runner().work_off()
    job = Job.objects.get(subject="edge")
    assert (job.state, job.result[:20]) == ("done", "Deliveries: 1 loaded")
    again = request_load(slug="edge", since="2026-11", until="2026-11")
    assert again.kind == "collect"


def test_a_job_that_a_person_must_mend_is_not_tried_again(connection, api):
    api.behaviour.token = "another"
    job_table.enqueue(kind="collect", subject="edge")
    Runner().work_off()
    assert Job.objects.get().state == "failed"


def test_a_job_that_may_pass_is_tried_again(connection, api):
    api.behaviour.faults += [Fault(503, {}) for _ in range(TRIES)]
    job_table.enqueue(kind="collect", subject="edge")
    Runner().work_off()
    job = Job.objects.get()
    assert (job.state, job.attempts) == ("queued", 1)


def test_the_source_is_fresh_while_its_looks_are_whole(connection, api, monkeypatch):
    look(connection)
    (source,) = freshness(NOW + timedelta(hours=1)).sources
    assert source.fresh
    assert source.reason == "The newest usage is 1 hours old; expected within 3."
    (late,) = freshness(NOW + timedelta(hours=9)).sources
    assert not late.fresh


def test_old_looks_are_forgotten_and_usage_is_not(connection):
    look(connection)
    before, source = stored(), Source.objects.get()
    later = NOW + timedelta(days=31)
    record_check(source=source, connection=connection, check=Check(checked_at=later))
    assert [check.checked_at for check in UsageCheck.objects.all()] == [later, NOW]
    much_later = later + timedelta(days=31)
    last = Check(checked_at=much_later, data_through=much_later)
    record_check(source=source, connection=connection, check=last)
    assert [check.checked_at for check in UsageCheck.objects.all()] == [much_later]
    assert stored() == before
