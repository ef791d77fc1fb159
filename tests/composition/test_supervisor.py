"""The supervisor with real processes, started and signalled as a person would."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_WAIT = 60

# A child that writes its pid and its grandchild's pid, then ends as its arguments say.
CHILD = """
import os, pathlib, signal, subprocess, sys, time
name, on_term, end_after = sys.argv[1:4]
here = pathlib.Path(sys.argv[4])
if on_term == "polite":
    signal.signal(signal.SIGTERM, lambda *_: ((here / f"{name}.goodbye").touch(), sys.exit(0)))
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
below = subprocess.Popen([sys.executable, "-c", deaf])
(here / f"{name}.pids.new").write_text(f"{os.getpid()} {below.pid}")
(here / f"{name}.pids.new").rename(here / f"{name}.pids")
if end_after != "never":
    time.sleep(float(end_after))
    sys.exit(7 if name == "failing" else 0)
while True:
    time.sleep(60)
"""

SUPERVISED = """
import pathlib, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, which may have started the tests, ignores it
from composition.supervisor import Child, Supervisor
here = pathlib.Path({here!r})
children = [
    Child(
        name=name,
        args=[sys.executable, str(here / "child.py"), name, on_term, end_after, str(here)],
        is_ready=(here / f"{{name}}.pids").exists,
    )
    for name, on_term, end_after in {children!r}
]
sys.exit(
    Supervisor(children, say=print, grace_seconds={grace!r}).run(on_ready=(here / "ready").touch)
)
"""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while not condition():
        assert time.monotonic() < deadline, f"waited {SECONDS_TO_WAIT} s for {what}"
        time.sleep(0.02)


class Run:
    """A supervisor in a process of its own, with small children."""

    def __init__(self, here: Path, *children: tuple[str, str, str], grace: float = 15.0) -> None:
        self.here, self.children = here, children
        (here / "child.py").write_text(textwrap.dedent(CHILD))
        script = SUPERVISED.format(here=str(here), children=list(children), grace=grace)
        self.process = subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )

    def pids(self) -> list[int]:
        names = [self.here / f"{name}.pids" for name, *_ in self.children]
        _until(lambda: all(path.exists() for path in names), "the children")
        return [int(pid) for path in names for pid in path.read_text().split()]

    def ends(self) -> tuple[int, str]:
        said, _ = self.process.communicate(timeout=SECONDS_TO_WAIT)
        return self.process.returncode, said


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start_run(*children: tuple[str, str, str], grace: float = 15.0) -> Run:
        runs.append(Run(tmp_path, *children, grace=grace))
        return runs[-1]

    yield start_run
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            for pid in run.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_ends_every_child_politely_and_all_that_they_started(
    start: Callable[..., Run], tmp_path: Path, number: signal.Signals
) -> None:
    run = start(("web", "polite", "never"), ("jobs", "polite", "never"))
    pids = run.pids()
    run.process.send_signal(number)
    code, said = run.ends()
    assert (code, "Killed" in said) == (0, False)
    assert (tmp_path / "web.goodbye").exists()
    assert (tmp_path / "jobs.goodbye").exists()
    _until(lambda: not any(map(_is_alive, pids)), "the end of children and grandchildren")


def test_a_second_signal_kills_at_once(start: Callable[..., Run]) -> None:
    run = start(("stubborn", "deaf", "never"))
    pids = run.pids()
    began = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    assert run.process.stdout is not None
    assert "Stopping" in run.process.stdout.readline()
    run.process.send_signal(signal.SIGINT)
    code, said = run.ends()
    assert (code, "Killed: stubborn." in said) == (0, True)
    assert time.monotonic() - began < 10
    _until(lambda: not any(map(_is_alive, pids)), "the end of children and grandchildren")


def test_a_child_that_never_ends_is_killed_after_the_grace_time(start: Callable[..., Run]) -> None:
    run = start(("stubborn", "deaf", "never"), ("web", "polite", "never"), grace=1.0)
    pids = run.pids()
    run.process.send_signal(signal.SIGTERM)
    code, said = run.ends()
    assert (code, "Killed: stubborn." in said) == (0, True)
    _until(lambda: not any(map(_is_alive, pids)), "the end of children and grandchildren")


@pytest.mark.parametrize(("name", "expected"), [("failing", 7), ("quitter", 1)])
def test_the_end_of_one_child_ends_the_others(
    start: Callable[..., Run], tmp_path: Path, name: str, expected: int
) -> None:
    run = start(("web", "polite", "never"), (name, "polite", "1.0"))
    pids = run.pids()
    code, said = run.ends()
    assert code == expected
    assert f"{name} ended by itself with exit code {0 if expected == 1 else 7}" in said
    assert (tmp_path / "web.goodbye").exists()
    _until(lambda: not any(map(_is_alive, pids)), "the end of children and grandchildren")


def test_ready_is_said_once_all_children_are_ready(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    run = start(("web", "polite", "never"), ("jobs", "polite", "never"))
    _until((tmp_path / "ready").exists, "on_ready")
    assert (tmp_path / "web.pids").exists()
    assert (tmp_path / "jobs.pids").exists()
    run.process.send_signal(signal.SIGINT)
    assert run.ends()[0] == 0


def test_a_program_that_does_not_exist_leaves_nothing_running(tmp_path: Path) -> None:
    from composition.supervisor import Child, Supervisor

    first = Child(
        name="sleeper",
        args=[
            sys.executable,
            "-c",
            f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)",
        ],
    )
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.raises(FileNotFoundError):
        Supervisor([first, Child(name="no", args=["/no/such/program"])], say=print).run()
    assert handlers == {number: signal.getsignal(number) for number in handlers}
    # The child may be ended before it has written its number, or half-way.
    pid = (tmp_path / "pid").read_text() if (tmp_path / "pid").exists() else ""
    if pid:
        _until(lambda: not _is_alive(int(pid)), "the end of the first child")


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells a child that its parent is gone"
)
def test_a_killed_supervisor_takes_its_children_along(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    run = start(("web", "polite", "never"))
    child, grandchild = run.pids()
    run.process.kill()
    run.process.wait(SECONDS_TO_WAIT)
    _until(lambda: not _is_alive(child), "the end of the child")
    assert (tmp_path / "web.goodbye").exists()
    os.kill(grandchild, signal.SIGKILL)  # it ignores SIGTERM and nobody was left to insist
