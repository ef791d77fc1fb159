"""Does jobs, one after the other: claims, beats, reports, and leaves the row as it ends.

A thread beats while the job runs, so that a long step without progress is not taken for a lost worker.
A job stops at its next report where its row says so (cancelled, handed back) or where this process is to
end; it leaves the ledger as it was, because nothing is visible before the one commit at its end.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections

from finops import clock, job_table
from finops.job_kinds import JobError, Report, job_kinds
from finops.logs import redact
from finops.models import Job
from finops.registry import UnknownPlugin

logger = logging.getLogger(__name__)

_REPORT_SECONDS = 0.5


def worker_name(prefix: str = "") -> str:
    """This process, so that a person finds it: host and process id."""
    return f"{prefix or platform.node()}:{os.getpid()}"


class Runner:
    """Works off the job table in this process."""

    def __init__(self, *, worker: str = "", is_ending: Callable[[], bool] = lambda: False) -> None:
        self._worker = worker or worker_name()
        self._is_ending = is_ending
        self._handed_back = False

    def work_off(self) -> int:
        """Do jobs until none may run; how many were done."""
        done = 0
        while not (self._is_ending() or self._handed_back) and self.work_one():
            done += 1
        return done

    def work_one(self) -> bool:
        """Do one job; whether there was one."""
        job = job_table.claim(worker=self._worker)
        if job is None:
            return False
        about = {"job": job.pk, "kind": job.kind, "subject": job.subject, "attempt": job.attempts}
        logger.info("job begun", extra=about)
        try:
            with _beating(job):
                result = (
                    job_kinds().get(job.kind).run(job.subject, job.arguments, self._report(job))
                )
            job_table.finish(job, result)
            logger.info("job done", extra=about)
        except job_table.LostClaim:
            logger.warning("job is another worker's by now", extra=about)
        except job_table.StopRequested:
            job_table.stopped(job)
            # Who hands a job back is to end: it may not take the same job, or another one, up again.
            self._handed_back = not Job.objects.filter(pk=job.pk, cancel_requested=True).exists()
            logger.info("job stopped", extra=about)
        except (JobError, UnknownPlugin) as error:
            final = getattr(error, "final", True)
            job_table.fail(job, redact(str(error)), final=final)
            logger.warning("job failed", extra={**about, "reason": str(error)})
        except Exception as error:
            logger.exception("job failed", extra=about)
            kind = type(error).__name__
            job_table.fail(
                job, f"It ended with an error of the product ({kind}); the log has the rest."
            )
        except BaseException:  # this process is to end
            job_table.stopped(job)
            raise
        return True

    def _report(self, job: Job) -> Report:
        last: dict[str, float | str] = {"at": 0.0, "stage": ""}

        def report(stage: str, done: int, total: int, rows: int = 0) -> None:
            if self._is_ending():
                raise job_table.StopRequested
            is_new = stage != last["stage"]
            moment = time.monotonic()
            if not is_new and moment - float(last["at"]) < _REPORT_SECONDS:
                return
            last.update(at=moment, stage=stage)
            change: dict[str, Any] = {"stage": stage[:40], "done": done, "total": total}
            if rows:
                change["rows"] = rows
            if is_new:
                change["stage_began_at"] = clock.now()
            job_table.heartbeat(job, **change)

        return report


@contextmanager
def _beating(job: Job) -> Iterator[None]:
    """Beat in a thread of its own; a lost claim or a stop is seen at the job's next report."""
    ended = threading.Event()
    every = max(settings.JOB_LEASE_SECONDS / 6, 0.05)

    def beat() -> None:
        try:
            while not ended.wait(every):
                try:
                    job_table.heartbeat(job)
                except (job_table.LostClaim, job_table.StopRequested):
                    continue
                except DatabaseError as error:
                    logger.warning("heartbeat could not be written", extra={"reason": str(error)})
        finally:
            connections.close_all()

    thread = threading.Thread(target=beat, name=f"heartbeat-{job.pk}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10)
