"""How long work tells what it is doing: to a bar on a terminal, a log, or nobody."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives how far a stage is; ``total`` 0 means that it is not known, ``rows`` counts those read."""

    def __call__(self, stage: str, done: int, total: int, rows: int = 0) -> None:
        """Take note."""


def silent(stage: str, done: int, total: int, rows: int = 0) -> None:  # noqa: ARG001  # the Progress signature
    """Tell nobody."""
    return
