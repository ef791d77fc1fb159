"""The audit log as a sentence and a table. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dashboards import numbers
from dashboards.tables import Cell, Column, Kind, Row, Table

if TYPE_CHECKING:
    from finops.audit_models import AuditEntry
    from finops.core.audit import Broken

_NOTHING = "nothing was noted"
_MOST_CHANGES = 6


def sentence(total: int, held: int | None, broken: Broken | None, span: str) -> str:
    """How many deeds, and whether the whole chain holds; ``held`` is ``None`` where it was not followed."""
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
    return f"{found}; {every} written."


def audit_table(rows: Sequence[AuditEntry], *, whole: bool = False) -> Table:
    """One row per entry, newest first; ``whole`` adds the hashes and all of what was noted, for a download."""
    columns = (
        Column("at", "At (UTC)", Kind.TIME),
        Column("number", "Entry", Kind.NUMBER),
        Column("actor", "Who"),
        Column("verb", "Did"),
        Column("target", "To"),
        Column("reason", "Why"),
        Column("change", "What changed"),
        *((Column("sha256", "SHA-256"),) if whole else ()),
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
                    Cell(row.verb),
                    Cell(row.target),
                    Cell(row.reason) if row.reason else Cell(reason="no reason was asked for"),
                    _change(row.before, row.after, whole=whole),
                    *((Cell(row.hash),) if whole else ()),
                )
            )
            for row in rows
        ],
        empty="No entry matches these days and filters.",
    )


def _change(before: str, after: str, *, whole: bool) -> Cell:
    old, new = json.loads(before), json.loads(after)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if not names:
        return Cell(reason=_NOTHING)
    told = [_told(name, old, new) for name in names[:_MOST_CHANGES]]
    if whole:
        told = [_told(name, old, new) for name in names]
    elif len(names) > _MOST_CHANGES:
        told.append(f"and {len(names) - _MOST_CHANGES} more")
    return Cell("; ".join(told))


def _told(name: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    if name not in old:
        return f"{name}: {_text(new[name])}"
    if name not in new:
        return f"{name}: {_text(old[name])} → (gone)"
    return f"{name}: {_text(old[name])} → {_text(new[name])}"


def _text(value: Any) -> str:
    if value is None or value == "":
        return "(empty)"
    if isinstance(value, dict):
        return ", ".join(f"{name} ({_text(part)})" for name, part in value.items())
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{text[:12]}…" if _HASH.fullmatch(text) else text


_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
"""A page shows the beginning of a hash; the download's last column holds that of the entry whole."""
