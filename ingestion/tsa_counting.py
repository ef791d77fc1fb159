"""The book of tokens: rows, which of them are doubles of a digest, and the sums by hour and day.

Called within a transaction that holds ``TsaLedger``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from ingestion.core.tsa import Status
from ingestion.tsa_models import TsaDay, TsaHour, TsaToken

_BATCH = 500
_SUMS = ("tokens", "rejections", "duplicates")


Sum = tuple[int, datetime, str, str, str]
"""Source, hour, tenant, account, and which of ``_SUMS``."""


@dataclass
class Change:
    """What a batch does to rows and sums."""

    made: dict[bytes, TsaToken] = field(default_factory=dict)
    moved: dict[int, TsaToken] = field(default_factory=dict)
    sums: Counter[Sum] = field(default_factory=Counter)

    def count(self, token: TsaToken, sign: int) -> None:
        """Put a token into the sums (1) or take it out (-1), as it stands now."""
        hour = token.at.replace(minute=0, second=0, microsecond=0)
        kind = "tokens" if Status(token.status).has_token else "rejections"
        where = (token.source_id, hour, token.tenant, token.account)
        self.sums[*where, kind] += sign
        if token.is_duplicate:
            self.sums[*where, "duplicates"] += sign


def write_change(change: Change) -> None:
    """Rows and sums. Of a tenant's tokens for one digest the first in time is no duplicate, whichever came first."""
    left = _digests_left(change)
    fresh = [*change.made.values(), *change.moved.values()]
    keys = {bytes(token.digest) for token in fresh if token.digest is not None} | left
    firsts = _firsts(keys, {token.pk for token in change.moved.values()})
    groups: dict[bytes, list[TsaToken]] = defaultdict(list)
    for token in fresh:
        token.is_duplicate = False
        if token.digest is not None:
            groups[bytes(token.digest)].append(token)
    demoted: list[TsaToken] = []
    promoted: list[TsaToken] = []
    for key in keys:
        first = firsts.get(key)
        if first is None and key in left:
            first = _earliest(key, change)
        own = groups.get(key, [])
        ranked = sorted(
            [*own, *([first] if first else [])], key=lambda one: (one.at, bytes(one.identity))
        )
        for place, token in enumerate(ranked):
            is_duplicate = place > 0
            if token is first and token.is_duplicate != is_duplicate:
                change.count(token, -1)
                token.is_duplicate = is_duplicate
                change.count(token, 1)
                (demoted if is_duplicate else promoted).append(token)
            token.is_duplicate = is_duplicate
    for token in fresh:
        change.count(token, 1)
    # The unique index lets no second first in, so those that give way go first.
    moved = list(change.moved.values())
    if moved:
        TsaToken.objects.filter(pk__in=[token.pk for token in moved]).update(
            is_duplicate=True, digest=None
        )
    TsaToken.objects.bulk_update(demoted, ["is_duplicate"], batch_size=_BATCH)
    TsaToken.objects.bulk_update(promoted, ["is_duplicate"], batch_size=_BATCH)
    TsaToken.objects.bulk_update(
        moved, ["tenant", "digest", "is_duplicate"], batch_size=_BATCH // 2
    )
    TsaToken.objects.bulk_create(change.made.values(), batch_size=_BATCH)
    _add_sums(change.sums)


def _digests_left(change: Change) -> set[bytes]:
    """The digests whose first token went to another tenant: the next in time takes its place."""
    rows = TsaToken.objects.filter(
        pk__in=list(change.moved), is_duplicate=False, digest__isnull=False
    )
    return {bytes(row.digest) for row in rows if row.digest is not None}


def _firsts(keys: Collection[bytes], gone: set[int]) -> dict[bytes, TsaToken]:
    found: dict[bytes, TsaToken] = {}
    wanted = list(keys)
    for start in range(0, len(wanted), _BATCH):
        rows = TsaToken.objects.filter(
            digest__in=wanted[start : start + _BATCH], is_duplicate=False
        )
        found |= {bytes(row.digest): row for row in rows if row.pk not in gone and row.digest}
    return found


def _earliest(key: bytes, change: Change) -> TsaToken | None:
    rows = TsaToken.objects.filter(digest=key).exclude(pk__in=list(change.moved))
    return rows.order_by("at", "identity").first()


def _add_sums(sums: Counter[Sum]) -> None:
    by_hour: dict[tuple[datetime, str, str], Counter[str]] = defaultdict(Counter)
    by_day: dict[tuple[int, date, str, str], Counter[str]] = defaultdict(Counter)
    for (source, hour, tenant, account, kind), number in sums.items():
        by_hour[hour, tenant, account][kind] += number
        by_day[source, hour.date(), tenant, account][kind] += number
    tenants = {tenant for _, _, tenant, _, _ in sums}
    hours = {
        (row.hour, row.tenant, row.account): row
        for row in TsaHour.objects.filter(
            hour__in={hour for hour, _, _ in by_hour}, tenant__in=tenants
        )
    }
    _upsert(
        TsaHour,
        [
            (hours.get(key) or TsaHour(hour=key[0], tenant=key[1], account=key[2]), added)
            for key, added in by_hour.items()
        ],
    )
    days = {
        (row.source_id, row.day, row.tenant, row.account): row
        for row in TsaDay.objects.filter(
            source__in={source for source, *_ in by_day},
            day__in={day for _, day, _, _ in by_day},
            tenant__in=tenants,
        )
    }
    _upsert(
        TsaDay,
        [
            (
                days.get(key)
                or TsaDay(source_id=key[0], day=key[1], tenant=key[2], account=key[3]),
                added,
            )
            for key, added in by_day.items()
        ],
    )


def _upsert(model: Any, rows: Sequence[tuple[Any, Counter[str]]]) -> None:
    for row, added in rows:
        for name in _SUMS:
            setattr(row, name, getattr(row, name) + added[name])
    old = [row for row, _ in rows if row.pk is not None]
    new = [row for row, _ in rows if row.pk is None]
    model._default_manager.bulk_update(old, _SUMS, batch_size=_BATCH // 5)
    model._default_manager.bulk_create(new, batch_size=_BATCH)
