"""Writes to the job table: every change of a job that somebody may hold is conditional on its claim."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from finops import clock
from finops.core.jobs import pause_before
from finops.job_kinds import job_kinds
from finops.models import Job, User

logger = logging.getLogger(__name__)

_FREE: dict[str, Any] = {
    "worker": "",
    "claim_token": None,
    "heartbeat_at": None,
    "hand_back_requested": False,
    "stage": "",
    "stage_began_at": None,
    "done": 0,
    "total": 0,
    "rows": 0,
}


class JobRefusedError(Exception):
    """A person asked for what cannot be done; the message is one sentence."""


class LostClaim(BaseException):  # like KeyboardInterrupt: nobody may take it for a failure
    """Somebody else has the job by now: stop working on it, and write nothing."""


class StopRequested(BaseException):  # like KeyboardInterrupt
    """The job is to stop: a person cancelled it, or its worker is to end."""


def lease() -> timedelta:
    """How long a worker may be silent before its job is taken over."""
    return timedelta(seconds=settings.JOB_LEASE_SECONDS)


def enqueue(
    *,
    kind: str,
    subject: str,
    arguments: Mapping[str, Any] | None = None,
    by: User | None = None,
) -> tuple[Job, bool]:
    """The active job of ``kind`` and ``subject``, made where there is none; whether it was made.

    Raises ``finops.registry.UnknownPlugin`` for a kind that does not exist.
    """
    about = job_kinds().get(kind)
    now = clock.now()
    try:
        with transaction.atomic():
            job = Job.objects.create(
                kind=kind,
                subject=subject,
                arguments=dict(arguments or {}),
                max_attempts=about.max_attempts,
                run_after=now,
                created_at=now,
                requested_by=by,
            )
    except IntegrityError:
        found = Job.objects.filter(kind=kind, subject=subject, state__in=Job.ACTIVE).first()
        if found is None:  # it ended in between
            return enqueue(kind=kind, subject=subject, arguments=arguments, by=by)
        return found, False
    return job, True


def claim(*, worker: str, now: datetime | None = None) -> Job | None:
    """The oldest job that may run, now this worker's; ``None`` where there is none."""
    moment = now or clock.now()
    while True:
        ready = (
            Job.objects.filter(state=Job.State.QUEUED, run_after__lte=moment)
            .order_by("run_after", "id")
            .values_list("pk", flat=True)[:8]
        )
        candidates = list(ready)
        if not candidates:
            return None
        for pk in candidates:
            token = uuid.uuid4()
            won = Job.objects.filter(pk=pk, state=Job.State.QUEUED, run_after__lte=moment).update(
                **{
                    **_FREE,
                    "state": Job.State.RUNNING,
                    "worker": worker,
                    "claim_token": token,
                    "heartbeat_at": moment,
                    "started_at": moment,
                    "finished_at": None,
                    "attempts": F("attempts") + 1,
                }
            )
            if won:
                return Job.objects.get(pk=pk)


def _held(job: Job) -> Any:
    return Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, claim_token=job.claim_token)


def heartbeat(job: Job, **changes: Any) -> None:
    """Say that the worker lives, with what it got done.

    Raises ``LostClaim`` where the job is another's, ``StopRequested`` where it is to stop.
    """
    if not _held(job).update(heartbeat_at=clock.now(), **changes):
        raise LostClaim
    stop = Job.objects.filter(pk=job.pk).filter(
        Q(cancel_requested=True) | Q(hand_back_requested=True)
    )
    if stop.exists():
        raise StopRequested


def finish(job: Job, result: str) -> bool:
    """The job is done; ``False`` where it was another's by then."""
    return bool(
        _held(job).update(
            state=Job.State.DONE, finished_at=clock.now(), result=result, error="", claim_token=None
        )
    )


