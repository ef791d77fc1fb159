"""Real worker processes: killed, stopped, doubled; with a broker where this suite has one."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from allocation.selectors import reconciliation
from finops import clock, job_table
from finops.models import Job
from ingestion.models import Connection, Load
from ingestion.requests import request_load
from tests.cur_export import Export, line
from tests.faults.test_killed_loads import ROOT, database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def process(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """A worker on this test's database and lake."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "FINOPS_LAKE_URL": str(settings.LAKE_DIR),
            "JOB_LEASE_SECONDS": "10",
            **environment,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def worker() -> subprocess.Popen[bytes]:
    return process("manage.py", "work")


def until(holds: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, list(Job.objects.values())
        time.sleep(0.02)


@pytest.fixture
def bill(tmp_path: Path) -> Export:
    rows = [
        line(
            f"{n}.000000001",
            tenant=f"t-{n % 40}",
            day=n % 28 + 1,
            line_item_usage_type=f"u{n % 50}",
        )
        for n in range(40_000)
    ]
    export = Export(rows, chunks=4)
    Connection.objects.create(
        slug="bills", kind="aws_cur", location=str(export.write(tmp_path)), created_at=clock.now()
    )
    return export


def is_whole(bill: Export) -> bool:
    (row,) = reconciliation()
    return row.source_total == bill.total() and Load.objects.get().state == "current"


def is_running() -> bool:
    return Job.objects.filter(kind="collect", state="running").exclude(stage="").exists()


def test_a_killed_workers_job_is_taken_over(bill):
    request_load(slug="bills")
    victim = worker()
    until(is_running)
    victim.send_signal(signal.SIGKILL)
    victim.wait(10)
    assert Job.objects.get(kind="collect").state == "running"
    # The lease of ten seconds would run out by itself; nobody needs to wait for it here.
    Job.objects.update(heartbeat_at=clock.now() - job_table.lease() * 2)
    other = worker()
    try:
        until(lambda: Job.objects.get(kind="collect").state == "done")
    finally:
        other.terminate()
        assert other.wait(30) == 0
    assert Job.objects.get(kind="collect").attempts == 2
    assert is_whole(bill)


def test_a_worker_that_is_asked_to_end_hands_its_job_back(bill):
    request_load(slug="bills")
    first = worker()
    until(is_running)
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0
    job = Job.objects.get(kind="collect")
    assert (job.state, job.attempts, job.worker) == ("queued", 0, "")
    assert not reconciliation()
    call_command("work", until_idle=True)
    assert is_whole(bill)


def test_two_workers_do_a_job_once(bill):
    both = [worker(), worker()]
    try:
        request_load(slug="bills")
        until(lambda: Job.objects.filter(kind="collect", state="done").exists())
    finally:
        for one in both:
            one.terminate()
        assert [one.wait(30) for one in both] == [0, 0]
    assert Job.objects.get(kind="collect").attempts == 1
    assert is_whole(bill)


@pytest.mark.skipif(not settings.REDIS_URL, reason="needs Redis: .ci/run has one")
def test_celery_rings_the_worker_and_a_killed_one_loses_nothing(bill):
    from finops.celery import app

    app.control.purge()
    command = ("-m", "celery", "-A", "finops.celery", "worker", "--concurrency", "2", "--pool")
    victim = process(*command, "prefork", REDIS_URL=settings.REDIS_URL)
    other = None
    try:
        request_load(slug="bills")
        until(is_running)
        children = subprocess.run(
            ["pgrep", "-P", str(victim.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for pid in (*map(int, children), victim.pid):
            os.kill(pid, signal.SIGKILL)
        victim.wait(10)
        Job.objects.update(heartbeat_at=clock.now() - job_table.lease() * 2)
        other = process(*command, "prefork", REDIS_URL=settings.REDIS_URL)
        app.send_task("finops.tick")  # what beat sends every minute
        until(lambda: Job.objects.get(kind="collect").state == "done")
        # A doubled message finds nothing to do.
        app.send_task("finops.work_off")
        newer = replace(bill, rows=bill.rows[:100], execution="2026-04-18T00:00:00.000Z-newer")
        newer.write(Path(Connection.objects.get().location))
        request_load(slug="bills")
        until(lambda: Job.objects.filter(kind="collect", state="done").count() == 2)
        assert next(iter(reconciliation())).source_total == newer.total()
    finally:
        for one in (victim, other):
            if one and one.poll() is None:
                one.terminate()
                one.wait(30)
        app.control.purge()


@pytest.mark.skipif(not settings.REDIS_URL, reason="needs Redis: .ci/run has one")
def test_a_celery_worker_that_is_asked_to_end_hands_back_its_own_jobs_only(bill):
    from finops.celery import app

    app.control.purge()
    command = ("-m", "celery", "-A", "finops.celery", "worker", "--concurrency", "1", "--pool")
    first = process(*command, "prefork", REDIS_URL=settings.REDIS_URL)
    try:
        request_load(slug="bills")
        until(is_running)
        elsewhere = Job.objects.create(
            kind="collect",
            subject="another",
            state="running",
            worker=f"{platform.node()}:1:2",
            claim_token=uuid.uuid4(),
            heartbeat_at=clock.now(),
            run_after=clock.now(),
            created_at=clock.now(),
        )
        child = int(Job.objects.get(subject="bills").worker.rpartition(":")[2])
        # It stands still until its parent has asked, so that it cannot be done before.
        os.kill(child, signal.SIGSTOP)
        first.send_signal(signal.SIGTERM)
        until(Job.objects.filter(subject="bills", hand_back_requested=True).exists)
        os.kill(child, signal.SIGCONT)
        first.wait(60)
    finally:
        if first.poll() is None:
            first.kill()
        app.control.purge()
    job = Job.objects.get(subject="bills")
    assert (job.state, job.attempts, job.worker) == ("queued", 0, "")
    elsewhere.refresh_from_db()
    assert not elsewhere.hand_back_requested
    assert not reconciliation()
    elsewhere.delete()
    call_command("work", until_idle=True)
    assert is_whole(bill)
