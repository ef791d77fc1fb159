"""What a person asks for: load a connection now, or months of it."""

from __future__ import annotations

from finops import doorbell, job_table
from finops.core.periods import parse_month
from finops.models import Job, User
from ingestion.models import Connection


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
