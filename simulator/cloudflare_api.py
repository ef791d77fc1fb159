"""A stand-in of Cloudflare's API on this machine: GraphQL Analytics, deployments, billable usage.

    python -m simulator.cloudflare_api --port N [--seed N] [--clock-offset-hours N] [--billable]

The token that it accepts stands in the environment variable ``FINOPS_DEMO_CLOUDFLARE_TOKEN``. Tests put faults
in its way: each is one answer that is given in place of the real one.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from simulator import cloudflare_usage as usage
from simulator.cloudflare_billing import records
from simulator.cloudflare_schema import Limits, World

BASE = "/client/v4"
TOKEN_VARIABLE = "FINOPS_DEMO_CLOUDFLARE_TOKEN"  # noqa: S105  # the name of a variable
_DEPLOYMENTS = re.compile(r"/accounts/([0-9a-f]{32})/workers/scripts/([^/]+)/deployments")
_BILLABLE = re.compile(r"/accounts/([0-9a-f]{32})/billable/usage")
_MOST_DAYS = 31
_MOST_BYTES = 1_000_000

Answer = tuple[int, Any]


@dataclass(frozen=True)
class Fault:
    """One answer in place of the real one; ``body`` bytes are sent as they are.

    ``match`` is a part of the path or of the query that must be there for it to strike.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    match: str = ""


@dataclass
class Behaviour:
    """What the stand-in is like; tests change it while it runs."""

    token: str
    seed: int = 7
    clock: Callable[[], datetime] = lambda: datetime.now(tz=UTC)
    limits: Limits = field(default_factory=Limits)
    without: frozenset[str] = frozenset()
    billable: bool = False
    faults: list[Fault] = field(default_factory=list)
    asked: deque[tuple[str, str, dict[str, Any]]] = field(
        default_factory=lambda: deque(maxlen=2000)
    )
    lock: threading.Lock = field(default_factory=threading.Lock)

    def strike(self, path: str, text: str) -> Fault | None:
        """The first fault that fits, taken away."""
        with self.lock:
            for index, fault in enumerate(self.faults):
                if fault.match in path or fault.match in text:
                    return self.faults.pop(index)
        return None


class StandIn(ThreadingHTTPServer):
    """The server; ``behaviour`` is what it answers by."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.behaviour = behaviour

    @property
    def url(self) -> str:
        """The base of the API, for a connection."""
        return f"http://127.0.0.1:{self.server_address[1]}{BASE}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # head and body are two writes; together they would wait for each other
    )
    server: StandIn

    def do_GET(self) -> None:
        self._serve("")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else 0
        self._serve(self.rfile.read(min(size, _MOST_BYTES)).decode("utf-8", "replace"))

    def _serve(self, text: str) -> None:
        behaviour = self.server.behaviour
        path = urlsplit(self.path).path.removeprefix(BASE)
        behaviour.asked.append((self.command, path, _parsed(text)))
        fault = behaviour.strike(path, text)
        if fault:
            self._send(fault.status, fault.body, fault.headers)
        elif not hmac.compare_digest(
            self.headers.get("Authorization", ""), f"Bearer {behaviour.token}"
        ):
            self._send(401, _failure(10000, "Authentication error"), {})
        else:
            status, body = answer(
                behaviour,
                self.command,
                path,
                _parsed(text),
                dict(parse_qsl(urlsplit(self.path).query)),
            )
            self._send(status, body, {})

    def _send(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response_only(status)
        self.send_header("Date", format_datetime(self.server.behaviour.clock(), usegmt=True))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def answer(
    behaviour: Behaviour,
    method: str,
    path: str,
    body: Mapping[str, Any],
    query: Mapping[str, str],
) -> Answer:
    """Status and body of one call with a good token."""
    if method == "POST" and path == "/graphql":
        world = World(behaviour.seed, behaviour.clock(), behaviour.limits, behaviour.without)
        return 200, world.answer(str(body.get("query", "")), body.get("variables") or {})
    account = usage.account_id(behaviour.seed)
    if method == "GET" and (match := _DEPLOYMENTS.fullmatch(path)) and match[1] == account:
        return _deployments(behaviour, unquote(match[2]))
    if method == "GET" and (match := _BILLABLE.fullmatch(path)) and match[1] == account:
        if not behaviour.billable:
            return 403, _failure(10000, "This account is not enabled for billable usage")
        return _billable(behaviour, query)
    return 404, _failure(7003, "No route for the URI")


def _billable(behaviour: Behaviour, query: Mapping[str, str]) -> Answer:
    try:
        first, last = (date.fromisoformat(query[name]) for name in ("from", "to"))
    except (KeyError, ValueError):
        return 400, _failure(10001, "from and to are dates, and both are required")
    if not 0 <= (last - first).days <= _MOST_DAYS - 1:
        return 400, _failure(10001, f"The maximum date range is {_MOST_DAYS} days")
    return 200, _success(records(behaviour.seed, first, last, behaviour.clock()))


def _deployments(behaviour: Behaviour, name: str) -> Answer:
    script = next((each for each in usage.SCRIPTS if each.name == name), None)
    if script is None:
        return 404, _failure(10007, "This Worker does not exist on your account.")
    found = [
        {
            "id": one.id,
            "created_on": f"{one.created_on:%Y-%m-%dT%H:%M:%S.%fZ}",
            "source": "wrangler",
            "strategy": "percentage",
            "author_email": "deploys@meridian.example",
            "annotations": {"workers/message": one.message},
            "versions": [{"version_id": one.version_id, "percentage": 100}],
        }
        for one in usage.deployments(behaviour.seed, script, behaviour.clock())
    ]
    return 200, _success({"deployments": found})


def _success(result: Any) -> dict[str, Any]:
    return {"success": True, "errors": [], "messages": [], "result": result}


def _failure(code: int, message: str) -> dict[str, Any]:
    error = {"code": code, "message": message}
    return {"success": False, "errors": [error], "messages": [], "result": None}


@contextmanager
def running(behaviour: Behaviour, port: int = 0) -> Iterator[StandIn]:
    """The stand-in in a thread of its own, for as long as the context lasts."""
    server = StandIn(port, behaviour)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="A stand-in of Cloudflare's API on this machine.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--clock-offset-hours", type=int, default=0)
    parser.add_argument("--billable", action="store_true", help="serve the billable usage too")
    options = parser.parse_args()
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        sys.exit(f"{TOKEN_VARIABLE} is not set: put the token there that calls are to bear.")
    offset = timedelta(hours=options.clock_offset_hours)
    behaviour = Behaviour(
        token,
        seed=options.seed,
        clock=lambda: datetime.now(tz=UTC) + offset,
        billable=options.billable,
    )
    StandIn(options.port, behaviour).serve_forever()


if __name__ == "__main__":
    main()
