"""Take deliveries in: verify, read into the lake, hand on; nothing is visible before it is whole.

``ingest`` is the one entry. Each delivery ends in exactly one outcome, and a delivery that fails leaves
the ledger as it was. What comes after reading is named in ``settings.PIPELINE``; this app does not know
who that is.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from finops import clock
from finops.core.amounts import plain
from finops.logs import redact
from finops.models import Tenant
from finops.services import tenants_by_slug
from ingestion import lake
from ingestion.core.delivery import (
    ChargeReading,
    DeliveryRef,
    LoadRefusedError,
    Problem,
    Reject,
    SourceError,
)
from ingestion.models import Delivery, Load, RejectedRow, RevenueRow, Source
from ingestion.progress import Progress, silent
from ingestion.registry import ChargeSource, RevenueSource, SourceReader, source_reader
from ingestion.verify import FileFacts, verify

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How one delivery ended. ``status``: loaded, unchanged, superseded or failed."""

    key: str
    status: str
    source: str = ""
    billing_period: date | None = None
    rows: int = 0
    rejected_rows: int = 0
    bytes: int = 0
    sentence: str = ""
    unknown_line_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class IngestReport:
    """What one call did."""

    outcomes: tuple[Outcome, ...]

    @property
    def exit_code(self) -> int:
        """0 loaded, 1 loaded with rejects or with a failed part, 2 nothing loaded."""
        good = [outcome for outcome in self.outcomes if outcome.status != "failed"]
        if not good:
            return 2
        clean = len(good) == len(self.outcomes) and not any(o.rejected_rows for o in good)
        return 0 if clean else 1


def ingest(
    *, kind: str, location: Path, period: date | None = None, progress: Progress = silent
) -> IngestReport:
    """Load everything that ``location`` holds for the source ``kind``.

    Raises ``finops.registry.UnknownPlugin`` where no such source exists. A delivery that was loaded
    before changes nothing; a newer one of the same period replaces it.
    """
    reader = source_reader(kind)
    found = reader.discover(location, period)
    outcomes = [_refused(problem) for problem in found.problems]
    outcomes += [_take(reader, ref, progress) for ref in found.deliveries]
    return IngestReport(tuple(outcomes))


def _refused(problem: Problem) -> Outcome:
    return Outcome(key="", status="failed", sentence=redact(problem.sentence))


def _take(reader: SourceReader, ref: DeliveryRef, progress: Progress) -> Outcome:
    source = _source(reader, ref)
    facts: dict[str, FileFacts] = {}
    try:
        sha256 = _verify_all(ref, facts, progress)
        reader.check(ref, facts)
    except SourceError as error:
        return _failed(source, ref, facts, redact(str(error)))
    delivery, _ = Delivery.objects.get_or_create(
        **_identity(source, ref, sha256),
        defaults={
            "discovered_at": clock.now(),
            "delivered_at": ref.delivered_at,
            "bytes": sum(fact.bytes for fact in facts.values()),
        },
    )
    earlier = _taken_before(delivery, ref)
    if earlier:
        return earlier
    Delivery.objects.filter(pk=delivery.pk).update(state=Delivery.State.LOADING, error="")
    try:
        if isinstance(reader, ChargeSource):
            return _take_charges(reader, ref, facts, delivery, progress)
        if isinstance(reader, RevenueSource):
            return _take_revenue(reader, ref, delivery)
    except (SourceError, LoadRefusedError) as error:
        return _failed(source, ref, facts, redact(str(error)), sha256)
    msg = f"The source {reader.id} produces {reader.produces!r}, which nothing here can take."
    raise TypeError(msg)


def _source(reader: SourceReader, ref: DeliveryRef) -> Source:
    known = Source.objects.filter(kind=ref.kind, identity=ref.identity).first()
    if known:
        return known
    slug, number = ref.source_slug, 2
    while Source.objects.filter(slug=slug).exists():
        slug, number = f"{ref.source_slug}-{number}", number + 1
    return Source.objects.get_or_create(
        kind=ref.kind,
        identity=ref.identity,
        defaults={
            "slug": slug,
            "name": ref.source_name,
            "service_provider_name": reader.service_provider_name,
            "created_at": clock.now(),
        },
    )[0]


