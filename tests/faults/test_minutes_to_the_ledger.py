"""A real worker process: from the arrival of the object that closes an hour to the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from allocation.models import LedgerDay
from finops.models import Job
from ingestion.models import Connection
from tests.faults.test_killed_workers import process, until, worker
from tests.ingestion.estimates import GB, a_company
from tests.log_objects import request, write

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

MOST_SECONDS = 60
HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
CENTS = Decimal("0.09")


def _at(minute: int) -> str:
    return f"{HOUR + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}"


def _object(folder: Path, number: int, minute: int, **changed: Any) -> None:
    name = f"{HOUR:%Y%m%d}/{HOUR:%Y%m%dT%H%M%SZ}_{number:08x}.log.gz"
    write(folder, name, request(number, EdgeStartTimestamp=_at(minute), **changed))


def _estimated() -> Decimal:
    rows = LedgerDay.objects.filter(kind="estimated")
    return sum((row.effective_cost for row in rows), Decimal(0))


def _is_taken(count: int) -> Callable[[], bool]:
    def holds() -> bool:
        done = Job.objects.filter(kind="collect", state="done", rows__gte=0)
        return done.count() >= count and not Job.objects.filter(state__in=Job.ACTIVE).exists()

    return holds


def test_the_object_that_closes_an_hour_is_in_the_ledger_within_a_minute(tmp_path: Path) -> None:
    a_company()
    missed = {"CacheCacheStatus": "miss", "OriginResponseStatus": 200, "CacheResponseBytes": GB}
    _object(tmp_path, 1, 20, **missed)
    Connection.objects.create(
        slug="logs",
        kind="cloudflare_logpush",
        location=str(tmp_path),
        check_every_minutes=0,
        created_at=HOUR,
    )
    running = [worker()]
    if settings.REDIS_URL:
        app = ("-m", "celery", "-A", "finops.celery")
        running = [
            process(*app, "worker", "--concurrency=1", "--pool=prefork", "--loglevel=ERROR"),
            process(*app, "beat", "--loglevel=ERROR", "--schedule", str(tmp_path.parent / "beat")),
        ]
    try:
        until(_is_taken(1), 90)
        assert _estimated() == 0, "the hour is still open"
        _object(tmp_path, 2, 75, EdgeResponseBytes=0, CacheResponseBytes=0)
        began = time.monotonic()
        until(lambda: _estimated() == CENTS, MOST_SECONDS)
        print(f"{time.monotonic() - began:.1f} s from the object to the ledger")
    finally:
        for one in running:
            one.terminate()
        for one in running:
            one.wait(30)
