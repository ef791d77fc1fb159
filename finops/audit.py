"""Write, read and verify the audit log.

``record`` writes in the caller's transaction, so that a deed and its entry are there together or not at all.
Entries are numbered without a gap and chained by hashes (``finops.core.audit``); the row of the head is locked,
so that two writers never follow from the same entry. Secrets are taken out before anything is hashed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from finops import clock
from finops.audit_models import AuditEntry, AuditHead
from finops.core.audit import (
    GENESIS,
    Broken,
    Entry,
    Head,
    Link,
    canonical,
    entry_hash,
    first_broken,
)
from finops.logs import cleaned, redact
from finops.models import User

SYSTEM = "system"
_HEAD = 1
_LONGEST_REASON = 2_000
logger = logging.getLogger(__name__)


def record(
    *,
    actor: User | None,
    verb: str,
    target: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Add one entry; ``actor`` is ``None`` where the product did it by itself.

    A ``verb`` has a label for people in its app's ``audited.py``. ``before`` and ``after`` are plain values by name:
    amounts as text, no floats. Raises ``RuntimeError`` outside
    of a transaction, because then the deed could be there without its entry.
    """
    if not connection.in_atomic_block:
        msg = "An entry of the audit log belongs into the transaction of the deed."
        raise RuntimeError(msg)
    # The savepoint of get_or_create makes the first two writers queue as well.
    AuditHead.objects.get_or_create(pk=_HEAD, defaults={"hash": GENESIS})
    head = AuditHead.objects.select_for_update().get(pk=_HEAD)
    now = clock.now()
    entry = Entry(
        number=head.number + 1,
        at=_moment(now),
        actor=actor.get_username() if actor else SYSTEM,
        actor_id=actor.pk if actor else None,
        verb=verb,
        target=redact(target),
        before=canonical(cleaned(before or {})),
        after=canonical(cleaned(after or {})),
        reason=redact(reason.strip())[:_LONGEST_REASON],
    )
    digest = entry_hash(entry, head.hash)
    row = AuditEntry.objects.create(
        number=entry.number,
        at=now,
        actor=entry.actor,
        actor_number=entry.actor_id,
        verb=entry.verb,
        target=entry.target,
        before=entry.before,
        after=entry.after,
        reason=entry.reason,
        previous_hash=head.hash,
        hash=digest,
    )
    AuditHead.objects.filter(pk=_HEAD).update(number=entry.number, hash=digest)
    # A log that leaves this machine keeps heads that nobody here can make anew.
    transaction.on_commit(
        lambda: logger.info(
            "audited",
            extra={"number": row.number, "verb": verb, "target": row.target, "sha256": digest},
        )
    )
    return row


def verify(known: Iterable[Head] = ()) -> tuple[int, Broken | None]:
    """How many entries hold, and the first that does not; ``known`` heads were kept elsewhere."""
    stored = AuditHead.objects.filter(pk=_HEAD).first()
    head = Head(stored.number, stored.hash) if stored else Head()
    return first_broken(_links(), head=head, known=known)


def head() -> Head:
    """The newest entry's number and hash: what to write down elsewhere."""
    stored = AuditHead.objects.filter(pk=_HEAD).first()
    return Head(stored.number, stored.hash) if stored else Head()


def began() -> datetime | None:
    """When the first entry was written (UTC); ``None`` where there is none."""
    first = AuditEntry.objects.order_by("number").values_list("at", flat=True).first()
    return first.astimezone(UTC) if first else None


def entries(
    *,
    actor: str = "",
    verb: str = "",
    target: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[AuditEntry]:
    """Entries, newest first; what is given narrows them. ``target`` and ``verb`` match from their beginning."""
    rows: QuerySet[AuditEntry] = AuditEntry.objects.order_by("-number")
    if actor:
        rows = rows.filter(actor=actor)
    if verb:
        rows = rows.filter(verb__startswith=verb)
    if target:
        rows = rows.filter(target__startswith=target)
    if since is not None:
        rows = rows.filter(at__gte=since)
    return rows if until is None else rows.filter(at__lt=until)


def choices() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The actors and the verbs that occur, in order."""
    actors = AuditEntry.objects.order_by("actor").values_list("actor", flat=True).distinct()
    verbs = AuditEntry.objects.order_by("verb").values_list("verb", flat=True).distinct()
    return tuple(actors), tuple(verbs)


def _links() -> Iterator[Link]:
    for row in AuditEntry.objects.order_by("number").iterator(chunk_size=2_000):
        entry = Entry(
            number=row.number,
            at=_moment(row.at),
            actor=row.actor,
            actor_id=row.actor_number,
            verb=row.verb,
            target=row.target,
            before=row.before,
            after=row.after,
            reason=row.reason,
        )
        yield Link(entry, row.previous_hash, row.hash)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
