"""Which origin a host has: patterns against host names. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")

PATTERN = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?|\*")
"""A host, ``*.`` and a domain, or ``*`` alone."""


@dataclass(frozen=True)
class HostPatterns(Generic[V]):
    """Values by host pattern: a host itself, then the longest ``*.domain`` that it is below, then ``*``."""

    values: Mapping[str, V]

    def find(self, host: str) -> V | None:
        """The value for ``host``; ``None`` where no pattern matches."""
        host = host.lower().rstrip(".")
        if host in self.values:
            return self.values[host]
        for pattern in _above(host.split(".")):
            if pattern in self.values:
                return self.values[pattern]
        return self.values.get("*")


def _above(labels: Sequence[str]) -> list[str]:
    return [f"*.{'.'.join(labels[start:])}" for start in range(1, len(labels))]
