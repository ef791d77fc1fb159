"""The thin shell: simulated files and the simulation's record, on disk.

``state.json`` stands beside the vendors' folders. It is written after the files of its hour, so a run
that was killed writes the same files again when it goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.cur import SimulatedFile
from simulator.lines import Change
from simulator.step import State
from simulator.truth import MonthTruth

STATE_NAME = "state.json"
_VERSION = 1


class UnreadableStateError(ValueError):
    """``state.json`` is not what this program writes; the message is a clause without its name."""


@dataclass(frozen=True)
class Record:
    """What ``state.json`` holds: where the first fill ends (exclusive, UTC) and the state."""

    end: datetime
    state: State


def write_files(folder: Path, files: Iterable[SimulatedFile]) -> int:
    """Write ``files`` below ``folder`` in their order, each at once or not at all; returns bytes."""
    total = 0
    for file in files:
        write_atomically(folder / file.path, file.content)
        total += len(file.content)
    return total


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by a file with ``content``: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with unfinished.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_record(folder: Path, record: Record) -> None:
    """Write ``state.json``."""
    document = {"version": _VERSION, **asdict(record)}
    text = json.dumps(document, indent=1, default=datetime.isoformat)
    write_atomically(folder / STATE_NAME, text.encode())


def read_record(folder: Path) -> Record | None:
    """The record in ``folder``, or ``None`` where there is none. Raises ``UnreadableStateError``."""
    try:
        document = json.loads((folder / STATE_NAME).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        msg = "is not JSON"
        raise UnreadableStateError(msg) from None
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        msg = f"is not of version {_VERSION}"
        raise UnreadableStateError(msg)
    try:
        return Record(_moment(document["end"]), _state(document["state"]))
    except (KeyError, TypeError, ValueError):
        msg = "lacks something or was changed by hand"
        raise UnreadableStateError(msg) from None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _pairs(found: list[Any]) -> tuple[tuple[str, int], ...]:
    return tuple((str(name), int(number)) for name, number in found)


def _state(found: dict[str, Any]) -> State:
    state = State(int(found["seed"]), _moment(found["origin"]), _moment(found["next_hour"]))
    return replace(
        state,
        executions=int(found["executions"]),
        ended=tuple(_moment(text) for text in found["ended"]),
        changes=tuple(Change(_moment(c["hour"]), _pairs(c["egress"])) for c in found["changes"]),
        months=tuple(_month(month) for month in found["months"]),
    )


def _month(found: dict[str, Any]) -> MonthTruth:
    return MonthTruth(
        str(found["period"]),
        str(found["execution_id"]),
        bool(found["closed"]),
        _pairs(found["lines"]),
        _pairs(found["cost_by_owner"]),
        _pairs(found["tagged_by_owner"]),
        _pairs(found["usage_by_tagging"]),
    )
