"""Responses and records in folders and buckets: found anew at each look, each counted once, the bad ones named."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from finops import clock
from finops.models import Tenant
from ingestion import tsa_taking
from ingestion.core.tsa import RefusedError
from ingestion.core.tsa_tenants import RulesError, TenantRules, read_sidecar, rules_of, tenant_of
from ingestion.models import Connection, RejectedRow, Source
from ingestion.services import collect, ingest
from ingestion.tsa_models import TenantAssets, TsaObject, TsaToken
from tests.ingestion.stamps import DATA, NOW, rejected, response, sums, write

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _on_30_april(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for slug in ("acme", "globex"):
        Tenant.objects.create(slug=slug, name=slug.title(), first_seen=NOW)
    folder = tmp_path / "stamps"
    folder.mkdir()
    return folder


def look(place: Path, kind: str = "tsa_responses", **more):
    return ingest(kind=kind, location=str(place), **more)


def connect(place: Path, kind: str = "tsa_responses", **settings) -> Connection:
    return Connection.objects.create(
        slug="stamps", kind=kind, location=str(place), settings=settings, created_at=NOW
    )


def reasons() -> list[str]:
    return sorted(RejectedRow.objects.values_list("reason", flat=True))


# --- responses ---------------------------------------------------------------------------------------


def test_a_response_is_the_tenants_whose_folder_it_lies_in(place):
    write(place, "acme/2026/1.tsr", response(1))
    write(place, "globex/1.tsr", response(2))
    write(place, "acme/readme.txt", "no response")
    report = look(place)
    assert report.exit_code == 0
    assert sums() == {"acme": (1, 0, 0), "globex": (1, 0, 0)}
    assert TsaToken.objects.get(tenant="acme").at == datetime(2026, 4, 28, 8, 1, tzinfo=UTC)


def test_a_second_look_reads_only_what_is_new(place):
    write(place, "acme/1.tsr", response(1))
    look(place)
    write(place, "acme/2.tsr", response(2))
    assert [outcome.rows for outcome in look(place).outcomes] == [1]
    assert look(place).outcomes[0].status == "unchanged"
    assert sums() == {"acme": (2, 0, 0)}


def test_a_copy_under_another_key_counts_nothing(place):
    write(place, "acme/1.tsr", response(1))
    write(place, "acme/copy/1.tsr", response(1))
    look(place)
    look(place, again=True)
    assert sums() == {"acme": (1, 0, 0)}


def test_rejections_of_the_same_bytes_are_as_many_as_there_are_files(place):
    write(place, "acme/1.tsr", rejected("No."))
    write(place, "acme/2.tsr", rejected("No."))
    write(place, "acme/3.tsr", (DATA / "rejected.tsr").read_bytes())
    look(place)
    look(place, again=True)
    assert sums() == {"acme": (0, 3, 0)}


def test_a_response_of_nobody_counts_and_a_file_beside_it_says_later_whose_it_is(place):
    write(place, "inbox/1.tsr", response(1))
    look(place)
    assert sums() == {"": (1, 0, 0)}
    write(place, "inbox/1.tsr.json", {"tenant": "acme"})
    look(place)
    assert sums() == {"acme": (1, 0, 0)}


def test_a_file_beside_that_says_nothing_usable_is_put_aside_and_its_response_counts(place):
    write(place, "acme/1.tsr", response(1))
    write(place, "acme/1.tsr.json", "[[[[")
    assert look(place).exit_code == 1
    assert sums() == {"acme": (1, 0, 0)}
    assert reasons() == ["acme/1.tsr.json: it is not JSON."]


def test_how_soon_stamps_are_late_is_by_how_they_come(place):
    write(place, "acme/1.tsr", response(1))
    look(place)
    assert Source.objects.get().expected_every_hours == 6
    write(place / "records", "day.ndjson", "{}\n")
    look(place / "records", "tsa_ndjson")
    assert Source.objects.get(kind="tsa_ndjson").expected_every_hours == 36, "a file comes each day"


def test_settings_of_the_connection_say_whose_what_is(place):
    write(place, "eu/acme/1.tsr", response(1))
    write(place, "eu/customer-17/1.tsr", response(2))
    collect(connection=connect(place, tenant_part=2, tenants={"eu/customer-17/": "globex"}))
    assert sums() == {"acme": (1, 0, 0), "globex": (1, 0, 0)}
    assert Source.objects.get().connection is not None


def test_settings_that_cannot_be_are_said_on_the_connection(place):
    write(place, "acme/1.tsr", response(1))
    connection = connect(place, tenant_depth=2)
    collect(connection=connection)
    connection.refresh_from_db()
    assert "There is no setting tenant_depth" in connection.problem
    assert sums() == {}


def test_what_is_no_response_is_put_aside_once_and_stops_nothing(place):
    write(place, "acme/0.tsr", b"")
    write(place, "acme/1.tsr", b"not DER")
    write(place, "acme/2.tsr", bytes(10 << 20))
    write(place, "acme/3.tsr", response(3)[:-3])
    write(place, "acme/4.tsr", response(4, at=datetime(2027, 1, 1, tzinfo=UTC)))
    write(place, "acme/5.tsr", response(5))
    report = look(place)
    assert report.exit_code == 1
    assert sums() == {"acme": (1, 0, 0)}
    found = reasons()
    assert len(found) == 5
    assert all(reason.startswith("acme/") for reason in found)
    assert "larger than 64 kB" in found[2]
    look(place)
    look(place, again=True)
    assert reasons() == found


def test_a_mended_response_is_read(place):
    write(place, "acme/1.tsr", response(1)[:-3])
    look(place)
    write(place, "acme/1.tsr", response(1))
    look(place)
    assert sums() == {"acme": (1, 0, 0)}


def test_a_link_that_leads_out_of_the_folder_is_not_read(place, tmp_path):
    secret = write(tmp_path, "secret.tsr", response(1))
    (place / "acme").mkdir()
    (place / "acme" / "1.tsr").symlink_to(secret)
    report = look(place)
    assert "leads out of the folder" in report.outcomes[0].sentence
    assert (sums(), TsaObject.objects.count()) == ({}, 0)


def test_a_look_that_is_killed_goes_on_where_it_was(place, monkeypatch):
    for number in range(5):
        write(place, f"acme/{number}.tsr", response(number))
    monkeypatch.setattr(tsa_taking, "_AT_ONCE", 2)
    told = []

    class Killed(BaseException):
        pass

    def until_killed(stage: str, done: int, total: int) -> None:
        told.append(done)
        if len(told) == 4:
            raise Killed

    with pytest.raises(Killed):
        look(place, progress=until_killed)
    assert sums() == {"acme": (2, 0, 0)}
    look(place)
    assert sums() == {"acme": (5, 0, 0)}
    assert TsaObject.objects.count() == 5


def test_an_empty_or_missing_place_is_said(place, tmp_path):
    assert "nothing of this kind" in look(place).outcomes[0].sentence
    assert "no such folder" in look(tmp_path / "nowhere").outcomes[0].sentence


# --- records -----------------------------------------------------------------------------------------


def line(number: int, **changed) -> str:
    item = {
        "sha256": sha256(str(number).encode()).hexdigest(),
        "at": f"2026-04-28T08:{number % 60:02}:00Z",
        "tenant": "acme",
        **changed,
    }
    return json.dumps({name: value for name, value in item.items() if value is not None}) + "\n"


def test_records_and_assets_of_a_file_are_taken_and_bad_lines_put_aside_with_their_number(place):
    text = line(1) + "\n" + line(2, at="yesterday") + "{oops\n" + line(3) + "x" * 5000 + "\n"
    text += json.dumps({"tenant": "acme", "day": "2026-04-01", "assets": 500}) + "\n"
    write(place, "a.ndjson", text)
    report = look(place, "tsa_ndjson")
    assert report.exit_code == 1
    assert sums() == {"acme": (2, 0, 0)}
    assert TenantAssets.objects.get().assets == 500
    lines = dict(RejectedRow.objects.values_list("line", "reason"))
    assert set(lines) == {3, 4, 6}
    assert "at must be a moment" in lines[3]
    assert "not JSON" in lines[4]
    assert "longer than 4 kB" in lines[6]


def test_a_file_delivered_twice_or_packed_counts_once(place):
    text = (line(1) + line(2)).encode()
    write(place, "a.ndjson", text)
    write(place, "b.ndjson.gz", gzip.compress(text))
    look(place, "tsa_ndjson")
    look(place, "tsa_ndjson", again=True)
    assert sums() == {"acme": (2, 0, 0)}


def test_a_truncated_file_is_put_aside_and_counts_when_it_is_whole(place):
    packed = gzip.compress("".join(line(n) for n in range(50)).encode())
    write(place, "a.ndjson.gz", packed[:-20])
    assert look(place, "tsa_ndjson").exit_code == 2
    assert "cut off" in reasons()[0]
    write(place, "a.ndjson.gz", packed)
    look(place, "tsa_ndjson")
    assert sums() == {"acme": (50, 0, 0)}


def test_a_large_file_is_read_in_pieces_and_is_done_with_its_last_one(place, monkeypatch):
    from ingestion.sources import tsa_ndjson

    monkeypatch.setattr(tsa_ndjson, "_LINES_AT_ONCE", 10)
    write(place, "a.ndjson", "".join(line(n) for n in range(25)))
    look(place, "tsa_ndjson")
    assert sums() == {"acme": (25, 0, 0)}
    assert TsaObject.objects.count() == 1


# --- rules -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "rules", "slug"),
    [
        ("acme/x.tsr", TenantRules(), "acme"),
        ("Acme Corp/2026/x.tsr", TenantRules(), "acme-corp"),
        ("x.tsr", TenantRules(), ""),
        ("eu/acme/x.tsr", TenantRules(part=2), "acme"),
        ("acme/x.tsr", TenantRules(part=0), ""),
        ("acme/x.tsr", TenantRules(part=2), ""),
        ("c/17/x.tsr", TenantRules(prefixes=(("c/17/", "acme"), ("c/", "globex"))), "acme"),
    ],
)
def test_a_key_names_a_tenant(key, rules, slug):
    assert tenant_of(key, rules) == slug


@pytest.mark.parametrize(
    "said",
    [
        {"tenant_part": -1},
        {"tenant_part": True},
        {"tenants": ["acme"]},
        {"tenants": {"a/": "Not A Slug"}},
        {"account": 7},
        {"password": "x"},
    ],
)
def test_settings_that_say_nothing_usable_are_refused(said):
    with pytest.raises(RulesError):
        rules_of(said)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 4000,
        b'"acme"',
        b'{"tenant": "../acme"}',
        b'{"tenant": 1}',
        b'{"x": 1}',
        b'{"at": "now"}',
        b'{"at": "2026-01-01T00:00:00"}',
        b" " * 5000,
    ],
)
def test_a_file_beside_that_cannot_be_read_is_refused(content):
    with pytest.raises(RefusedError):
        read_sidecar(content)
