"""Reads of the job table, with how long what runs will still take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max

from finops.core.jobs import Standing, time_left
from finops.models import Job


@dataclass(frozen=True)
class JobRow:
    """One job as people see it."""

    pk: int
    kind: str
    subject: str
    state: str
    attempts: int
    max_attempts: int
    standing: Standing
    left: timedelta | None
    rows: int
    cancel_requested: bool
    outcome: str
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    run_after: datetime

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in Job.ACTIVE

    @property
    def percent(self) -> int | None:
        """How much of the stage is done."""
        share = self.standing.share
        return None if share is None else int(share * 100)

    @property
    def progress_text(self) -> str:
        """Stage, amount and estimate in words; empty where it does not run."""
        if self.state != Job.State.RUNNING:
            return ""
        if self.cancel_requested:
            return "stopping"
        text = self.standing.stage or "beginning"
        if self.percent is not None:
            text += f" {self.percent} %"
        if self.rows:
            text += f", {self.rows:,} rows"
        if self.left is not None:
            seconds = int(self.left.total_seconds()) + 1
            text += f", {seconds} s left" if seconds < 90 else f", {round(seconds / 60)} min left"
        return text


_LOOKED_THROUGH = 30
"""How many ended jobs are looked through for each that is shown."""


def recent_jobs(now: datetime, *, limit: int = 20) -> list[JobRow]:
    """What waits or runs, then the newest that ended.

    Of scheduled looks that came to the same end, one after the other, the newest stands for all: a log that is
    looked at four times a minute would leave no room for anything else.
    """
    rows = Job.objects.select_related("requested_by")
    active = list(rows.filter(state__in=Job.ACTIVE)[:limit])
    ended: list[Job] = []
    newest: dict[tuple[str, str], tuple[str, str]] = {}
    for job in rows.exclude(state__in=Job.ACTIVE)[: limit * _LOOKED_THROUGH]:
        end = (job.state, job.result)
        is_same = newest.get((job.kind, job.subject)) == end and job.state == Job.State.DONE
        newest[job.kind, job.subject] = end
        if len(active) + len(ended) == limit:
            break
        if not is_same or job.requested_by_id is not None:
            ended.append(job)
    return [_row(job, now) for job in (*active, *ended)]


def active_subjects(kind: str) -> frozenset[str]:
    """What jobs of this kind are about now."""
    found = Job.objects.filter(kind=kind, state__in=Job.ACTIVE)
    return frozenset(found.values_list("subject", flat=True))


def last_ended(kind: str, subject: str) -> datetime | None:
    """When a job of this kind and subject ended last, however it ended (UTC)."""
    ended = Job.objects.filter(kind=kind, subject=subject).exclude(state__in=Job.ACTIVE)
    found: datetime | None = ended.aggregate(last=Max("finished_at"))["last"]
    return found


def _row(job: Job, now: datetime) -> JobRow:
    standing = Standing(job.stage, job.done, job.total)
    running = job.state == Job.State.RUNNING
    return JobRow(
        pk=job.pk,
        kind=job.kind,
        subject=job.subject,
        state=job.state,
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        standing=standing,
        left=time_left(standing, job.stage_began_at, now) if running else None,
        rows=job.rows,
        cancel_requested=job.cancel_requested,
        outcome=job.error or job.result,
        requested_by=job.requested_by.get_username() if job.requested_by else "",
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        run_after=job.run_after,
    )
