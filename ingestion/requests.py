"""What a person asks for: load a connection now, or months of it, or read again what was put aside."""

from __future__ import annotations

from finops import doorbell, job_table
from finops.core.periods import parse_month
from finops.models import Job, User
from ingestion.core.delivery import SourceError
from ingestion.models import Connection, Delivery
from ingestion.rereading import find_object, refusals, stamps_refusal
from ingestion.tsa_models import KINDS as STAMP_KINDS
from ingestion.usage_models import LogObject


def request_load(
    *, slug: str, since: str = "", until: str = "", again: bool = False, by: User | None = None
) -> Job:
    """Queue a load of the connection; months are ``YYYY-MM``, and an empty end is open.

    Raises ``JobRefusedError`` where there is no such connection, where the months are the wrong way
    round or where a load of it is under way, and ``PeriodError`` for a month that is none.
    """
    first, last = (parse_month(text) if text else None for text in (since, until))
    if first and last and first > last:
        msg = f"The months are the wrong way round: {since} is after {until}."
        raise job_table.JobRefusedError(msg)
    if not Connection.objects.filter(slug=slug).exists():
        known = ", ".join(Connection.objects.values_list("slug", flat=True)) or "none yet"
        msg = f"There is no connection {slug!r}. Known: {known}; an admin adds them in the admin."
        raise job_table.JobRefusedError(msg)
    # A person expects that everything is looked at; the schedule lists what may be new.
    arguments: dict[str, object] = {"whole": True}
    if since:
        arguments["since"] = since
    if until:
        arguments["until"] = until
    if again:
        arguments["again"] = True
    job, made = job_table.enqueue(kind="collect", subject=slug, arguments=arguments, by=by)
    if not made:
        msg = (
            f"A load of {slug} is under way already (job {job.pk}); wait for its end, or cancel it."
        )
        raise job_table.JobRefusedError(msg)
    doorbell.ring()
    return job


def request_object(*, row: LogObject, by: User | None = None) -> Job:
    """Queue a new reading of one object of a log; its source and connection are to be loaded.

    Raises ``JobRefusedError`` where it cannot be read again, as where it no longer lies there.
    """
    if reason := refusals([row]).get(row.pk):
        msg = f"{row.key} cannot be read again: {reason}."
        raise job_table.JobRefusedError(msg)
    try:
        find_object(row)
    except SourceError as error:
        raise job_table.JobRefusedError(str(error)) from None
    return _read_again(f"{row.source.slug} object {row.pk}", {"object": row.pk}, by)


def request_stamps(*, delivery: Delivery, by: User | None = None) -> Job:
    """Queue a new reading of the objects behind a delivery's rejected tokens. Raises ``JobRefusedError``."""
    reason = stamps_refusal(delivery)
    if delivery.source.kind not in STAMP_KINDS or not delivery.rejected_rows:
        reason = reason or "no time stamp of it was put aside"
    if reason:
        msg = f"{delivery.key} cannot be read again: {reason}."
        raise job_table.JobRefusedError(msg)
    return _read_again(
        f"{delivery.source.slug} delivery {delivery.pk}", {"delivery": delivery.pk}, by
    )


def _read_again(subject: str, arguments: dict[str, object], by: User | None) -> Job:
    job, made = job_table.enqueue(kind="read-again", subject=subject, arguments=arguments, by=by)
    if not made:
        msg = f"It is being read again already (job {job.pk}); wait for its end."
        raise job_table.JobRefusedError(msg)
    doorbell.ring()
    return job