def _verify_all(ref: DeliveryRef, facts: dict[str, FileFacts], progress: Progress) -> str:
    """Check every file and return the digest of the whole; ``facts`` is filled file by file."""
    total = sum(file.path.stat().st_size for file in ref.files if file.path.is_file())
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("checking", done, total)

    whole = hashlib.sha256()
    for file in [ref.manifest] if ref.manifest else []:
        whole.update(file.path.read_bytes())
    for file in ref.files:
        facts[file.key] = verify(file, advance)
        whole.update(facts[file.key].sha256.encode())
    return whole.hexdigest()


def _identity(source: Source, ref: DeliveryRef, sha256: str) -> dict[str, object]:
    return {
        "source": source,
        "billing_period": ref.billing_period,
        "key": ref.key,
        "execution_id": ref.execution_id,
        "sha256": sha256,
    }


def _taken_before(delivery: Delivery, ref: DeliveryRef) -> Outcome | None:
    """The outcome where there is nothing to do: it is current, or something newer is."""
    if delivery.state == Delivery.State.LOADED and ref.billing_period is None:
        return _outcome(delivery, "unchanged", "It was loaded before; nothing changed.")
    if delivery.billing_period is None:
        return None
    current = (
        Load.objects.filter(
            source=delivery.source,
            billing_period=delivery.billing_period,
            state=Load.State.CURRENT,
        )
        .select_related("delivery")
        .first()
    )
    if current is None:
        return None
    if current.delivery_id == delivery.pk:
        return _outcome(delivery, "unchanged", "It was loaded before; nothing changed.")
    if is_older(delivery, current.delivery):
        Delivery.objects.filter(pk=delivery.pk).update(
            state=Delivery.State.SUPERSEDED, finished_at=clock.now()
        )
        return _outcome(
            delivery, "superseded", "A newer delivery of this period is already loaded."
        )
    return None


def is_older(delivery: Delivery, other: Delivery) -> bool:
    """Whether ``delivery`` was certainly made before ``other``.

    Only dated deliveries can be older; an overwritten one is what lies there now, so it is newest.
    """
    mine, theirs = delivery.delivered_at, other.delivered_at
    return mine is not None and theirs is not None and mine < theirs


def _take_charges(
    reader: ChargeSource,
    ref: DeliveryRef,
    facts: dict[str, FileFacts],
    delivery: Delivery,
    progress: Progress,
) -> Outcome:
    if ref.billing_period is None:
        msg = f"{ref.key}: the delivery names no billing period."
        raise SourceError(msg)
    _sweep(delivery)
    load = Load(
        source=delivery.source,
        delivery=delivery,
        billing_period=ref.billing_period,
        started_at=clock.now(),
    )
    with lake.claim(load):
        return _load_charges(reader, ref, facts, load, progress)


def _load_charges(
    reader: ChargeSource,
    ref: DeliveryRef,
    facts: dict[str, FileFacts],
    load: Load,
    progress: Progress,
) -> Outcome:
    delivery = load.delivery
    load.save(force_insert=True)
    try:
        reading = reader.read_charges(ref, facts, lake.folder_of(load, "charges"), progress)
        if reading.rejects and not any(total.lines for total in reading.totals.values()):
            record_rejects(delivery=delivery, rejects=reading.rejects)
            msg = f"{ref.key}: none of its {len(reading.rejects)} rows can be read."
            raise SourceError(msg)
        _describe(load, reading)
        _hand_on("charges", load=load, reading=reading, progress=progress)
    except BaseException:
        # Whatever ends the reading, a Ctrl-C included: the staged load must not stay behind.
        lake.discard(load)
        Load.objects.filter(pk=load.pk, state=Load.State.STAGED).delete()
        Delivery.objects.filter(pk=delivery.pk).update(state=Delivery.State.DISCOVERED)
        raise
    delivery.refresh_from_db()
    if delivery.state == Delivery.State.SUPERSEDED:
        return _outcome(
            delivery, "superseded", "A newer delivery of this period is already loaded."
        )
    return _outcome(delivery, "loaded", "", reading.unknown_line_types)


def _sweep(delivery: Delivery) -> None:
    """Remove what a killed worker left of an earlier try at this delivery."""
    for left in Load.objects.filter(delivery=delivery, state=Load.State.STAGED).select_related(
        "source"
    ):
        if not lake.is_claimed(left):
            lake.discard(left)
            left.delete()


