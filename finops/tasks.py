"""What Celery calls: work the job table off, and look once a minute at what is due."""

from __future__ import annotations

import os
import platform
from typing import Any

from celery.signals import worker_shutting_down

from finops import job_table
from finops.celery import app
from finops.models import Job
from finops.runner import Runner, worker_name

_FAMILY = f"{platform.node()}:{os.getpid()}"
"""This worker and what it forks: the parent reads this module, and its children inherit the name."""


@app.task(name="finops.work_off")  # type: ignore[untyped-decorator]  # Celery carries no types
def work_off() -> int:
    """Do jobs until none may run. A lost or doubled call loses or doubles nothing."""
    return Runner(worker=worker_name(_FAMILY)).work_off()


@app.task(name="finops.tick")  # type: ignore[untyped-decorator]  # Celery carries no types
def tick() -> None:
    """Free what lost workers held, enqueue what is due, ring where something may run."""
    job_table.sweep()
    job_table.enqueue_due()
    if Job.objects.filter(state=Job.State.QUEUED).exists():
        work_off.delay()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]  # Celery carries no types
def _hand_back(**_signal: Any) -> None:
    """A worker that is to end asks its jobs to stop at their next step and gives them back."""
    job_table.request_hand_back(worker_prefix=f"{_FAMILY}:")
