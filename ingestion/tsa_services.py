"""Count time-stamp responses: each once, by its SHA-256, whatever order and whatever way they come in.

A batch is one transaction that holds ``TsaLedger``: identities, sums by hour and day, what was put aside and
which objects were read become visible together or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.text import slugify

from finops.logs import mask_row, redact
from finops.models import Tenant
from finops.services import tenants_by_slug
from ingestion.core.tsa import Aside, AssetsRecord, TokenRecord, digest_key
from ingestion.core.usage_records import RefusedRecord
from ingestion.models import Delivery, RejectedRow, Source
from ingestion.tsa_counting import Change, write_change
from ingestion.tsa_models import (
    KIND,
    KINDS,
    TenantAssets,
    TsaLedger,
    TsaObject,
    TsaPolicy,
    TsaToken,
)

_BATCH = 500
_SHOWN = ("sha256", "at", "status", "tenant", "account", "day", "assets")

_TOO_OLD = (
    "The token is of {at:%Y-%m-%d}, and identities are kept from {kept:%Y-%m-%d} only: it cannot be told from "
    "one that was counted, so it is put aside."
)
_OTHER_VALUES = (
    "This response was counted before with another status or time, which stay: sha256 must be of one "
    "response."
)
_OTHERS = "This response was counted for the tenant {known!r}, which stays: one response belongs to one tenant."


@dataclass(frozen=True)
class Counted:
    """What became of a batch. ``refused`` holds the records that were told apart only here, with why."""

    new: int = 0
    duplicates: int = 0
    refused: tuple[tuple[TokenRecord, str], ...] = ()


def tsa_source(*, sender: str, now: datetime) -> Source:
    """The source of all tokens that are sent under ``sender``, made on first sight."""
    known = Source.objects.filter(kind=KIND, identity=sender).first()
    if known:
        return known
    wanted = slug = f"tsa-{slugify(sender) or 'api'}"[:70]
    number = 2
    while Source.objects.filter(slug=slug).exists():
        slug, number = f"{wanted}-{number}", number + 1
    source, _ = Source.objects.get_or_create(
        kind=KIND,
        identity=sender,
        defaults={
            "slug": slug,
            "name": f"Time stamps of {sender}",
            "created_at": now,
        },
    )
    return source


def count_tokens(
    *,
    source: Source,
    records: Sequence[TokenRecord],
    asides: Sequence[Aside] = (),
    objects: Sequence[bytes] = (),
    size: int = 0,
    discovers: bool = True,
    now: datetime,
) -> Counted:
    """Count ``records`` that are new, put ``asides`` aside and mark ``objects`` as read, in one transaction.

    A response that is there is not counted again; a later record may add the tenant, account or digest that
    it lacks. One that was counted for another tenant is refused. A tenant that is new appears where
    ``discovers`` says so; otherwise its token is nobody's.
    """
    with transaction.atomic():
        ledger = _held()
        records = _with_tenants(records, discovers=discovers)
        change = Change()
        refused: list[tuple[TokenRecord, str]] = []
        known = _known(records)
        policies = _policies(records)
        told: dict[int, TsaToken] = {}
        duplicates = 0
        for record in records:
            token = change.made.get(record.identity) or known.get(record.identity)
            if token is None:
                if ledger.kept_from and record.at < ledger.kept_from:
                    refused.append((record, _TOO_OLD.format(at=record.at, kept=ledger.kept_from)))
                    continue
                change.made[record.identity] = _row(source, record, policies)
            elif reason := _contradiction(token, record):
                refused.append((record, reason))
            else:
                duplicates += 1
                if _tell(token, record, policies) and token.pk is not None:
                    told[token.pk] = token
                _complete(token, record, change)
        write_change(change)
        TsaToken.objects.bulk_update(
            told.values(), ["serial", "policy", "failure"], batch_size=_BATCH // 2
        )
        every = [*asides, *(Aside(r.place or r.identity.hex(), why) for r, why in refused)]
        book(source, every, accepted=len(change.made), size=size, now=now)
        TsaObject.objects.bulk_create(
            [TsaObject(source=source, name=name, taken_at=now) for name in objects],
            batch_size=_BATCH,
            ignore_conflicts=True,
        )
    return Counted(len(change.made), duplicates, tuple(refused))


def take_assets(
    *, source: Source, records: Sequence[AssetsRecord], asides: Sequence[Aside], now: datetime
) -> tuple[int, int]:
    """Write numbers of assets; how many said something new, and how many what was known.

    Of two for one tenant and day the later one counts.
    """
    with transaction.atomic():
        _held()
        tenants = tenants_by_slug(slugs={record.tenant for record in records}, discovered=True)
        wanted = {(tenants[record.tenant].pk, record.day): record.assets for record in records}
        rows = TenantAssets.objects.filter(
            tenant__in=tenants.values(), day__in={record.day for record in records}
        )
        known = {(row.tenant_id, row.day): row.assets for row in rows}
        new = {key: assets for key, assets in wanted.items() if known.get(key) != assets}
        TenantAssets.objects.bulk_create(
            [
                TenantAssets(tenant_id=tenant, day=day, assets=assets, changed_at=now)
                for (tenant, day), assets in new.items()
            ],
            batch_size=_BATCH,
            update_conflicts=True,
            unique_fields=["tenant", "day"],
            update_fields=["assets", "changed_at"],
        )
        book(source, asides, accepted=0, size=0, now=now)
    return len(new), len(records) - len(new)


def refused_asides(refused: Iterable[RefusedRecord]) -> list[Aside]:
    """Records that could not be read, as they are put aside: a value may be a secret in the wrong field."""
    return [
        Aside(one.mark, one.reason, one.index + 1, mask_row(one.columns, _SHOWN)) for one in refused
    ]


def forget_old(*, now: datetime) -> int:
    """Let identities go that are older than ``TSA_IDENTITY_DAYS``; how many. Sums stay.

    What is older is put aside from now on, also where the setting grows later: it could not be told apart.
    """
    before = (now - timedelta(days=settings.TSA_IDENTITY_DAYS)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    with transaction.atomic():
        ledger = _held()
        if ledger.kept_from is None or ledger.kept_from < before:
            ledger.kept_from = before
            ledger.save(update_fields=["kept_from"])
        gone = 0
        for source in Source.objects.filter(kind__in=KINDS):
            old = TsaToken.objects.filter(source=source, at__lt=ledger.kept_from)
            gone += old.delete()[0]
        TsaObject.objects.filter(taken_at__lt=before).delete()
    return gone


def book(
    source: Source, asides: Sequence[Aside], *, accepted: int, size: int, now: datetime
) -> None:
    """Count what came in the source's delivery of the day; the same thing is put aside once."""
    delivery, _ = Delivery.objects.get_or_create(
        source=source,
        key=f"tsa/{now:%Y-%m-%d}",
        execution_id="",
        sha256="",
        billing_period=None,
        defaults={
            "discovered_at": now,
            "delivered_at": now,
            "state": Delivery.State.LOADED,
        },
    )
    shown = [shown_aside(one) for one in asides]
    known = set(
        RejectedRow.objects.filter(
            delivery__source=source, file__in={one.place for one in shown}
        ).values_list("file", "line", "reason")
    )
    rejects = []
    for one in shown:
        if (one.place, one.line, one.reason) in known:
            continue
        known.add((one.place, one.line, one.reason))
        rejects.append(
            RejectedRow(
                delivery=delivery,
                file=one.place,
                line=one.line,
                reason=one.reason,
                text=redact(one.text)[:500],
            )
        )
    RejectedRow.objects.bulk_create(rejects, batch_size=_BATCH)
    Delivery.objects.filter(pk=delivery.pk).update(
        rows=F("rows") + accepted + len(rejects),
        rejected_rows=F("rejected_rows") + len(rejects),
        bytes=F("bytes") + size,
        started_at=now,
        finished_at=now,
    )


