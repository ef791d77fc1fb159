"""Take one verified delivery: read it into the lake, hand it on, write down how it ended.

Nothing is visible before it is whole. What comes after reading is named in ``settings.PIPELINE``; this app
does not know who that is.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from finops import clock
from ingestion import lake
from ingestion.bookkeeping import Outcome, hand_on, is_older, outcome_of, record_rejects
from ingestion.core.delivery import ChargeReading, DeliveryRef, SourceError
from ingestion.core.lateness import DAILY_HOURS
from ingestion.models import Delivery, Load, Source
from ingestion.progress import Progress
from ingestion.registry import AnySource, ChargeSource, RecordSource, RevenueSource, SourceReader
from ingestion.revenue import take_revenue
from ingestion.verify import FileFacts, verify

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verified:
    """A delivery whose files were checked. ``still`` raises where they are no longer those.

    ``again`` reads a bill that is loaded once more, as after a newer version learnt to read its rejects.
    """

    reader: SourceReader
    ref: DeliveryRef
    source: Source
    facts: dict[str, FileFacts]
    sha256: str
    progress: Progress
    still: Callable[[], None]
    again: bool = False


def take_verified(found: Verified) -> Outcome:
    """Load the delivery, unless it or a newer one is loaded. Raises ``SourceError`` and
    ``LoadRefusedError``; then nothing has become visible."""
    reader, ref, facts = found.reader, found.ref, found.facts
    delivery, _ = Delivery.objects.get_or_create(
        **_identity(found.source, ref, found.sha256),
        defaults={
            "discovered_at": clock.now(),
            "delivered_at": ref.delivered_at,
            "bytes": sum(fact.bytes for fact in facts.values()),
        },
    )
    earlier = _taken_before(delivery, ref, again=found.again)
    if earlier:
        found.still()
        if earlier.status == "unchanged":
            Delivery.objects.filter(pk=delivery.pk).update(manifest_etag=ref.mark)
        return earlier
    Delivery.objects.filter(pk=delivery.pk).update(
        state=Delivery.State.LOADING, error="", manifest_etag=ref.mark, started_at=clock.now()
    )
    if isinstance(reader, ChargeSource):
        return _take_charges(reader, found, delivery)
    if isinstance(reader, RevenueSource):
        return take_revenue(reader, ref, delivery)
    if isinstance(reader, RecordSource):
        return reader.take(ref, delivery)
    msg = f"The source {reader.id} produces {reader.produces!r}, which nothing here can take."
    raise TypeError(msg)


def source_of(reader: AnySource, ref: DeliveryRef) -> Source:
    """The source of a delivery, created on first sight; how soon data is late is its reader's default."""
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
            "expected_every_hours": getattr(reader, "expected_every_hours", DAILY_HOURS),
            "created_at": clock.now(),
        },
    )[0]


def verify_all(
    reader: SourceReader, ref: DeliveryRef, facts: dict[str, FileFacts], progress: Progress
) -> str:
    """Check every file and return the digest of the whole; ``facts`` is filled file by file."""
    total = sum(file.path.stat().st_size for file in ref.files if file.path.is_file())
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("checking", done, total)

    look = getattr(reader, "inspect", verify)
    whole = hashlib.sha256()
    for file in [ref.manifest] if ref.manifest else []:
        whole.update(file.path.read_bytes())
    for file in ref.files:
        facts[file.key] = look(file, advance)
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


def _taken_before(delivery: Delivery, ref: DeliveryRef, *, again: bool) -> Outcome | None:
    """The outcome where there is nothing to do: it is current, or something newer is."""
    if delivery.state == Delivery.State.LOADED and ref.billing_period is None:
        return outcome_of(delivery, "unchanged", "It was loaded before; nothing changed.")
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
        if again:
            return None
        return outcome_of(delivery, "unchanged", "It was loaded before; nothing changed.")
    if is_older(delivery, current.delivery):
        Delivery.objects.filter(pk=delivery.pk).update(
            state=Delivery.State.SUPERSEDED, finished_at=clock.now()
        )
        return outcome_of(
            delivery, "superseded", "A newer delivery of this period is already loaded."
        )
    return None


def _take_charges(reader: ChargeSource, found: Verified, delivery: Delivery) -> Outcome:
    ref = found.ref
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
        return _load_charges(reader, found, load)


def _load_charges(reader: ChargeSource, found: Verified, load: Load) -> Outcome:
    ref, progress = found.ref, found.progress
    delivery = load.delivery
    try:
        load.save(force_insert=True)
        reading = reader.read_charges(ref, found.facts, lake.folder_of(load, "charges"), progress)
        found.still()
        if reading.rejects and not any(total.lines for total in reading.totals.values()):
            record_rejects(delivery=delivery, rejects=reading.rejects)
            msg = f"{ref.key}: none of its {len(reading.rejects)} rows can be read."
            raise SourceError(msg)
        _refuse_nothing(load, reading)
        describe(load, reading)
        hand_on("charges", load=load, reading=reading, progress=progress)
    except BaseException:
        # Whatever ends the reading, a Ctrl-C included: the staged load must not stay behind.
        lake.discard(load)
        Load.objects.filter(pk=load.pk, state=Load.State.STAGED).delete()
        Delivery.objects.filter(pk=delivery.pk).update(state=Delivery.State.DISCOVERED)
        raise
    delivery.refresh_from_db()
    if delivery.state == Delivery.State.SUPERSEDED:
        return outcome_of(
            delivery, "superseded", "A newer delivery of this period is already loaded."
        )
    return outcome_of(delivery, "loaded", "", reading.unknown_line_types)


def _refuse_nothing(load: Load, reading: ChargeReading) -> None:
    """A delivery without a line may begin a month; it may not empty one."""
    if reading.totals:
        return
    current = Load.objects.filter(
        source=load.source, billing_period=load.billing_period, state=Load.State.CURRENT
    ).first()
    if current and current.lines:
        msg = (
            f"{load.delivery.key}: it holds no charge line, and {current.lines} lines of this period "
            "are loaded: refused. Deliver it again."
        )
        raise SourceError(msg)


def _sweep(delivery: Delivery) -> None:
    """Remove what a killed worker left of an earlier try at this delivery."""
    for left in Load.objects.filter(delivery=delivery, state=Load.State.STAGED).select_related(
        "source"
    ):
        if not lake.is_claimed(left):
            lake.discard(left)
            left.delete()


def describe(load: Load, reading: ChargeReading) -> None:
    """Write down on the load's row what reading it gave."""
    load.kind = reading.kind.value
    load.lines = sum(total.lines for total in reading.totals.values())
    load.rejected_lines = len(reading.rejects)
    load.line_types = dict(reading.line_types)
    load.unknown_line_types = list(reading.unknown_line_types)
    load.data_through = reading.data_through
    load.first_day, load.last_day = reading.first_day, reading.last_day
    load.billing_accounts = list(reading.billing_accounts)
    load.form, load.cost_basis = reading.form, reading.cost_basis
    load.is_invoiced, load.notes = reading.is_invoiced, list(reading.notes)
    load.save()


def failed(
    source: Source, ref: DeliveryRef, facts: dict[str, FileFacts], sentence: str, sha256: str = ""
) -> Outcome:
    """Write down that a delivery was refused, and why."""
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
    return outcome_of(delivery, "failed", sentence)
