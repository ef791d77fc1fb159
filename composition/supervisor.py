"""Runs several programs as one: they start together, and one Ctrl-C ends all of them.

Each child has a session of its own, so that Ctrl-C reaches the supervisor alone. The first SIGINT or
SIGTERM asks the main process of each child to end; a second one, or a child that takes too long, kills
the child with everything it started. When a child ends by itself, so does the whole.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

GRACE_SECONDS = 20.0
POLL_SECONDS = 0.1
PR_SET_PDEATHSIG = 1  # Linux: the signal that a child gets when its parent is gone

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Child:
    """One program to keep running."""

    name: str
    args: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    is_ready: Callable[[], bool] = lambda: True


def _ends_with_its_parent(parent: int) -> Callable[[], None] | None:
    """What a child does before it becomes its program: ask Linux to end it when the parent is gone."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(
        None, use_errno=True
    ).prctl  # loaded here: nothing may be imported after fork

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it went before the call above
            os._exit(1)

    return before_exec


def _signals_to_hear() -> list[signal.Signals]:
    """Ctrl-C, a polite end, and a closed terminal unless it was started to outlive that (nohup)."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return [signal.SIGINT, signal.SIGTERM]
    return [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def _exit_code(returncode: int) -> int:
    """As a shell says it: 128 + N for a program that signal N ended."""
    return 128 - returncode if returncode < 0 else returncode


class Supervisor:
    """Starts the children and stays until they are gone."""

    def __init__(
        self, children: Sequence[Child], *, say: Say, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self._children = children
        self._say = say
        self._grace = grace_seconds
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._signals = 0

    def run(self, on_ready: Callable[[], None] = lambda: None) -> int:
        """Run until a signal or the end of a child; call ``on_ready`` once all children are ready.

        Returns 0 after a signal, otherwise the exit code of the child that ended (1 where that was 0).
        """
        before = {number: signal.signal(number, self._on_signal) for number in _signals_to_hear()}
        try:
            for child in self._children:
                self._start(child)
            code = self._watch(on_ready)
            self._end_all()
        finally:
            self._kill_all()  # nothing survives an error here either
            for number, handler in before.items():
                signal.signal(number, handler)
        return code

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def _start(self, child: Child) -> None:
        self._running[child.name] = subprocess.Popen(  # noqa: S603  # the list of children is code
            list(child.args),
            env={**os.environ, **child.env},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_ends_with_its_parent(os.getpid()),  # noqa: PLW1509  # no threads run yet
        )

    def _watch(self, on_ready: Callable[[], None]) -> int:
        announced = False
        while not self._signals:
            for name, process in self._running.items():
                if process.poll() is not None:
                    code = _exit_code(process.returncode)
                    self._say(
                        f"{name} ended by itself with exit code {code}; everything else stops too."
                    )
                    return code or 1
            if not announced and all(child.is_ready() for child in self._children):
                announced = True
                on_ready()
            time.sleep(POLL_SECONDS)
        return 0

    def _end_all(self) -> None:
        """Ask politely, wait, then insist."""
        if self._signals:
            self._say("Stopping … (Ctrl-C again stops at once)")
        for process in self._alive():
            process.terminate()
        deadline = time.monotonic() + self._grace
        while self._alive() and self._signals < 2 and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if late := [name for name, process in self._running.items() if process.poll() is None]:
            self._say(f"Killed: {', '.join(late)}.")

    def _kill_all(self) -> None:
        """Whatever is left of any child's session, also where its main process is gone already."""
        for process in self._running.values():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            process.wait()

    def _alive(self) -> list[subprocess.Popen[bytes]]:
        return [process for process in self._running.values() if process.poll() is None]
