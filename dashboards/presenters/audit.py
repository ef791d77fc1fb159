"""The audit log as a sentence and a table. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dashboards import numbers
from dashboards.tables import Cell, Column, Kind, Row, Table

if TYPE_CHECKING:
    from finops.audit_models import AuditEntry
    from finops.audit_verbs import Verb
    from finops.core.audit import Broken

_NOTHING = "nothing was noted"
_MOST_CHANGES = 6
_RAW = (
    ("verb", "Verb as noted"),
    ("before", "Before, as noted"),
    ("after", "After, as noted"),
    ("sha256", "SHA-256"),
)


def sentence(
    total: int,
    held: int | None,
    broken: Broken | None,
    span: str,
    *,
    since: datetime | None = None,
) -> str:
    """How many deeds, and whether the whole chain holds; ``held`` is ``None`` where it was not followed.

    ``since`` is the moment of the first entry.
    """
    found = f"{numbers.counted(total, 'entry', 'entries')} in {span}"
    if broken is not None:
        return f"The audit log does not hold: {broken.sentence} The {held} entries before do."
    if held is None:
        return f"{found}."
    every = (
        "the one entry of the log is as it was"
        if held == 1
        else f"all {held} entries of the log are as they were"
    )
    began = f", since {since.day} {since:%b %Y %H:%M} UTC" if since else ""
    return f"{found}; {every} written{began}."


def audit_table(
    rows: Sequence[AuditEntry], verb_of: Callable[[str], Verb], *, whole: bool = False
) -> Table:
    """One row per entry, newest first; ``verb_of`` says what verbs and fields are called.

    ``whole`` adds, for a download, what was noted as it was noted and hashed.
    """
    columns = (
        Column("at", "At (UTC)", Kind.TIME),
        Column("number", "Entry", Kind.NUMBER),
        Column("actor", "Who"),
        Column("did", "Did"),
        Column("target", "To"),
        Column("reason", "Why"),
        Column("change", "What changed"),
        *((Column(name, label) for name, label in _RAW) if whole else ()),
    )
    return Table(
        "audit",
        "Audit log, newest first",
        columns,
        [
            Row(
                (
                    Cell(row.at),
                    Cell(row.number),
                    Cell(row.actor),
                    Cell(verb.label, note=verb.id),
                    Cell(row.target),
                    Cell(row.reason) if row.reason else Cell(reason="no reason was asked for"),
                    _change(row.before, row.after, verb, whole=whole),
                    *(
                        (Cell(text) for text in (row.verb, row.before, row.after, row.hash))
                        if whole
                        else ()
                    ),
                )
            )
            for row, verb in ((row, verb_of(row.verb)) for row in rows)
        ],
        empty="No entry matches these days and filters.",
    )


def verb_choices(ids: Sequence[str], verb_of: Callable[[str], Verb]) -> list[tuple[str, str]]:
    """Verbs as choices of a filter: id and label, in the order of labels."""
    return sorted(((name, verb_of(name).label) for name in ids), key=lambda one: (one[1], one[0]))


def _change(before: str, after: str, verb: Verb, *, whole: bool) -> Cell:
    old, new = json.loads(before), json.loads(after)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if not names:
        return Cell(reason=_NOTHING)
    shown = names if whole else names[:_MOST_CHANGES]
    told = [f"{verb.field_label(name)}: {_told(name, old, new)}" for name in shown]
    if len(names) > len(shown):
        told.append(f"and {len(names) - len(shown)} more")
    return Cell("; ".join(told), note=", ".join(shown))


def _told(name: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    if name not in old:
        return _text(new[name])
    if name not in new:
        return f"{_text(old[name])} → (gone)"
    return f"{_text(old[name])} → {_text(new[name])}"


def _text(value: Any) -> str:
    if value is None or value == "":
        return "(empty)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} ({_text(part)})" for name, part in value.items())
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{text[:12]}…" if _HASH.fullmatch(text) else text


_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
"""A page shows the beginning of a hash; the download's last column holds that of the entry whole."""
