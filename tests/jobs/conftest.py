"""Jobs that tests can see through: a kind of their own, registered beside the product's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest

from finops.job_kinds import Report, Wanted, job_kinds


class Probe:
    """Does what the test says."""

    id = "probe"
    title = "Probe"
    max_attempts = 3

    def __init__(self) -> None:
        self.does: Callable[[str, Report], str] = lambda subject, _report: f"{subject} done"
        self.wants: list[Wanted] = []
        self.ran: list[str] = []

    def due(self, now: datetime) -> Iterable[Wanted]:
        """What the test wants."""
        assert now
        return self.wants

    def run(self, subject: str, arguments: Mapping[str, Any], report: Report) -> str:
        """Remember, and do it."""
        assert arguments is not None
        self.ran.append(subject)
        return self.does(subject, report)


@pytest.fixture
def probe() -> Iterator[Probe]:
    """A kind of job that is there for one test."""
    kind = Probe()
    registry = job_kinds()
    registry.register(kind.id, kind)
    yield kind
    job_kinds.cache_clear()
