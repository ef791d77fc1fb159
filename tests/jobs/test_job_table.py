"""The job table: one worker a job, nothing lost with a worker, and every end has its sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from finops import clock, job_table
from finops.core.jobs import LONGEST_PAUSE, Standing, pause_before, time_left
from finops.job_kinds import JobError, Wanted
from finops.job_views import recent_jobs
from finops.models import Job
from finops.registry import UnknownPlugin
from finops.runner import Runner

pytestmark = pytest.mark.django_db(transaction=True)


def put(subject: str = "a") -> Job:
    return job_table.enqueue(kind="probe", subject=subject)[0]


def claimed(worker: str, now: datetime) -> Job:
    job = job_table.claim(worker=worker, now=now)
    assert job
    return job


def test_a_job_is_done_and_its_result_kept(probe):
    job = put()
    assert Runner().work_off() == 1
    job.refresh_from_db()
    assert (job.state, job.result, job.attempts) == ("done", "a done", 1)
    assert job.finished_at


def test_of_one_kind_and_subject_only_one_job_is_active(probe):
    first, made = job_table.enqueue(kind="probe", subject="a")
    second, made_again = job_table.enqueue(kind="probe", subject="a")
    assert (made, made_again, first.pk) == (True, False, second.pk)
    Runner().work_off()
    assert job_table.enqueue(kind="probe", subject="a")[1]


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(UnknownPlugin):
        job_table.enqueue(kind="nonsense", subject="a")


def test_two_workers_never_claim_one_job(probe):
    put()
    assert job_table.claim(worker="one")
    assert job_table.claim(worker="two") is None


def test_a_failed_job_is_tried_again_after_a_pause_and_then_given_up(probe):
    def refuse(_subject, _report):
        raise JobError("The bucket does not answer.")

    probe.does = refuse
    job = put()
    for attempt in (1, 2):
        Runner().work_off()
        job.refresh_from_db()
        assert (job.state, job.attempts) == ("queued", attempt)
        assert job.run_after > clock.now()
        assert job.error == "The bucket does not answer."
        Job.objects.update(run_after=clock.now())
    Runner().work_off()
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("failed", 3)


def test_a_job_that_can_never_succeed_is_given_up_at_once(probe):
    def refuse(_subject, _report):
        raise JobError("It is gone.", final=True)

    probe.does = refuse
    job = put()
    Runner().work_off()
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "It is gone.")


def test_an_error_of_the_product_ends_the_job_not_the_worker(probe):
    def err(_subject, _report):
        raise ZeroDivisionError

    probe.does = err
    bad = put("bad")
    assert Runner().work_off() == 1
    bad.refresh_from_db()
    assert "ZeroDivisionError" in bad.error
    probe.does = lambda subject, _report: subject
    put("good")
    assert Runner().work_off() == 1
    assert Job.objects.get(subject="good").state == "done"


def test_a_lost_workers_job_is_taken_over_and_its_own_writes_come_to_nothing(probe, settings):
    put()
    lost = claimed("lost", clock.now())
    later = clock.now() + timedelta(seconds=settings.JOB_LEASE_SECONDS + 1)
    assert job_table.sweep() == 0  # it was heard of a moment ago
    assert job_table.sweep(now=later) == 1
    taken = claimed("other", later)
    assert taken.pk == lost.pk
    assert taken.attempts == 2
    with pytest.raises(job_table.LostClaim):
        job_table.heartbeat(lost)
    assert not job_table.finish(lost, "late")
    assert not job_table.fail(lost, "late")
    assert not job_table.stopped(lost)
    taken.refresh_from_db()
    assert (taken.state, taken.worker) == ("running", "other")


def test_a_job_that_kills_every_worker_is_given_up(probe, settings):
    job = put()
    moment = clock.now()
    for _ in range(probe.max_attempts):
        assert job_table.claim(worker="victim", now=moment)
        moment += timedelta(seconds=settings.JOB_LEASE_SECONDS + 1)
        assert job_table.sweep(now=moment) == 1
    job.refresh_from_db()
    assert job.state == "failed"
    assert "was lost (attempt 3 of 3)" in job.error


def test_a_running_job_beats_without_saying_anything(probe, settings):
    settings.JOB_LEASE_SECONDS = 0.6
    put()
    beats = []

    def wait(_subject, _report):
        import time

        for _ in range(6):
            time.sleep(0.1)
            beats.append(Job.objects.get().heartbeat_at)
        return "done"

    probe.does = wait
    Runner().work_off()
    assert len(set(beats)) > 2


def test_progress_is_kept_and_estimated(probe):
    def work(_subject, report):
        report("reading", 25, 100)
        Job.objects.update(stage_began_at=clock.now() - timedelta(seconds=10))
        (row,) = recent_jobs(clock.now())
        assert row.percent == 25
        assert row.progress_text.startswith("reading 25 %, ")
        assert row.left
        assert 25 <= row.left.total_seconds() <= 40
        return "done"

    probe.does = work
    put()
    Runner().work_off()
    assert Job.objects.get().state == "done"


def test_a_running_job_that_is_cancelled_stops_at_its_next_step(probe):
    def work(_subject, report):
        job_table.cancel(job_id=Job.objects.get().pk)
        report("reading", 1, 2)
        return "not reached"

    probe.does = work
    put()
    Runner().work_off()
    job = Job.objects.get()
    assert (job.state, job.result) == ("cancelled", "")


def test_a_queued_job_that_is_cancelled_never_runs(probe):
    job_table.cancel(job_id=put().pk)
    assert Runner().work_off() == 0
    assert not probe.ran


def test_a_worker_that_ends_hands_its_job_back_without_costing_a_try(probe):
    ending = []

    def work(_subject, report):
        ending.append(True)
        report("reading", 1, 2)
        return "not reached"

    probe.does = work
    put()
    Runner(is_ending=lambda: bool(ending)).work_off()
    job = Job.objects.get()
    assert (job.state, job.attempts, job.worker) == ("queued", 0, "")
    probe.does = lambda subject, _report: subject
    Runner().work_off()
    assert Job.objects.get().state == "done"


def test_a_hand_back_can_be_asked_for_from_outside(probe):
    def work(_subject, report):
        assert job_table.request_hand_back(worker_prefix="host-a:") == 1
        report("reading", 1, 2)
        return "not reached"

    probe.does = work
    put()
    Runner(worker="host-a:17").work_one()
    assert Job.objects.get().state == "queued"


def test_an_ended_job_is_done_again_as_a_new_one(probe):
    job = put()
    with pytest.raises(job_table.JobRefusedError, match="under way already"):
        job_table.retry(job_id=job.pk)
    Runner().work_off()
    person = get_user_model().objects.create(username="carol")
    again = job_table.retry(job_id=job.pk, by=person)
    assert again.pk != job.pk
    assert again.requested_by == person
    with pytest.raises(job_table.JobRefusedError, match="ended already"):
        job_table.cancel(job_id=job.pk)


def test_what_is_due_is_queued_once(probe):
    probe.wants = [Wanted("x"), Wanted("y")]
    job_table.enqueue_due()
    assert Job.objects.filter(kind="probe").count() == 2
    assert job_table.enqueue_due() == 0


# --- the pure part -----------------------------------------------------------------------------------


@given(st.integers(1, 10_000))
def test_pauses_grow_and_end(attempt):
    assert pause_before(attempt) <= pause_before(attempt + 1) <= LONGEST_PAUSE


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.integers(1, 10**6))
def test_an_estimate_is_never_negative(done, total, seconds):
    now = datetime(2026, 11, 24, tzinfo=UTC)
    left = time_left(Standing("x", done, total), now - timedelta(seconds=seconds), now)
    assert left is None or left >= timedelta(0)


# --- any order of events -----------------------------------------------------------------------------


class Table(RuleBasedStateMachine):
    """Workers that claim, beat, finish, fail, stop and vanish in any order."""

    def __init__(self) -> None:
        super().__init__()
        Job.objects.all().delete()
        self.now = clock.now()
        self.held: list[Job] = []
        self.done = 0

    @rule(subject=st.sampled_from("abc"))
    def add(self, subject):
        put(subject)

    @rule()
    def take(self):
        job = job_table.claim(worker="w", now=self.now)
        if job:
            self.held.append(job)

    @rule(data=st.data(), how=st.sampled_from(["finish", "fail", "stop"]))
    def end(self, data, how):
        if not self.held:
            return
        job = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        if how == "finish":
            self.done += job_table.finish(job, "ok")
        elif how == "fail":
            job_table.fail(job, "no")
        else:
            job_table.stopped(job)

    @rule()
    def hours_pass(self):
        self.now += timedelta(hours=2)
        job_table.sweep(now=self.now)

    @rule()
    def cancel(self):
        job = Job.objects.filter(state__in=Job.ACTIVE).first()
        if job:
            job_table.cancel(job_id=job.pk)

    @invariant()
    def one_holder_a_job(self):
        holders = list(Job.objects.filter(state="running").values_list("claim_token", flat=True))
        assert len(holders) == len(set(holders))
        assert None not in holders
        assert Job.objects.filter(state="done").count() == self.done

    @invariant()
    def no_more_tries_than_allowed(self):
        assert all(job.attempts <= job.max_attempts for job in Job.objects.all())


def test_any_order_of_events_keeps_one_holder_a_job(probe):
    from hypothesis import settings as hypothesis_settings
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Table, settings=hypothesis_settings(max_examples=15, stateful_step_count=20, deadline=None)
    )


def test_looks_that_came_to_the_same_end_are_shown_once_and_forgotten_after_a_week(probe):
    for _ in range(3):
        put()
        Runner().work_off()
    put("b")
    Runner().work_off()
    asked, _ = job_table.enqueue(kind="probe", subject="a", by=get_user_model().objects.create())
    Runner().work_off()
    # What a person asked for, then b, and the three looks at a: the same end as the asked-for one, so not again.
    assert [row.subject for row in recent_jobs(clock.now())] == ["a", "b"]
    assert job_table.forget_looks(before=clock.now() + timedelta(minutes=1)) == 4
    assert [job.pk for job in Job.objects.all()] == [asked.pk]
