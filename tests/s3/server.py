"""A real S3-speaking server as a process of its own, and a proxy that breaks what it says."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

BUCKET = "acme-billing"


@dataclass
class Store:
    """The server's address and a client of its own, beside the product's."""

    url: str
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
        )

    def fill(self, folder: Path, prefix: str = "") -> None:
        """Every file below ``folder`` as an object."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(prefix + path.relative_to(folder).as_posix(), path.read_bytes())

    def put(self, key: str, body: bytes) -> None:
        """One object."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def listed(self) -> set[str]:
        """What is in the bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {found["Key"] for page in pages for found in page.get("Contents", ())}

    def empty(self) -> None:
        """A bucket without objects."""
        for key in self.listed():
            self.client.delete_object(Bucket=BUCKET, Key=key)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_store() -> Iterator[Store]:
    """moto's server process with one bucket."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            assert process.poll() is None, "moto's server ended"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        store = Store(f"http://127.0.0.1:{port}")
        store.client.create_bucket(Bucket=BUCKET)
        yield store
    finally:
        process.terminate()
        process.wait(20)


@dataclass
class Answer:
    """What the store answers; a fault may change it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    cut_at: int | None = None


@dataclass
class Proxy:
    """Stands before the store: ``fault(method, path, headers, count)`` may spoil an answer."""

    url: str
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    fault: Callable[[str, str, int, Answer], Answer | None] = lambda *_: None


@contextmanager
def proxied(store: Store) -> Iterator[Proxy]:
    """A proxy on a port of its own."""
    proxy = Proxy("")
    target = store.url.removeprefix("http://")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        log_message = staticmethod(lambda *_args: None)  # type: ignore[assignment]  # say nothing

        def forward(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            # The signature is over the store's own name only in AWS; moto checks none.
            headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
            upstream = http.client.HTTPConnection(target, timeout=30)
            upstream.request(self.command, self.path, body, {**headers, "Host": target})
            got = upstream.getresponse()
            answer = Answer(got.status, got.getheaders(), got.read())
            upstream.close()
            proxy.asked.append((self.command, self.path, dict(self.headers)))
            count = sum(one[:2] == (self.command, self.path) for one in proxy.asked)
            answer = proxy.fault(self.command, self.path, count, answer) or answer
            self.send_response(answer.status)
            length_of_body = len(answer.body)
            for name, value in answer.headers:
                if name.lower() in {"transfer-encoding", "connection", "date", "server"}:
                    continue
                if name.lower() == "content-length":
                    if self.command == "HEAD":
                        self.send_header(name, value)
                    continue
                self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(length_of_body))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: answer.cut_at])
                if answer.cut_at is not None:
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_HEAD = do_PUT = do_POST = forward  # noqa: N815  # the names of http.server

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
