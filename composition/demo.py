"""The demo: its place on disk, its people, its files and whether they are loaded.

Everything lies in one folder (`var/` of the checkout unless `--var` says otherwise), beside nothing
else, and the whole of it can be thrown away with `make reset`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command

from composition import demo_usage
from finops import clock
from ingestion.core.lateness import DAILY_HOURS
from ingestion.core.pricing import Tier
from ingestion.core.tsa_contract import Contract
from ingestion.estimating import estimate
from ingestion.models import Connection, Load, RevenueRow, Source
from ingestion.tsa_contracts import write_contract
from ingestion.tsa_models import TsaContract
from simulator import cloudflare_usage
from simulator.cloudflare_api import TOKEN_VARIABLE
from simulator.files import read_record

PASSWORD_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # noqa: S105  # without look-alikes
PASSWORD_LENGTH = 14
LOADED_IN_PART = 1  # exit code of `ingest`


@dataclass(frozen=True)
class Place:
    """Where the demo lies."""

    var: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.var / "finops.sqlite3"

    @property
    def lake(self) -> Path:
        """The Parquet files."""
        return self.var / "lake"

    @property
    def files(self) -> Path:
        """What the simulated vendors deliver."""
        return self.var / "demo"

    @property
    def users(self) -> Path:
        """The people and their passwords: the only place they are kept in clear."""
        return self.var / "demo-users.json"

    @property
    def loaded(self) -> Path:
        """Digest of the files that were loaded."""
        return self.var / "demo-loaded"

    @property
    def lock(self) -> Path:
        """Held while the demo runs."""
        return self.var / "dev.lock"

    def environment(self) -> dict[str, str]:
        """Settings of the demo, whatever the environment or `.env` says."""
        return {
            "DATABASE_URL": f"sqlite:///{quote(str(self.database))}",
            "REDIS_URL": "",
            "FINOPS_LAKE_URL": quote(str(self.lake)),
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "HTTPS_ONLY": "false",
            "NON_PRODUCTION_ENVIRONMENTS": "development,staging",
            "SERVE_STATIC_FROM_SOURCE": "true",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),  # a quiet terminal
        }


class DemoIsRunningError(Exception):
    """Another process holds the demo."""


@contextmanager
def held(place: Place) -> Iterator[None]:
    """Hold the demo: a second start, or a reset, would pull the ground from under the first."""
    place.var.mkdir(parents=True, exist_ok=True)
    with place.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoIsRunningError from None
        yield


# --- people ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    """Someone who can sign in to the demo."""

    username: str
    group: str
    does: str


PEOPLE = (
    Person("alice.finance", "finance", "reads the figures"),
    Person("bob.approver", "approver", "reads them too; will approve actions"),
    Person("carol.admin", "admin", "also keeps tenants and settings, and closes months"),
)
CLOSER = "carol.admin"


def ensure_people(place: Place) -> dict[str, str]:
    """Create who is missing; return username → password, or an empty one where it was changed since.

    The file also keeps the password's hash as first stored: when the database has another one, a person
    changed the password, and it stays changed.
    """
    kept: dict[str, dict[str, str]] = {}
    if place.users.exists():
        kept = json.loads(place.users.read_text(encoding="utf-8"))
    passwords: dict[str, str] = {}
    for person in PEOPLE:
        known = kept.get(person.username)
        user = get_user_model().objects.filter(username=person.username).first()
        if user is None or known is None:
            password = known["password"] if known else _new_password()
            user = user or get_user_model()(username=person.username)
            user.set_password(password)
            user.is_active = True
            user.save()
            known = kept[person.username] = {"password": password, "stored": user.password}
        user.groups.add(Group.objects.get(name=person.group))
        passwords[person.username] = known["password"] if user.password == known["stored"] else ""
    _write_private(place.users, json.dumps(kept, indent=2))
    return passwords


def _new_password() -> str:
    return "".join(secrets.choice(PASSWORD_LETTERS) for _ in range(PASSWORD_LENGTH))


def _write_private(path: Path, text: str) -> None:
    """Replace the file in one step; it is readable by its owner only, from the first byte on."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(
        os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    new.replace(path)


# --- files -------------------------------------------------------------------------------------------


def files_are_complete(place: Place) -> bool:
    """Whether the simulator has written its first months."""
    record = read_record(place.files)
    return record is not None and record.state.next_hour >= record.end


def write_files(place: Place) -> None:
    """Let the simulator write its files; one that was interrupted goes on where it was."""
    call_command("simulate", out=place.files)


def is_loaded(place: Place) -> bool:
    """Whether the files as they are now are in the database."""
    return (
        place.loaded.exists()
        and place.loaded.read_text(encoding="utf-8") == digest(place.files)
        and Load.objects.filter(state=Load.State.CURRENT).exists()
        and RevenueRow.objects.exists()
    )


