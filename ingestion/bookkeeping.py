"""What is written down about a delivery while it is taken, whatever it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.utils.module_loading import import_string

from finops import clock
from finops.core.amounts import plain
from ingestion.core.delivery import Reject
from ingestion.models import Delivery, RejectedRow


@dataclass(frozen=True)
class Outcome:
    """How one delivery ended. ``status``: loaded, unchanged, superseded or failed.

    ``final`` says of a failure that another try would fail the same way. ``sha256`` is of what was delivered.
    """

    key: str
    status: str
    source: str = ""
    billing_period: date | None = None
    rows: int = 0
    rejected_rows: int = 0
    bytes: int = 0
    sentence: str = ""
    unknown_line_types: tuple[str, ...] = ()
    final: bool = False
    sha256: str = ""


def outcome_of(
    delivery: Delivery, status: str, sentence: str, unknown: tuple[str, ...] = ()
) -> Outcome:
    """The outcome of ``delivery`` as its row stands now."""
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
        sha256=delivery.sha256,
    )


def is_older(delivery: Delivery, other: Delivery) -> bool:
    """Whether ``delivery`` was certainly made before ``other``.

    Only dated deliveries can be older; an overwritten one is what lies there now, so it is newest.
    """
    mine, theirs = delivery.delivered_at, other.delivered_at
    return mine is not None and theirs is not None and mine < theirs


def record_rejects(*, delivery: Delivery, rejects: Iterable[Reject]) -> None:
    """Keep the rows that were put aside, in place of those of an earlier try."""
    RejectedRow.objects.filter(delivery=delivery).delete()
    RejectedRow.objects.bulk_create(
        [
            RejectedRow(
                delivery=delivery,
                file=reject.file,
                line=reject.line,
                # No database takes a NUL as text; the sign for it says that it was there.
                reason=reject.reason[:300].replace("\0", "␀"),
                text=reject.text.replace("\0", "␀"),
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


def hand_on(produced: str, **what: object) -> None:
    """Call the steps that follow what was produced; who they are stands in ``settings.PIPELINE``."""
    for name in settings.PIPELINE[produced]:
        step: Callable[..., None] = import_string(name)
        step(**what)
