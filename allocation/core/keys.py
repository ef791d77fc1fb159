"""Allocation of distinct keys: which tenant, environment, product and team bear a line, and why. Pure.

Rules never see lines: the engine gives the distinct keys (a few ten thousand for millions of lines),
methods say what each key means, and the engine joins the answers back. Methods run in order; the first
that names a dimension decides it. A key that none of them names stays *unallocated*: that is an answer
too, it has a rule id, and its confidence is zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

DIMENSIONS = ("tenant", "environment", "product", "team")
NO_CONFIDENCE = Decimal("0.00")
UNALLOCATED = "unallocated v1"


@dataclass(frozen=True)
class Key:
    """What rules may look at; today the tags of a line."""

    tags: Mapping[str, str]


@dataclass(frozen=True)
class Assignment:
    """One dimension of one key: the value, the rule with its version, and how sure it is."""

    value: str
    rule: str
    confidence: Decimal


class Method(Protocol):
    """One way to allocate: a file in ``allocation/methods``."""

    id: str
    version: int
    order: int

    def assign(self, key: Key, dimension: str) -> Assignment | None:
        """What ``key`` means for ``dimension``, or ``None`` where this method cannot say."""


@runtime_checkable
class Prepared(Protocol):
    """A method that looks something up before a load's keys are asked."""

    def prepared(self) -> Method:
        """The same method, with what it needs to know now."""


UNASSIGNED = Assignment("", UNALLOCATED, NO_CONFIDENCE)


def allocate(key: Key, methods: Sequence[Method]) -> dict[str, Assignment]:
    """Every dimension of ``key``, decided by the first method that can."""
    return {dimension: _first(key, dimension, methods) for dimension in DIMENSIONS}


def _first(key: Key, dimension: str, methods: Iterable[Method]) -> Assignment:
    for method in methods:
        assignment = method.assign(key, dimension)
        if assignment is not None:
            return assignment
    return UNASSIGNED