def fail(job: Job, sentence: str, *, final: bool = False) -> bool:
    """The job failed: tried again after a pause, while tries are left."""
    now = clock.now()
    if final or job.attempts >= job.max_attempts:
        state = {"state": Job.State.FAILED, "finished_at": now, "claim_token": None}
    else:
        pause = pause_before(job.attempts)
        state = {**_FREE, "state": Job.State.QUEUED, "run_after": now + pause}
    return bool(_held(job).update(error=sentence, **state))


def stopped(job: Job) -> bool:
    """The worker stopped as it was asked to: cancelled, or handed back without costing a try."""
    if (
        _held(job)
        .filter(cancel_requested=True)
        .update(state=Job.State.CANCELLED, finished_at=clock.now(), claim_token=None)
    ):
        return True
    return bool(
        _held(job).update(
            **{
                **_FREE,
                "state": Job.State.QUEUED,
                "run_after": clock.now(),
                "attempts": F("attempts") - 1,
            }
        )
    )


def request_hand_back(*, worker_prefix: str) -> int:
    """Ask the jobs of a worker that is about to end to stop at their next step."""
    return Job.objects.filter(state=Job.State.RUNNING, worker__startswith=worker_prefix).update(
        hand_back_requested=True
    )


def sweep(*, now: datetime | None = None) -> int:
    """Free the jobs whose workers were not heard of for the lease; how many there were."""
    moment = now or clock.now()
    lost = Job.objects.filter(state=Job.State.RUNNING, heartbeat_at__lt=moment - lease())
    count = 0
    for job in lost:
        sentence = (
            f"Its worker {job.worker} was lost (attempt {job.attempts} of {job.max_attempts})."
        )
        mine = _held(job).filter(heartbeat_at=job.heartbeat_at)
        if job.cancel_requested:
            change: dict[str, Any] = {"state": Job.State.CANCELLED, "finished_at": moment}
        elif job.attempts >= job.max_attempts:
            change = {"state": Job.State.FAILED, "finished_at": moment, "error": sentence}
        else:
            change = {"state": Job.State.QUEUED, "run_after": moment, "error": sentence}
        count += mine.update(**{**_FREE, **change})
    if count:
        logger.warning("jobs taken from lost workers", extra={"jobs": count})
    return count


def enqueue_due(*, now: datetime | None = None) -> int:
    """Enqueue what each kind's schedule wants by now; how many jobs were made."""
    moment = now or clock.now()
    made = 0
    for kind in job_kinds().all().values():
        for wanted in kind.due(moment):
            made += enqueue(kind=kind.id, subject=wanted.subject, arguments=wanted.arguments)[1]
    return made


def forget_looks(*, before: datetime) -> int:
    """Remove what a schedule asked for and was done before ``before``; how many jobs there were."""
    old = Job.objects.filter(
        state=Job.State.DONE, requested_by__isnull=True, finished_at__lt=before
    )
    return old.delete()[0]


def cancel(*, job_id: int) -> Job:
    """End a queued job, ask a running one to stop. Raises ``JobRefusedError``."""
    now = clock.now()
    if not Job.objects.filter(pk=job_id, state=Job.State.QUEUED).update(
        state=Job.State.CANCELLED, finished_at=now, cancel_requested=True
    ):
        Job.objects.filter(pk=job_id, state=Job.State.RUNNING).update(cancel_requested=True)
    job = Job.objects.get(pk=job_id)
    if job.state in {Job.State.DONE, Job.State.FAILED}:
        msg = f"The job {job.kind} {job.subject} has ended already: there is nothing to cancel."
        raise JobRefusedError(msg)
    return job


def retry(*, job_id: int, by: User | None = None) -> Job:
    """Do an ended job once more, as a new one. Raises ``JobRefusedError``."""
    old = Job.objects.get(pk=job_id)
    if old.state in Job.ACTIVE:
        msg = f"The job {old.kind} {old.subject} is under way already."
        raise JobRefusedError(msg)
    job, made = enqueue(kind=old.kind, subject=old.subject, arguments=old.arguments, by=by)
    if not made:
        msg = f"Another job {old.kind} {old.subject} is under way already; wait for its end."
        raise JobRefusedError(msg)
    return job
