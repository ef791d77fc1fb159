"""`manage.py dev`: the whole product with simulated data, in one foreground command."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table

from composition import demo, demo_books
from composition.interruption import INTERRUPTED, Interruption
from composition.supervisor import Child, Supervisor
from simulator.cloudflare_api import BASE, TOKEN_VARIABLE

HOST = "127.0.0.1"
WRONG_START = 2


class Command(BaseCommand):
    """Prepare the demo, then keep its programs running until Ctrl-C."""

    help = "Start the product with simulated data on this machine; Ctrl-C stops all of it."
    requires_system_checks: list[str] = []  # `make check` runs them; here they would only cost time

    def add_arguments(self, parser: CommandParser) -> None:
        """Where it listens, where it keeps things."""
        parser.add_argument(
            "--port", default=os.environ.get("PORT") or "8000", help="default: $PORT or 8000"
        )
        parser.add_argument(
            "--var", default=str(settings.VAR_DIR), help="folder of database, lake and files"
        )
        parser.add_argument("--reset", action="store_true", help="remove the demo's data and stop")

    def handle(self, *args: Any, port: str, var: str, reset: bool, **options: Any) -> None:
        """Run the demo."""
        place = demo.Place(Path(var).resolve())
        address = None if reset else _free_address(port)
        _start_again_with(place.environment())
        try:
            with demo.held(place):
                if address is None:
                    demo.reset(place)
                    self.stdout.write(f"Removed the demo's data in {place.var}.")
                else:
                    self._run(place, address)
        except demo.DemoIsRunningError:
            _stop(f"the demo in {place.var} is running already: stop it with Ctrl-C first.")

    def _run(self, place: demo.Place, address: tuple[str, int]) -> None:
        console = Console(highlight=False)
        port = _any_free_port()
        with Interruption() as interruption:
            try:
                passwords = self._prepare(place, console)
                demo.ensure_usage_connection(place, f"http://{HOST}:{port}{BASE}")
            except BaseException:
                # The engine turns Ctrl-C into an error of its own, so its kind says nothing.
                if not interruption.came:
                    raise
        if interruption.came:
            console.print("Stopped before it was ready; nothing is lost, the next start goes on.")
            sys.exit(INTERRUPTED)
        supervisor = Supervisor(_children(address, place, port), say=console.print)
        sys.exit(supervisor.run(on_ready=lambda: console.print(_welcome(address, passwords))))

    def _prepare(self, place: demo.Place, console: Console) -> dict[str, str]:
        console.print("Preparing the database …")
        settings.STATIC_ROOT.mkdir(
            parents=True, exist_ok=True
        )  # whitenoise warns where there is none
        call_command("migrate", verbosity=0, interactive=False)
        passwords = demo.ensure_people(place)
        if not demo.files_are_complete(place):
            console.print("Simulating what vendors deliver …")
            demo.write_files(place)
        if demo.is_loaded(place):
            console.print("The demo's files are loaded already.")
        else:
            demo.load(place)
        demo_books.ensure_accounts()
        demo_books.ensure_closed_month(demo.CLOSER)
        return passwords


def _children(address: tuple[str, int], place: demo.Place, api_port: int) -> list[Child]:
    """Every program of the demo; one that later versions need joins here."""
    token = {TOKEN_VARIABLE: secrets.token_urlsafe(30)}
    host, port = address
    web = [sys.executable, "-m", "gunicorn", "finops.wsgi:application", "--bind", f"{host}:{port}"]
    web += ["--workers", "2", "--threads", "4", "--worker-class", "gthread", "--timeout", "120"]
    web += ["--graceful-timeout", "10", "--log-level", "warning", "--no-control-socket"]
    work = [sys.executable, "manage.py", "work"]
    api = [sys.executable, *demo.stand_in_args(place, api_port)]
    return [
        Child(name="cloudflare", args=api, env=token),
        Child(name="web", args=web, is_ready=lambda: _answers(address)),
        Child(name="worker", args=work, env=token),
    ]


def _any_free_port() -> int:
    """A port that nobody listens on, for a program that only this machine asks."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _answers(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def _welcome(address: tuple[str, int], passwords: dict[str, str]) -> Panel:
    people = Table.grid(padding=(0, 3))
    for person in demo.PEOPLE:
        password = passwords[person.username] or "(changed by hand)"
        people.add_row(f"[bold]{person.username}[/]", password, f"[dim]{person.does}[/]")
    content = Group(
        f"Open [bold]http://{address[0]}:{address[1]}[/] and sign in:\n",
        people,
        "\n[dim]Ctrl-C stops all of it. The next start takes seconds.[/]",
    )
    title = "Revenue, cost and margin for every tenant"
    return Panel(content, title=title, padding=(1, 2), expand=False)


def _free_address(port: str) -> tuple[str, int]:
    """The address to listen on, or the end, before any work is done."""
    if not (port.isdecimal() and 1 <= int(port) <= 65535):
        _stop(f"PORT={port} is not a port: give a number from 1 to 65535.")
    address = (HOST, int(port))
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EACCES:
                _stop(f"port {port} needs rights that this user lacks: choose one above 1023.")
            _stop(
                f"port {port} is in use on this machine: choose another, for example `make run PORT=8001`."
            )
    return address


def _start_again_with(environment: dict[str, str]) -> None:
    """The demo has settings of its own; they are read at the start, so start again where they differ."""
    if any(os.environ.get(name) != value for name, value in environment.items()):
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **environment})  # noqa: S606  # ourselves


def _stop(sentence: str) -> NoReturn:
    sys.stderr.write(f"finops: {sentence}\n")
    sys.exit(WRONG_START)
