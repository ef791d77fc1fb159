"""When a job is tried again, taken over, and how long it will take. Pure: times are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class Standing:
    """How far work is: a stage, and ``done`` of ``total`` in the stage's own unit (0: not known)."""

    stage: str = ""
    done: int = 0
    total: int = 0

    @property
    def share(self) -> float | None:
        """Between 0 and 1, or ``None`` where the total is not known."""
        return min(self.done / self.total, 1.0) if self.total > 0 else None


def pause_before(attempt: int) -> timedelta:
    """How long to wait before the try after the failed ``attempt`` (from 1): doubled each time."""
    doublings = min(max(attempt - 1, 0), 20)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


def is_lost(heartbeat_at: datetime | None, now: datetime, lease: timedelta) -> bool:
    """Whether a running job's worker has not been heard of for longer than the lease."""
    return heartbeat_at is None or now - heartbeat_at > lease


def time_left(standing: Standing, stage_began: datetime | None, now: datetime) -> timedelta | None:
    """How long the stage will take at its pace so far; ``None`` where nothing can be said yet."""
    share = standing.share
    if stage_began is None or not share or share >= 1:
        return None
    spent = now - stage_began
    return spent * ((1 - share) / share) if spent > timedelta(0) else None


def is_due(last: datetime | None, every: timedelta, now: datetime) -> bool:
    """Whether something that is done every so often is to be done now."""
    return last is None or now - last >= every
