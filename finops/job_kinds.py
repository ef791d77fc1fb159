"""What kinds of background work there are: one file ``<app>/jobs/<kind>.py`` each, with an object ``JOB``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol

from django.apps import apps

from finops.registry import Registry, load_plugins


class Report(Protocol):
    """Told how far a job is; raises where the job is to stop."""

    def __call__(self, stage: str, done: int, total: int, rows: int = 0) -> None:
        """Take note; ``total`` 0 means that it is not known, ``rows`` is how many were read."""


class JobError(Exception):
    """The job failed for a reason outside the product; the message is one sentence.

    ``final`` says that another try would fail the same way.
    """

    def __init__(self, sentence: str, *, final: bool = False) -> None:
        super().__init__(sentence)
        self.final = final


@dataclass(frozen=True)
class Wanted:
    """Work that a kind finds due by itself."""

    subject: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class JobKind(Protocol):
    """One kind of background work. One that changes no figure may say so with ``is_routine = True``."""

    id: str
    title: str
    max_attempts: int

    def due(self, now: datetime) -> Iterable[Wanted]:
        """What its schedule wants to be done by now."""

    def run(self, subject: str, arguments: Mapping[str, Any], report: Report) -> str:
        """Do it; the result as one sentence. Safe to repeat. Raises ``JobError``."""


@cache
def job_kinds() -> Registry[JobKind]:
    """Every kind by its id, found in the ``jobs`` folder of each app."""
    registry: Registry[JobKind] = Registry("job")
    for app in apps.get_app_configs():
        if find_spec(f"{app.name}.jobs") is not None:
            found: dict[str, JobKind] = load_plugins(f"{app.name}.jobs", "JOB")
            for kind_id, kind in found.items():
                registry.register(kind_id, kind)
    return registry


def routine_kinds() -> tuple[str, ...]:
    """Kinds that change no figure and run all the time, so that nobody waits for them (``is_routine``)."""
    return tuple(
        name for name, kind in job_kinds().all().items() if getattr(kind, "is_routine", False)
    )
