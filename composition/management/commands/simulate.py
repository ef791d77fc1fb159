"""``manage.py simulate``: write a believable company's vendor files into a folder."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from simulator import files, logpush, numbers
from simulator.files import Record
from simulator.lines import HOUR, next_month
from simulator.step import Controls, State, begin, run

DEFAULT_SEED = 7
DEFAULT_MONTHS = 3
_DURATION = re.compile(r"(\d{1,5})([hd])")
_LONGEST = timedelta(days=366)
_MOST_MONTHS = 24
_FIRST_YEAR, _LAST_YEAR = 2007, 2199


def _refuse(sentence: str) -> CommandError:
    return CommandError(sentence, returncode=2)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        sentence = f"--end {text!r} is not a moment: write it like 2026-11-22T00:00:00Z."
        raise _refuse(sentence) from None
    if moment.tzinfo is None or moment.year not in range(_FIRST_YEAR, _LAST_YEAR + 1):
        sentence = (
            f"--end {text!r} must say its time zone (Z for UTC) "
            f"and lie in the years {_FIRST_YEAR} to {_LAST_YEAR}."
        )
        raise _refuse(sentence)
    moment = moment.astimezone(UTC)
    if moment != moment.replace(minute=0, second=0, microsecond=0):
        raise _refuse(f"--end {text!r} must be a full hour: the bill knows no smaller step.")
    return moment


def _months(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= _MOST_MONTHS):
        raise _refuse(f"--months {text!r} must be a number from 1 to {_MOST_MONTHS}.")
    return int(text)


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    length = timedelta()
    if match:
        length = timedelta(hours=int(match[1]) * (24 if match[2] == "d" else 1))
    if not timedelta() < length <= _LONGEST:
        sentence = (
            f"--advance {text!r} is no duration: write hours or days, 24h or 2d, up to 366 days."
        )
        raise _refuse(sentence)
    return length


_READ: dict[str, Callable[[str], Any]] = {"end": _moment, "months": _months, "advance": _duration}


def _read(options: dict[str, Any]) -> dict[str, Any]:
    """The options with their texts read; read here and not by argparse, which prints its usage too."""
    texts = {name: options[name] for name in _READ if options[name] is not None}
    return options | {name: _READ[name](text) for name, text in texts.items()}


def _origin(end: datetime, months: int) -> datetime:
    """The start of the first month: the last one is the month of the last hour before ``end``."""
    last = end - HOUR
    ordinal = last.year * 12 + last.month - months
    return datetime(ordinal // 12, ordinal % 12 + 1, 1, tzinfo=UTC)


class Command(BaseCommand):
    """Writes AWS bills, Cloudflare logs, time stamps and revenue of the simulated company; goes on with --advance."""

    help = "Write the vendor files of a simulated SaaS company: AWS bills, Cloudflare logs, time stamps, revenue."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The options; their defaults are for the first fill."""
        parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
        parser.add_argument("--seed", type=int, help=f"which company (default {DEFAULT_SEED})")
        parser.add_argument(
            "--months", help=f"months, with the open one (default {DEFAULT_MONTHS})"
        )
        parser.add_argument(
            "--end",
            help="where the first fill ends, exclusive (default: today 00:00 UTC)",
        )
        parser.add_argument("--advance", help="go on from the last run by that much: 24h, 2d")

    def handle(self, **options: Any) -> None:
        """Fill the folder the first time, or go on."""
        options = _read(options)
        out: Path = options["out"]
        if out.exists() and not out.is_dir():
            raise _refuse(f"--out {out} is a file: name a folder.")
        try:
            record = files.read_record(out)
        except files.UnreadableStateError as problem:
            sentence = f"{out / files.STATE_NAME} {problem}: choose an empty folder."
            raise _refuse(sentence) from None
        except OSError as problem:
            raise _refuse(f"--out {out} cannot be read: {problem.strerror}.") from None
        try:
            if options["advance"]:
                self._advance(out, record, options)
            else:
                self._fill(out, record, options)
        except OSError as problem:
            raise _refuse(f"--out {out} cannot be written: {problem.strerror}.") from None

    def _advance(self, out: Path, record: Record | None, options: dict[str, Any]) -> None:
        given = [name for name in ("seed", "months", "end") if options[name] is not None]
        if given:
            raise _refuse(f"--advance goes on with what is there: leave out --{given[0]}.")
        if record is None:
            sentence = (
                f"{out} has no {files.STATE_NAME} to go on from: run without --advance first."
            )
            raise _refuse(sentence)
        if record.state.next_hour < record.end:
            raise _refuse(f"The first fill of {out} is not finished: run without --advance first.")
        self._run(out, record, record.state.next_hour + options["advance"])

    def _fill(self, out: Path, record: Record | None, options: dict[str, Any]) -> None:
        if record is None:
            if out.exists() and any(out.iterdir()):
                sentence = (
                    f"{out} is not empty and has no {files.STATE_NAME}: name an empty folder."
                )
                raise _refuse(sentence)
            end = options["end"] or _today()
            seed = DEFAULT_SEED if options["seed"] is None else options["seed"]
            state = begin(seed, _origin(end, options["months"] or DEFAULT_MONTHS))
            record = Record(end, state)
            files.write_record(out, record)
        else:
            _require_same(out, record, options)
        if record.state.next_hour >= record.end:
            self.stdout.write(f"Nothing to do: {out} is filled. Go on with --advance 24h.")
            return
        self._run(out, record, record.end)

    def _run(self, out: Path, record: Record, until: datetime) -> None:
        began = time.monotonic()
        first = state = record.state
        sizes: list[int] = []
        with self._progress(int((until - first.next_hour) / HOUR)) as tick:
            logs_from = max(first.origin, record.end - logpush.SPAN)
            for state, written in run(first, until, Controls(logs_from=logs_from, stamps=True)):
                if written:
                    sizes += [files.write_files(out, [file]) for file in written]
                    files.write_record(out, Record(record.end, state))
                tick(state)
        self.stdout.write(
            f"Simulated {first.next_hour:%Y-%m-%d %H:%M} to {state.next_hour:%Y-%m-%d %H:%M} UTC "
            f"(seed {state.seed}): {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB in {out}, "
            f"{time.monotonic() - began:.1f} s."
        )
        self._months_told(first, state)

    @contextmanager
    def _progress(self, hours: int) -> Iterator[Callable[[State], None]]:
        """A bar on a terminal; elsewhere a line for each month that is done."""
        if not self.stdout.isatty():
            yield self._month_line
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("hours"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console()) as progress:
            task = progress.add_task("Simulating", total=hours)

            def tick(state: State) -> None:
                progress.update(task, advance=1, description=f"{state.next_hour - HOUR:%Y-%m}")

            yield tick

    def _month_line(self, state: State) -> None:
        if state.next_hour == next_month(state.next_hour - HOUR):
            self.stdout.write(f"{state.next_hour - HOUR:%Y-%m}: simulated")

    def _months_told(self, first: State, state: State) -> None:
        """A line for each month that was delivered after ``first``."""
        known = {month.execution_id for month in first.months}
        for month in state.months:
            if month.execution_id not in known:
                lines = sum(number for _, number in month.lines)
                cost = numbers.to_decimal(sum(steps for _, steps in month.cost_by_owner))
                kind = "closed" if month.closed else "open"
                self.stdout.write(f"  {month.period} {kind}: {lines:,} lines, {cost:,.2f} USD")


def _require_same(out: Path, record: Record, options: dict[str, Any]) -> None:
    """An option that is given must be what the folder was filled with; one left out matches."""
    state, end = record.state, options["end"] or record.end
    if options["seed"] not in (None, state.seed):
        raise _refuse(f"{out} was filled with --seed {state.seed}: name another folder.")
    if end != record.end:
        raise _refuse(
            f"{out} was filled with --end {record.end:%Y-%m-%dT%H:%M:%SZ}: name another folder."
        )
    if options["months"] and _origin(end, options["months"]) != state.origin:
        raise _refuse(
            f"{out} begins in {state.origin:%Y-%m}, not so with --months {options['months']}."
        )


def _today() -> datetime:
    from finops import clock  # noqa: PLC0415  # needs settings, which --help must not

    return clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