def _describe(load: Load, reading: ChargeReading) -> None:
    load.lines = sum(total.lines for total in reading.totals.values())
    load.rejected_lines = len(reading.rejects)
    load.line_types = dict(reading.line_types)
    load.unknown_line_types = list(reading.unknown_line_types)
    load.data_through = reading.data_through
    load.save()


def record_rejects(*, delivery: Delivery, rejects: Iterable[Reject]) -> None:
    """Keep the rows that were put aside, in place of those of an earlier try."""
    RejectedRow.objects.filter(delivery=delivery).delete()
    RejectedRow.objects.bulk_create(
        [
            RejectedRow(
                delivery=delivery,
                file=reject.file,
                line=reject.line,
                reason=reject.reason[:300],
                text=reject.text,
                amount="" if reject.amount is None else plain(reject.amount),
                billing_currency=reject.currency,
            )
            for reject in rejects
        ],
        batch_size=1000,
    )


def finish_delivery(*, delivery: Delivery, rows: int, rejects: tuple[Reject, ...]) -> None:
    """Mark a delivery loaded, with its rejects; call it in the transaction that makes it visible."""
    record_rejects(delivery=delivery, rejects=rejects)
    Delivery.objects.filter(pk=delivery.pk).update(
        state=Delivery.State.LOADED,
        rows=rows,
        rejected_rows=len(rejects),
        error="",
        finished_at=clock.now(),
    )


def _take_revenue(reader: RevenueSource, ref: DeliveryRef, delivery: Delivery) -> Outcome:
    reading = reader.read_revenue(ref)
    slugs = sorted({line.tenant for line in reading.lines})
    with transaction.atomic():
        tenants = tenants_by_slug(slugs=slugs, discovered=False)
        rows = [
            RevenueRow(
                tenant=tenants[line.tenant],
                service_start=line.service_start,
                service_end=line.service_end,
                amount=line.amount,
                currency=line.currency,
                invoice_id=line.invoice_id,
                line_id=line.line_id,
                delivery=delivery,
            )
            for line in reading.lines
        ]
        RevenueRow.objects.bulk_create(
            rows,
            batch_size=500,
            update_conflicts=True,
            unique_fields=["invoice_id", "tenant", "service_start", "service_end", "line_id"],
            update_fields=["amount", "currency", "delivery"],
        )
        # Who is invoiced is a customer, whatever first named it.
        Tenant.objects.filter(slug__in=slugs, discovered=True).update(discovered=False)
        _hand_on("revenue", delivery=delivery)
        finish_delivery(delivery=delivery, rows=reading.rows, rejects=reading.rejects)
    delivery.refresh_from_db()
    if reading.rows and not reading.lines:
        return _outcome(
            delivery, "failed", f"{ref.key}: none of its {reading.rows} rows can be read."
        )
    return _outcome(delivery, "loaded", "")


def _hand_on(produced: str, **what: object) -> None:
    for name in settings.PIPELINE[produced]:
        step: Callable[..., None] = import_string(name)
        step(**what)


def _failed(
    source: Source, ref: DeliveryRef, facts: dict[str, FileFacts], sentence: str, sha256: str = ""
) -> Outcome:
    delivery, _ = Delivery.objects.update_or_create(
        **_identity(source, ref, sha256),
        defaults={
            "state": Delivery.State.REJECTED,
            "error": sentence,
            "delivered_at": ref.delivered_at,
            "bytes": sum(fact.bytes for fact in facts.values()),
            "finished_at": clock.now(),
        },
        create_defaults={
            "state": Delivery.State.REJECTED,
            "error": sentence,
            "delivered_at": ref.delivered_at,
            "bytes": sum(fact.bytes for fact in facts.values()),
            "discovered_at": clock.now(),
            "finished_at": clock.now(),
        },
    )
    logger.warning("delivery rejected", extra={"delivery": delivery.pk, "reason": sentence})
    return _outcome(delivery, "failed", sentence)


def _outcome(
    delivery: Delivery, status: str, sentence: str, unknown: tuple[str, ...] = ()
) -> Outcome:
    return Outcome(
        key=delivery.key,
        status=status,
        source=delivery.source.slug,
        billing_period=delivery.billing_period,
        rows=delivery.rows,
        rejected_rows=delivery.rejected_rows,
        bytes=delivery.bytes,
        sentence=sentence,
        unknown_line_types=unknown,
    )
