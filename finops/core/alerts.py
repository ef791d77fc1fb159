"""Findings of the checks against the alerts that are open: what is new, what goes on, what is over. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Key = tuple[str, str]
"""Kind and subject: of each pair only one alert is open."""


class Severity(StrEnum):
    """How much it matters."""

    DANGER = "danger"
    """Figures are wrong, or may be."""
    WARNING = "warning"
    """Figures are right as far as they go; something is missing or late."""


@dataclass(frozen=True)
class Finding:
    """What a check found wrong now: of ``kind``, about ``subject``, as one sentence that says what to do.

    ``evidence`` holds the figures behind the sentence as plain values by name; amounts as exact text, no secret.
    """

    kind: str
    subject: str
    severity: Severity
    sentence: str
    evidence: Mapping[str, str | int | None] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.kind, self.subject


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
