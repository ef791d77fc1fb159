"""Start `make run` as a newcomer does, sign in with what it prints, read a page, stop it with Ctrl-C.

    python tools/smoke_run.py PORT VAR [START_SECONDS]

Ends with 1 and a sentence on the first thing that is not as promised.
"""

from __future__ import annotations

import http.cookiejar
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

START_SECONDS = 300
STOP_SECONDS = 30
USER = "alice.finance"


class SmokeError(Exception):
    """Something is not as promised."""


class MakeRun:
    """One `make run` in a session of its own, as a terminal would start it."""

    def __init__(self, port: int, var: Path, start_seconds: float) -> None:
        self.address, self._seconds, self.said = f"http://127.0.0.1:{port}", start_seconds, ""
        self._process = subprocess.Popen(
            ["make", "--no-print-directory", "run", f"PORT={port}", f"VAR={var}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self.said += line
            sys.stdout.write(f"    {line}")

    def wait_for(self, text: str) -> None:
        """Until the command has printed this."""
        deadline = time.monotonic() + self._seconds
        while text not in self.said:
            if self._process.poll() is not None:
                raise SmokeError(
                    f"`make run` ended with {self._process.returncode} before it said {text!r}"
                )
            if time.monotonic() > deadline:
                raise SmokeError(f"`make run` did not say {text!r} in {self._seconds:.0f} s")
            time.sleep(0.05)

    def descendants(self) -> list[int]:
        """Every process that it started, directly or not."""
        parents: dict[int, int] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            parents[int(stat.parent.name)] = int(fields[1])
        found: list[int] = []
        wave = {self._process.pid}
        while wave:
            wave = {pid for pid, parent in parents.items() if parent in wave}
            found += wave
        return sorted(found)

    def stop(self) -> None:
        """Ctrl-C: SIGINT to the terminal's foreground group, make among it."""
        started = self.descendants()
        began = time.monotonic()
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise SmokeError(f"`make run` still ran {STOP_SECONDS} s after Ctrl-C") from None
        if left := [pid for pid in started if Path(f"/proc/{pid}").exists()]:
            raise SmokeError(f"Ctrl-C left processes behind: {left}")
        print(f"  stopped in {time.monotonic() - began:.1f} s, nothing left behind")

    def kill(self) -> None:
        """The end, whatever happened."""
        for pid in self.descendants():
            os.kill(pid, signal.SIGKILL)
        if self._process.poll() is None:
            self._process.kill()


def sign_in(address: str, username: str, password: str) -> str:
    """The text of the page after sign-in."""
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(jar)
    page = browser.open(address, timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.read().decode())
    if token is None:
        raise SmokeError(f"{page.url} shows no sign-in form")
    form = {"csrfmiddlewaretoken": token[1], "username": username, "password": password}
    answer = browser.open(
        urllib.request.Request(
            page.url, data=urllib.parse.urlencode(form).encode(), headers={"Referer": page.url}
        ),
        timeout=30,
    )
    text: str = answer.read().decode()
    if 'type="password"' in text:
        raise SmokeError(f"{username} could not sign in with the printed password")
    return text


def smoke(port: int, var: Path, start_seconds: float = START_SECONDS) -> None:
    """Two starts: the first loads, the second finds everything again."""
    for start in ("first", "second"):
        began = time.monotonic()
        run = MakeRun(port, var, start_seconds)
        try:
            run.wait_for("Ctrl-C stops")
            print(f"  {start} start: ready after {time.monotonic() - began:.1f} s")
            with urllib.request.urlopen(f"{run.address}/readyz", timeout=30) as ready:
                if ready.status != 200:
                    raise SmokeError(f"/readyz answered {ready.status}")
            printed = re.search(rf"{re.escape(USER)}\s+(\S+)", run.said)
            if printed is None:
                raise SmokeError(f"`make run` printed no password for {USER}")
            page = sign_in(run.address, USER, printed[1])
            if "Overview" not in page:
                raise SmokeError("the page after sign-in is not the Overview")
            run.stop()
        finally:
            run.kill()


if __name__ == "__main__":
    try:
        smoke(int(sys.argv[1]), Path(sys.argv[2]), *map(float, sys.argv[3:]))
    except (SmokeError, urllib.error.URLError) as error:
        sys.exit(f"smoke: {error}")
