"""What was put aside is read again from its object: what can be read by now counts once, the rest stays."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops import clock, job_table
from finops.models import Job, Tenant
from finops.runner import Runner
from ingestion.models import Connection, Delivery, RejectedRow, Source
from ingestion.requests import request_object, request_stamps
from ingestion.rereading import (
    RereadRefusedError,
    refusals,
    reread_log,
    reread_stamps,
    stamps_refusal,
)
from ingestion.services import collect
from ingestion.tsa_models import KIND, TsaToken
from ingestion.usage_models import LogDay, LogObject, RejectedLine, UsageDay
from tests.ingestion.stamps import NOW as STAMPED
from tests.ingestion.stamps import response
from tests.ingestion.stamps import write as write_stamp
from tests.log_objects import START, request, total, write

pytestmark = pytest.mark.django_db


def object_row() -> LogObject:
    return LogObject.objects.select_related("source__connection").get()


@pytest.fixture
def logs(tmp_path: Path) -> Connection:
    (tmp_path / "logs").mkdir()
    return Connection.objects.create(
        slug="logs",
        kind="cloudflare_logpush",
        location=str(tmp_path / "logs"),
        created_at=clock.now(),
    )


@pytest.fixture
def ahead(logs: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """Three lines, the last of them stamped by a clock that runs a day ahead."""
    monkeypatch.setattr(clock, "now", lambda: START + timedelta(hours=1))
    lines = (request(1), request(2), request(3, seconds=86_400))
    write(Path(logs.location), "a.log", *lines)
    collect(connection=logs)
    assert (object_row().lines, object_row().rejected, total("requests")) == (3, 1, 2)
    return logs


def a_day_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: START + timedelta(hours=25))


def test_a_line_that_can_be_read_by_now_counts_and_the_others_count_no_second_time(
    ahead, monkeypatch
):
    before = object_row()
    assert "0 lines count more now; 1 stays put aside" in reread_log(before)
    assert (object_row().rejected, total("requests")) == (1, 2)
    a_day_later(monkeypatch)
    assert "1 line counts more now; 0 stay put aside" in reread_log(object_row())
    after = object_row()
    assert (after.pk, after.lines, after.rejected, after.duplicates) == (before.pk, 3, 0, 0)
    assert after.last_event == START + timedelta(days=1)
    assert not RejectedLine.objects.exists()
    assert total("requests") == 3
    days = UsageDay.objects.filter(metric="requests").order_by("day").values_list("quantity")
    assert [quantity for (quantity,) in days] == [Decimal(2), Decimal(1)]
    assert "0 lines count more now; 0 stay" in reread_log(object_row())
    assert total("requests") == 3


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(["good", "bad", "ahead", "double"]), min_size=1, max_size=8))
def test_a_second_reading_gives_what_a_first_one_would_give_now(tmp_path_factory, kinds):
    folder = tmp_path_factory.mktemp("logs")
    lines: dict[str, Any] = {
        "good": request,
        "bad": lambda n: request(n, EdgeStartTimestamp="soon"),
        "ahead": lambda n: request(n, seconds=86_400),
        "double": lambda _: request(0),
    }
    write(folder / "a", "x.log", *(lines[kind](n + 1) for n, kind in enumerate(kinds)))
    write(folder / "b", "x.log", *(lines[kind](n + 1) for n, kind in enumerate(kinds)))
    with pytest.MonkeyPatch.context() as patch:
        rows = {}
        for name, hours in (("a", (1, 25)), ("b", (25,))):
            place, _ = Connection.objects.get_or_create(
                slug=f"{folder.name}-{name}",
                kind="cloudflare_logpush",
                location=str(folder / name),
                created_at=START,
            )
            for number, hour in enumerate(hours):
                moment = START + timedelta(hours=hour)
                patch.setattr(clock, "now", lambda moment=moment: moment)
                if number == 0:
                    collect(connection=place)
                    continue
                reread_log(
                    LogObject.objects.select_related("source__connection").get(
                        source__connection=place
                    )
                )
            row = LogObject.objects.get(source__connection=place)
            sums = UsageDay.objects.filter(source=row.source, metric="requests").order_by("day")
            rows[name] = (
                (row.state, row.lines, row.rejected, row.duplicates),
                list(sums.values_list("day", "quantity")),
                list(row.rejects.values_list("line", flat=True)),
            )
    assert rows["a"] == rows["b"]


def test_an_object_that_is_gone_or_was_changed_is_not_read_again(ahead):
    row, path = object_row(), Path(ahead.location) / "a.log"
    kept = path.read_bytes()
    path.unlink()
    assert refusals([row]) == {row.pk: "it no longer lies at its place"}
    with pytest.raises(RereadRefusedError, match="no longer lies at its place"):
        reread_log(row)
    path.write_bytes(kept + b"\n")
    with pytest.raises(RereadRefusedError, match="other bytes lie there by now"):
        reread_log(row)
    assert total("requests") == 2


def test_an_object_whose_keys_were_let_go_is_not_read_again(ahead):
    row = object_row()
    LogDay.objects.update(keys_left_at=clock.now())
    assert "keys of its day were let go" in refusals([row])[row.pk]
    with pytest.raises(RereadRefusedError, match="could count twice"):
        reread_log(row)
    assert (object_row().rejected, total("requests")) == (1, 2)


def test_an_object_without_a_connection_cannot_be_found(ahead):
    Source.objects.update(connection=None)
    row = object_row()
    assert "no connection says where it lies" in refusals([row])[row.pk]
    with pytest.raises(job_table.JobRefusedError, match="no connection says where it lies"):
        request_object(row=row)


def test_refusals_take_one_query_for_many_objects(ahead, django_assert_num_queries):
    for number in range(5):
        write(Path(ahead.location), f"{number}.log", request(10 + number))
    collect(connection=ahead)
    rows = list(LogObject.objects.select_related("source__connection"))
    with django_assert_num_queries(1):
        assert refusals(rows) == {}


@pytest.mark.django_db(transaction=True)
def test_the_job_reads_it_again_and_says_what_came_of_it(ahead, monkeypatch):
    a_day_later(monkeypatch)
    job = request_object(row=object_row())
    with pytest.raises(job_table.JobRefusedError, match="read again already"):
        request_object(row=object_row())
    assert Runner(worker="here:1").work_one()
    job.refresh_from_db()
    assert (job.state, job.result) == ("done", "a.log: 1 line counts more now; 0 stay put aside.")
    gone = request_object(row=object_row())
    LogObject.objects.all().delete()
    assert Runner(worker="here:1").work_one()
    assert "no longer known here" in Job.objects.get(pk=gone.pk).error


# --- time stamps -------------------------------------------------------------------------------------


@pytest.fixture
def stamps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(clock, "now", lambda: STAMPED)
    Tenant.objects.create(slug="acme", name="Acme", first_seen=STAMPED)
    (tmp_path / "stamps").mkdir()
    return Connection.objects.create(
        slug="stamps",
        kind="tsa_ndjson",
        location=str(tmp_path / "stamps"),
        created_at=STAMPED,
    )


def token(number: int, at: str = "2026-04-30T08:00:00Z") -> str:
    return f'{{"sha256": "{number:064x}", "at": "{at}", "status": "granted", "tenant": "acme"}}\n'


def test_tokens_that_can_be_read_by_now_count_and_leave_the_rows_put_aside(stamps, monkeypatch):
    folder = Path(stamps.location)
    late = STAMPED + timedelta(days=1)
    lines = token(1) + token(2, f"{late:%Y-%m-%dT%H:%M:%SZ}") + "no json\n"
    write_stamp(folder, "day.ndjson", lines)
    write_stamp(folder, "other.ndjson", "no json either\n" + token(3))
    collect(connection=stamps)
    delivery = Delivery.objects.select_related("source__connection").get()
    assert (delivery.rejected_rows, TsaToken.objects.count()) == (3, 2)
    assert "0 tokens count more now; 3 stay put aside" in reread_stamps(delivery)
    monkeypatch.setattr(clock, "now", lambda: late + timedelta(hours=1))
    job = request_stamps(delivery=delivery)
    assert Runner(worker="here:1").work_one()
    job.refresh_from_db()
    assert job.result == "2 objects read again: 1 token counts more now; 2 stay put aside."
    delivery.refresh_from_db()
    assert (delivery.rows, delivery.rejected_rows) == (4, 2)
    assert sorted(RejectedRow.objects.values_list("file", "line")) == [
        ("day.ndjson", 3),
        ("other.ndjson", 1),
    ]
    assert TsaToken.objects.count() == 3
    total_rows = sum(Delivery.objects.values_list("rows", flat=True))
    assert total_rows == 5, "a row is counted once, wherever it stands"


def test_a_response_whose_file_beside_it_was_mended_is_read_again(stamps):
    stamps.kind = "tsa_responses"
    stamps.save()
    folder = Path(stamps.location)
    write_stamp(folder, "inbox/1.tsr", response(1))
    write_stamp(folder, "inbox/1.tsr.json", "{")
    collect(connection=stamps)
    delivery = Delivery.objects.select_related("source__connection").get()
    assert list(RejectedRow.objects.values_list("file", flat=True)) == ["inbox/1.tsr.json"]
    write_stamp(folder, "inbox/1.tsr.json", {"tenant": "acme"})
    assert "0 stay put aside" in reread_stamps(delivery)
    assert not RejectedRow.objects.exists()
    assert TsaToken.objects.get().tenant == "acme"


def test_objects_that_are_gone_leave_their_rows_put_aside(stamps):
    path = write_stamp(Path(stamps.location), "day.ndjson", "no json\n")
    collect(connection=stamps)
    delivery = Delivery.objects.select_related("source__connection").get()
    path.unlink()
    with pytest.raises(RereadRefusedError, match="None of the objects behind these rows"):
        reread_stamps(delivery)
    assert RejectedRow.objects.count() == 1


def test_what_was_sent_by_api_is_sent_again_by_who_sent_it(stamps):
    source = Source.objects.create(
        slug="tsa-x", kind=KIND, identity="x", name="Time stamps of x", created_at=STAMPED
    )
    delivery = Delivery.objects.create(
        source=source, key="tsa/2026-04-30", rejected_rows=1, discovered_at=STAMPED
    )
    assert stamps_refusal(delivery).startswith("it was sent by API")
    with pytest.raises(job_table.JobRefusedError, match="sends the corrected rows again"):
        request_stamps(delivery=delivery)
