"""Take deliveries in: verify, read into the lake, hand on; nothing is visible before it is whole.

``ingest`` is the one entry. Each delivery ends in exactly one outcome, and a delivery that fails leaves
the ledger as it was. What comes after reading is named in ``settings.PIPELINE``; this app does not know
who that is.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from django.db import DatabaseError

from finops import clock
from finops.logs import redact
from ingestion import lake
from ingestion.bookkeeping import Outcome, hand_on, is_older, outcome_of, record_rejects
from ingestion.core.delivery import (
    ChargeReading,
    DeliveryRef,
    LoadRefusedError,
    Problem,
    SourceError,
)
from ingestion.models import Delivery, Load, Source
from ingestion.progress import Progress, silent
from ingestion.registry import ChargeSource, RevenueSource, SourceReader, source_reader
from ingestion.revenue import take_revenue
from ingestion.verify import FileFacts, verify

logger = logging.getLogger(__name__)


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
    """Take one delivery; whatever is wrong with it becomes its outcome and does not stop the next."""
    source = _source(reader, ref)
    facts: dict[str, FileFacts] = {}
    sha256 = ""
    try:
        sha256 = _verify_all(ref, facts, progress)
        reader.check(ref, facts)
        return _take_verified(reader, ref, source, facts, sha256, progress)
    except (SourceError, LoadRefusedError) as error:
        return _failed(source, ref, facts, redact(str(error)), sha256)
    except Exception as error:
        if not _is_about_data(error):
            raise
        logger.exception("delivery could not be loaded", extra={"delivery_key": ref.key})
        reason = redact(str(error)).split("\n", 1)[0][:200]
        return _failed(source, ref, facts, f"{ref.key}: it could not be loaded ({reason}).", sha256)


def _is_about_data(error: Exception) -> bool:
    """Whether files, engine or database refused what was in the delivery; all else is our mistake."""
    engine = type(error).__module__.partition(".")[0] in {"duckdb", "_duckdb"}
    return engine or isinstance(error, OSError | ValueError | ArithmeticError | DatabaseError)


def _take_verified(  # noqa: PLR0917  # the parts of one delivery, passed on once
    reader: SourceReader,
    ref: DeliveryRef,
    source: Source,
    facts: dict[str, FileFacts],
    sha256: str,
    progress: Progress,
) -> Outcome:
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
    if isinstance(reader, ChargeSource):
        return _take_charges(reader, ref, facts, delivery, progress)
    if isinstance(reader, RevenueSource):
        return take_revenue(reader, ref, delivery)
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
        return outcome_of(delivery, "unchanged", "It was loaded before; nothing changed.")
    if is_older(delivery, current.delivery):
        Delivery.objects.filter(pk=delivery.pk).update(
            state=Delivery.State.SUPERSEDED, finished_at=clock.now()
        )
        return outcome_of(
            delivery, "superseded", "A newer delivery of this period is already loaded."
        )
    return None


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
        _refuse_nothing(load, reading)
        _describe(load, reading)
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


def _describe(load: Load, reading: ChargeReading) -> None:
    load.lines = sum(total.lines for total in reading.totals.values())
    load.rejected_lines = len(reading.rejects)
    load.line_types = dict(reading.line_types)
    load.unknown_line_types = list(reading.unknown_line_types)
    load.data_through = reading.data_through
    load.first_day, load.last_day = reading.first_day, reading.last_day
    load.billing_accounts = list(reading.billing_accounts)
    load.save()


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
    return outcome_of(delivery, "failed", sentence)
