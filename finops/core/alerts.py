"""Findings of the checks against the alerts that are open: what is new, what goes on, what is over. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from finops.core.amounts import EXACT, ZERO, plain

_FIGURES = re.compile(r"\d[\d.,:]*")
Key = tuple[str, str]
"""Kind and subject: of each pair only one alert is open."""


class Severity(StrEnum):
    """How much it matters."""

    DANGER = "danger"
    """Figures are wrong, or may be."""
    WARNING = "warning"
    """Figures are right as far as they go; something is missing or late."""


GROWTH = Decimal("0.1")
"""By how much of its size an acknowledged alert may grow before it asks again, unless its check says otherwise."""


@dataclass(frozen=True)
class Matter:
    """What an alert states, and what somebody acknowledges: how severe, about what, and how large.

    ``about`` is what would make it another matter for people (a reason, a day), in words without figures that move
    by themselves. ``size`` is in the check's own unit (an amount with its sign, hours); 0 where nothing grows.
    """

    severity: Severity
    about: str = ""
    size: Decimal = ZERO


def asks_again(acknowledged: Matter, now: Matter, *, growth: Decimal = GROWTH) -> str:
    """Why an acknowledgement no longer holds, as a clause; empty while it does.

    It holds for what was acknowledged: not for what is more severe, about something else, of the other sign, or
    larger by more than ``growth`` of the size acknowledged. What shrinks is still covered.
    """
    if now.severity is Severity.DANGER and acknowledged.severity is not Severity.DANGER:
        return "it has become more severe"
    if now.about != acknowledged.about:
        return "it is about something else now"
    before, size = acknowledged.size, now.size
    if EXACT.multiply(before, size) < 0:
        return f"it changed its sign, from {plain(before)} to {plain(size)}"
    if abs(size) > EXACT.multiply(abs(before), EXACT.add(Decimal(1), growth)):
        return f"it grew from {plain(before)} to {plain(size)}"
    return ""


@dataclass(frozen=True)
class Finding:
    """What a check found wrong now: of ``kind``, about ``subject``, as one sentence that says what to do.

    ``evidence`` holds the figures behind the sentence as plain values by name; amounts as exact text, no secret.
    ``about``, ``size`` and ``growth`` decide when an acknowledged alert asks again (``Matter``, ``asks_again``).
    """

    kind: str
    subject: str
    severity: Severity
    sentence: str
    evidence: Mapping[str, str | int | None] = field(default_factory=dict)
    about: str = ""
    size: Decimal = ZERO
    growth: Decimal = GROWTH

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.kind, self.subject

    @property
    def matter(self) -> Matter:
        """What somebody acknowledges who acknowledges it now."""
        return Matter(self.severity, self.about, self.size)


def without_figures(text: str) -> str:
    """``text`` for ``about``: with its numbers taken out, because they move while the matter stays the same."""
    return _FIGURES.sub("#", text)


@dataclass(frozen=True)
class Changes:
    """What the alerts become: ``opened`` and ``standing`` are findings, ``over`` are keys of alerts to resolve."""

    opened: tuple[Finding, ...]
    standing: tuple[Finding, ...]
    over: tuple[Key, ...]


def settle(
    open_keys: Collection[Key], findings: Iterable[Finding], *, asked: Collection[str]
) -> Changes:
    """Compare ``findings`` with the open alerts; ``asked`` are the kinds whose check could answer.

    An alert of a kind that could not be asked stands as it is: silence of a broken check is no all-clear. Of two
    findings with one key the first counts.
    """
    by_key: dict[Key, Finding] = {}
    for finding in findings:
        by_key.setdefault(finding.key, finding)
    known = set(open_keys)
    return Changes(
        opened=tuple(found for key, found in by_key.items() if key not in known),
        standing=tuple(found for key, found in by_key.items() if key in known),
        over=tuple(sorted(key for key in known if key not in by_key and key[0] in asked)),
    )
