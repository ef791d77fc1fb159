"""Ctrl-C and SIGTERM while a command works: it ends with a sentence, not with a traceback."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Self

INTERRUPTED = 130


class Interruption:
    """Remembers that Ctrl-C or SIGTERM came, and interrupts what runs.

    The engine turns the interruption into an error of its own, so the error's kind says nothing; ask
    ``came``. Where an outer one is at work already, this one leaves the signals to it.
    """

    def __init__(self) -> None:
        self.came = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return self
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
        raise KeyboardInterrupt
