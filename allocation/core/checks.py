"""What an item of the close checklist says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol


class CheckState(StrEnum):
    """ok; open: a person may accept it with a reason; blocked: the month cannot be closed."""

    OK = "ok"
    OPEN = "open"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Where:
    """The page that leads on: the name of its address and its parameters."""

    page: str
    label: str
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What a check found: one sentence, a figure where there is one, and single cases."""

    state: CheckState
    sentence: str
    figure: str = ""
    details: tuple[str, ...] = ()
    where: Where | None = None


@dataclass(frozen=True)
class Asked:
    """What is to be closed, and when: checks read no clock."""

    month: date
    now: datetime
    closed_through: date | None


class Check(Protocol):
    """An item of the checklist; ``order`` is its place in the list."""

    id: str
    title: str
    order: int

    def look(self, asked: Asked) -> Found:
        """What it finds for the month."""
        ...


@dataclass(frozen=True)
class Item:
    """A check with what it found."""

    id: str
    title: str
    found: Found