def shown_aside(aside: Aside) -> Aside:
    """What was put aside as it is kept: place and reason redacted and cut."""
    return replace(aside, place=redact(aside.place)[:1000], reason=redact(aside.reason)[:300])


def _held() -> TsaLedger:
    ledger, _ = TsaLedger.objects.get_or_create(pk=1)
    return TsaLedger.objects.select_for_update().get(pk=ledger.pk)


def _with_tenants(records: Sequence[TokenRecord], *, discovers: bool) -> Sequence[TokenRecord]:
    """Records whose tenants exist: new ones are made, or the record is nobody's."""
    named = {record.tenant for record in records if record.tenant}
    if discovers:
        tenants_by_slug(slugs=named, discovered=True)
        return records
    there: Collection[str] = set(
        Tenant.objects.filter(slug__in=named).values_list("slug", flat=True)
    )
    return [
        record if record.tenant in there or not record.tenant else replace(record, tenant="")
        for record in records
    ]


def _known(records: Sequence[TokenRecord]) -> dict[bytes, TsaToken]:
    found: dict[bytes, TsaToken] = {}
    identities = list({record.identity for record in records})
    for start in range(0, len(identities), _BATCH):
        rows = TsaToken.objects.filter(identity__in=identities[start : start + _BATCH])
        found |= {bytes(row.identity): row for row in rows}
    return found