def load(place: Place) -> None:
    """Load the files through the same readers and command as everybody's. Safe to repeat."""
    before = digest(place.files)
    ensure_connections(place)
    demo_usage.ensure_origins(_seed(place))
    _ingest("focus", place.files / "focus" / "snowline")
    _ingest("revenue_csv", place.files / "revenue")
    _ingest("ecb_rates", place.files / "rates")
    # As in life: logs come within minutes, the bill of the same hours later. So there is something to compare.
    _ingest("cloudflare_logpush", place.files / "cloudflare" / "http_requests")
    if (place.files / "tsa").is_dir():  # files of an earlier version have no time stamps
        ensure_stamp_contract(place)
        _ingest("tsa_ndjson", place.files / "tsa" / "records")
        _ingest("tsa_responses", place.files / "tsa" / "responses")
    # After the tokens, by which they are spread: else they would be spread anew, and restated, at once.
    if (place.files / "invoices").is_dir():  # none before the first month is over
        _ingest("invoice_csv", place.files / "invoices")
    estimate()
    _ingest("aws_cur", place.files / "aws")
    estimate()
    expect_by_day()
    place.loaded.write_text(before, encoding="utf-8")


def expect_by_day() -> None:
    """What the simulated vendors deliver ends with a day, so its logs are expected as its bills are.

    As an admin would set it; a log that is written all the time keeps the shorter hours of its reader.
    """
    kinds = ("cloudflare_logpush", "tsa_responses")
    Source.objects.filter(kind__in=kinds, expected_every_hours__lt=DAILY_HOURS).update(
        expected_every_hours=DAILY_HOURS
    )


def ensure_connections(place: Place) -> None:
    """The demo's folders as connections, so that its worker looks at them on a schedule."""
    for slug, kind, folder, minutes in (
        ("aws-bills", "aws_cur", "aws", 60),
        ("snowline-bills", "focus", "focus/snowline", 60),
        ("revenue", "revenue_csv", "revenue", 60),
        ("exchange-rates", "ecb_rates", "rates", 60),
        ("invoices", "invoice_csv", "invoices", 60),
        ("cloudflare-logs", "cloudflare_logpush", "cloudflare/http_requests", 0),
        ("stamp-records", "tsa_ndjson", "tsa/records", 5),
        ("stamp-responses", "tsa_responses", "tsa/responses", 5),
    ):
        if not (place.files / folder).is_dir():
            continue
        Connection.objects.get_or_create(
            slug=slug,
            defaults={
                "kind": kind,
                "location": str(place.files / folder),
                "check_every_minutes": minutes,
                "created_at": clock.now(),
            },
        )
    demo_usage.ensure_sampling(Connection.objects.get(slug="cloudflare-logs"))


def ensure_stamp_contract(place: Place) -> None:
    """A contract of a year with the simulated TSA, from the first simulated month on."""
    record = read_record(place.files)
    if record is None or TsaContract.objects.exists():
        return
    start = record.state.origin.date()
    write_contract(
        contract=Contract(
            name="Stamping, one year",
            service_provider_name="Meridian Stamping TSA",
            valid_from=start,
            valid_until=start.replace(year=start.year + 1),
            commitment=96_000,
            fee=Decimal(7680),
            overage_price=Decimal("0.11"),
            tiers=(Tier(Decimal(20_000), Decimal("0.09")),),
            currency=settings.REPORTING_CURRENCY,
        ),
        reason="The contract of the demo.",
        by=None,
    )


def ensure_usage_connection(place: Place, api_url: str) -> None:
    """The stand-in of Cloudflare's API as a connection; its port is another one at each start."""
    seed = _seed(place)
    about = {
        "account": cloudflare_usage.account_id(seed),
        "zones": list(cloudflare_usage.zone_ids(seed)),
        "token_env": TOKEN_VARIABLE,
    }
    Connection.objects.update_or_create(
        slug="cloudflare-usage",
        defaults={"location": api_url, "settings": about},
        create_defaults={
            "kind": "cloudflare_usage",
            "location": api_url,
            "settings": about,
            "check_every_minutes": 5,
            "created_at": clock.now(),
        },
    )


def stand_in_args(place: Place, port: int) -> list[str]:
    """What starts the stand-in of Cloudflare's API for the company of the demo's files."""
    args = ["-m", "simulator.cloudflare_api", "--port", str(port)]
    args += ["--seed", str(_seed(place)), "--billable"]
    hours = int(settings.CLOCK_OFFSET.total_seconds() // 3600)
    return [*args, "--clock-offset-hours", str(hours)]


def _seed(place: Place) -> int:
    record = read_record(place.files)
    return record.state.seed if record else 0


def _ingest(source: str, folder: Path) -> None:
    """Run `ingest`; rows that were put aside are no reason to stop."""
    try:
        call_command("ingest", source=source, location=str(folder))
    except SystemExit as end:
        if end.code != LOADED_IN_PART:
            raise


def digest(folder: Path) -> str:
    """Changes when a file is added, removed or written again."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        about = path.stat()
        digest.update(
            f"{path.relative_to(folder)}\0{about.st_size}\0{about.st_mtime_ns}\n".encode()
        )
    return digest.hexdigest()


# --- the end -----------------------------------------------------------------------------------------


def reset(place: Place) -> None:
    """Remove what the demo made, by name and in its folder only."""
    for folder in (place.lake, place.files):
        shutil.rmtree(folder, ignore_errors=True)
    for suffix in ("", "-wal", "-shm"):
        place.database.with_name(place.database.name + suffix).unlink(missing_ok=True)
    place.loaded.unlink(missing_ok=True)
    place.users.unlink(missing_ok=True)
