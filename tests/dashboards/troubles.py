"""What goes wrong in a company's data, so that every part of Data health has something to show."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from allocation.models import Restatement
from finops import clock, job_table
from finops.alerting import acknowledge
from finops.models import Alert, Job, User
from ingestion.models import Connection, Source
from ingestion.services import collect, ingest
from tests.cur_export import Export, line
from tests.log_objects import request, write

_SECOND = "arn:aws:bcm-data-exports:us-east-1:1:export/second"


def load_restatement(folder: Path) -> int:
    """A second export, delivered twice: the newer one takes 0.75 USD away. The restatement's id."""
    rows = [line("10", tenant="acme"), line("4", tenant="globex", day=2), line("1", day=3)]
    for number, part in enumerate((rows, [rows[0], line("3.25", tenant="acme", day=2), rows[2]])):
        export = Export(
            part,
            execution=f"2026-04-{18 + number}T08:00:00.000Z-0000000{number}",
            export="second",
            arn=_SECOND,
        )
        assert ingest(kind="aws_cur", location=export.write(folder / str(number))).exit_code == 0
    return Restatement.objects.get().pk


def load_troubles(folder: Path, by: User) -> None:
    """A log with lines put aside, a place that cannot be read, jobs that failed and run, alerts of each state."""
    now = clock.now()
    logs = Connection.objects.create(
        slug="logs",
        kind="cloudflare_logpush",
        location=str(folder / "logs"),
        check_every_minutes=0,
        created_at=now,
    )
    name = "http_requests/example.com/20260420/20260420T100000Z_20260420T100500Z_0a1b2c3d.log"
    write(folder / "logs", name, request(1), request(2, EdgeStartTimestamp="soon"), "no line")
    collect(connection=logs)
    Connection.objects.create(
        slug="bills-in-a-bucket",
        kind="aws_cur",
        location="s3://acme-billing-eu-central-1-production/exports/cur2",
        created_at=now,
        checked_at=now,
        problem="s3://acme-billing-eu-central-1-production: access is denied; allow s3:ListBucket on the bucket.",
    )
    Source.objects.filter(kind="aws_cur").update(expected_every_hours=1)
    failed, _ = job_table.enqueue(kind="maintain", subject="lake")
    Job.objects.filter(pk=failed.pk).update(
        state="failed", finished_at=now, attempts=3, error="The bucket refuses."
    )
    job_table.enqueue(kind="collect", subject="logs")
    for subject, size in (("bills", "120"), ("logs", "5")):
        alert = Alert.objects.create(
            kind="stale-source",
            subject=subject,
            severity="danger" if subject == "bills" else "warning",
            sentence=f"The source {subject} is late by {size} minutes: nothing has come, and data is expected.",
            size=size,
            first_seen=now - timedelta(hours=3),
            last_seen=now,
        )
        acknowledge(alert_id=alert.pk, by=by, reason="The provider knows.")
    grown = Alert.objects.get(subject="bills").acknowledgements.get()
    grown.lapsed_at, grown.lapsed_because = now, f"it grew from {Decimal(120)} to {Decimal(250)}"
    grown.save()
    Alert.objects.filter(subject="bills").update(
        acknowledged_at=None, acknowledged_by=None, size="250"
    )