def _policies(records: Sequence[TokenRecord]) -> dict[str, int]:
    """The policies' rows; there are a handful."""
    named = sorted({record.policy for record in records if record.policy})
    return {oid: TsaPolicy.objects.get_or_create(oid=oid)[0].pk for oid in named}


def _tell(token: TsaToken, record: TokenRecord, policies: Mapping[str, int]) -> bool:
    """Add what only a response itself tells; whether that was new."""
    is_new = (bool(record.serial) and token.serial is None) or (
        record.failure is not None and token.failure is None
    )
    if is_new:
        token.serial = record.serial or None
        token.policy_id = policies.get(record.policy)
        token.failure = record.failure
    return is_new


def _row(source: Source, record: TokenRecord, policies: Mapping[str, int]) -> TsaToken:
    key = digest_key(record.tenant, record.hash_algorithm, record.digest)
    return TsaToken(
        serial=record.serial or None,
        policy_id=policies.get(record.policy),
        failure=record.failure,
        identity=record.identity,
        source=source,
        at=record.at,
        status=record.status,
        tenant=record.tenant,
        account=record.account,
        digest=key if record.status.has_token else None,
    )


def _contradiction(token: TsaToken, record: TokenRecord) -> str:
    """Why ``record`` cannot be the response that was counted; empty where it can."""
    if record.tenant and token.tenant and record.tenant != token.tenant:
        return _OTHERS.format(known=token.tenant)
    # A rejection bears no time: when it was answered, or first seen, may be told in two ways.
    other_time = record.status.has_token and record.at != token.at
    return _OTHER_VALUES if other_time or record.status != token.status else ""


def _complete(token: TsaToken, record: TokenRecord, change: Change) -> None:
    """Add what ``record`` knows of a response and what was counted lacks: its tenant, account or digest."""
    tenant, account = token.tenant or record.tenant, token.account or record.account
    digest = token.digest
    if record.status.has_token and record.digest and (digest is None or tenant != token.tenant):
        digest = digest_key(tenant, record.hash_algorithm, record.digest)
    elif tenant != token.tenant:
        digest = None
    if (tenant, account) == (token.tenant, token.account) and digest == token.digest:
        return
    if token.pk is not None and token.pk not in change.moved:
        change.count(token, -1)
        change.moved[token.pk] = token
    token.tenant, token.account, token.digest = tenant, account, digest
