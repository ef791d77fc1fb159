"""Load charge lines that no file delivers: estimates, and invoices that a person typed in.

They go the way of every bill: a delivery, a load, the steps that follow, one transaction that makes them visible.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date

from finops import clock
from finops.core.focus import CostKind
from ingestion import lake
from ingestion.bookkeeping import Outcome, hand_on, outcome_of
from ingestion.charge_writer import read_lines
from ingestion.core.charge_line import ChargeLine
from ingestion.models import Delivery, Load, Source
from ingestion.progress import Progress, silent
from ingestion.taking import describe


@dataclass(frozen=True)
class Made:
    """Who the lines are from: ``source_kind`` and ``identity`` name the source for good, ``key`` the delivery."""

    source_kind: str
    identity: str
    source_slug: str
    source_name: str
    service_provider_name: str
    key: str


def load_made(
    made: Made,
    *,
    billing_period: date,
    lines: Sequence[ChargeLine],
    kind: CostKind,
    notes: tuple[str, ...] = (),
    mark: str = "",
    progress: Progress = silent,
) -> Outcome:
    """Make ``lines`` all that ``made`` charges in ``billing_period``; equal lines change nothing.

    No line empties the period. ``mark`` stands for what else decides who bears the lines: with another one they are
    allocated anew. Raises ``ingestion.core.delivery.LoadRefusedError`` where ledger and lines differ; then nothing has
    become visible.
    """
    source = _source(made)
    digest = _digest(lines, kind, mark)
    current = (
        Load.objects.filter(source=source, billing_period=billing_period, state=Load.State.CURRENT)
        .select_related("delivery")
        .first()
    )
    if current and current.delivery.sha256 == digest:
        return outcome_of(current.delivery, "unchanged", "Nothing changed.")
    now = clock.now()
    delivery, _ = Delivery.objects.update_or_create(
        source=source,
        billing_period=billing_period,
        key=made.key,
        execution_id="",
        sha256=digest,
        defaults={"state": Delivery.State.LOADING, "error": "", "started_at": now},
        create_defaults={
            "state": Delivery.State.LOADING,
            "started_at": now,
            "discovered_at": now,
        },
    )
    load = Load(source=source, delivery=delivery, billing_period=billing_period, started_at=now)
    with lake.claim(load):
        _load(load, lines, kind, notes, progress)
    delivery.refresh_from_db()
    return outcome_of(delivery, "loaded", "")


def _load(
    load: Load,
    lines: Iterable[ChargeLine],
    kind: CostKind,
    notes: tuple[str, ...],
    progress: Progress,
) -> None:
    try:
        load.save(force_insert=True)
        reading = read_lines(lines, lake.folder_of(load, "charges"), kind=kind, notes=notes)
        describe(load, reading)
        hand_on("charges", load=load, reading=reading, progress=progress)
    except BaseException:
        # Whatever ends it, a Ctrl-C included: the staged load must not stay behind.
        lake.discard(load)
        Load.objects.filter(pk=load.pk, state=Load.State.STAGED).delete()
        Delivery.objects.filter(pk=load.delivery_id).update(state=Delivery.State.DISCOVERED)
        raise


def _source(made: Made) -> Source:
    known = Source.objects.filter(kind=made.source_kind, identity=made.identity).first()
    if known:
        return known
    slug, number = made.source_slug, 2
    while Source.objects.filter(slug=slug).exists():
        slug, number = f"{made.source_slug}-{number}", number + 1
    return Source.objects.get_or_create(
        kind=made.source_kind,
        identity=made.identity,
        defaults={
            "slug": slug,
            "name": made.source_name,
            "service_provider_name": made.service_provider_name,
            "created_at": clock.now(),
        },
    )[0]


def _digest(lines: Sequence[ChargeLine], kind: CostKind, mark: str) -> str:
    names = [field.name for field in fields(ChargeLine)]
    texts = sorted(repr([getattr(line, name) for name in names]) for line in lines)
    return hashlib.sha256(
        "\n".join([kind.value, *([mark] if mark else []), *texts]).encode()
    ).hexdigest()
