"""`manage.py work`: does what the job table holds, without a broker."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from composition.guard import one_sentence
from finops import job_table
from finops.runner import Runner

POLL_SECONDS = 1.0
TICK_SECONDS = 15.0


class Command(BaseCommand):
    """Work until SIGTERM or Ctrl-C, which hands the job at work back."""

    help = "Do background jobs until stopped; --until-idle ends when there is nothing left to do."

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument(
            "--until-idle", action="store_true", help="end when no job may run any more"
        )

    def handle(self, *args: Any, until_idle: bool, **options: Any) -> None:
        """Sweep and schedule every quarter of a minute, look for jobs every second."""
        ending = threading.Event()

        def end(_number: int, _frame: FrameType | None) -> None:
            ending.set()

        before = {n: signal.signal(n, end) for n in (signal.SIGINT, signal.SIGTERM)}
        runner = Runner(is_ending=ending.is_set)
        try:
            with one_sentence():
                waited = TICK_SECONDS
                while not ending.is_set():
                    if waited >= TICK_SECONDS:
                        job_table.sweep()
                        job_table.enqueue_due()
                        waited = 0.0
                    did = runner.work_off()
                    if until_idle and not did:
                        break
                    if not did:
                        ending.wait(POLL_SECONDS)
                        waited += POLL_SECONDS
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
