"""Data health: what has come, what is under way, the buttons, and what newer deliveries changed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.presenters.sources import sources_table
from finops import clock, job_table
from finops.models import Job
from ingestion.core.grid import DayState, bill_days, revenue_days
from ingestion.models import Connection, Delivery, Load, Source
from ingestion.selectors import SourceFreshness
from ingestion.services import collect
from tests.cur_export import Export, line
from tests.dashboards.troubles import load_restatement
from tests.dashboards.usage import load_usage
from tests.dashboards.world import load_rejects

NOW = datetime(2026, 4, 20, 12, tzinfo=UTC)
PAGE = "/data-health/"


def text(client, url: str = PAGE) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return str(response.content.decode())


def words(client, url: str = PAGE) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text(client, url)).split())


def connect_bills(location: str = "/srv/bills") -> Connection:
    return Connection.objects.create(
        slug="bills", kind="aws_cur", location=location, created_at=clock.now()
    )


# --- the grid ------------------------------------------------------------------------------------------


def states(through: datetime | None, days: list[int], *, lines: set[int]) -> list[str]:
    cells = bill_days(
        [date(2026, 4, day) for day in days],
        with_lines={date(2026, 4, day) for day in lines},
        loaded_months={date(2026, 4, 1)},
        first_month=date(2026, 4, 1),
        data_through=through,
        expected_every=timedelta(hours=36),
        now=NOW,
    )
    assert all(cell.reason for cell in cells)
    return [cell.state.value for cell in cells]


def test_a_day_is_complete_partial_due_late_or_missing():
    through = datetime(2026, 4, 17, 9, tzinfo=UTC)
    found = states(through, [14, 15, 16, 17, 18, 19, 20], lines={14, 16, 17})
    assert found == ["complete", "missing", "complete", "partial", "late", "due", "due"]


def test_before_the_first_bill_nothing_is_expected():
    cells = bill_days(
        [date(2026, 3, 31)],
        with_lines=(),
        loaded_months={date(2026, 4, 1)},
        first_month=date(2026, 4, 1),
        data_through=NOW,
        expected_every=timedelta(hours=36),
        now=NOW,
    )
    assert cells[0].state is DayState.OUTSIDE


def test_a_month_that_is_not_loaded_is_named():
    (cell,) = bill_days(
        [date(2026, 4, 3)],
        with_lines=(),
        loaded_months={date(2026, 3, 1), date(2026, 5, 1)},
        first_month=date(2026, 3, 1),
        data_through=datetime(2026, 5, 4, tzinfo=UTC),
        expected_every=timedelta(hours=36),
        now=datetime(2026, 5, 5, tzinfo=UTC),
    )
    assert (cell.state, cell.reason) == (DayState.MISSING, "the bill of 2026-04 is not loaded")


@given(st.sets(st.integers(1, 30)), st.integers(1, 30), st.integers(0, 23))
def test_every_day_has_a_state_and_only_days_with_lines_are_complete(lines, day, hour):
    days = list(range(1, 31))
    found = states(datetime(2026, 4, day, hour, tzinfo=UTC), days, lines=lines)
    for number, state in zip(days, found, strict=True):
        if state in {"complete", "partial"}:
            assert number in lines
        if state == "missing":
            assert number not in lines


def test_revenue_is_never_late():
    cells = revenue_days([date(2026, 4, 1), date(2026, 4, 2)], with_revenue={date(2026, 4, 1)})
    assert [cell.state.value for cell in cells] == ["complete", "outside"]


# --- the page ------------------------------------------------------------------------------------------


def test_the_page_says_whether_all_data_has_come(alice):
    page = words(alice)
    assert "Sources by day" in page
    assert "AWS bill (saas-hourly)" in page
    assert "All 2 control totals agree to the last digit" in page
    assert "No delivery has changed what was known before" in page
    assert "Load now" not in page


def test_an_empty_product_says_what_to_do(db, as_person):
    from tests.dashboards.world import person

    page = words(as_person(person("olga", "finance")))
    assert "No source has delivered yet" in page
    assert "load a bill, or let an admin add a connection" in page


def test_running_work_and_its_progress_survive_a_reload(alice):
    connect_bills()
    job_table.enqueue(kind="collect", subject="bills")
    job = job_table.claim(worker="w", now=clock.now())
    assert job
    job_table.heartbeat(job, stage="reading", done=1, total=4, rows=480_000)
    for url in (PAGE, PAGE, f"{PAGE}work/"):
        page = text(alice, url)
        assert "/srv/bills" in page
        assert "reading 25 %, 480,000 rows" in page
        assert '<progress max="100" value="25"' in page
        assert 'hx-trigger="every 2s"' in page
    job_table.fail(job, "The bucket <b>does not</b> answer.", final=True)
    page = text(alice, f"{PAGE}work/")
    assert "The bucket &lt;b&gt;does not&lt;/b&gt; answer." in page
    assert "every 2s" not in page
    assert "Nothing is under way any more" in page


# --- the buttons ---------------------------------------------------------------------------------------


def test_load_now_queues_one_load(erin):
    connect_bills()
    assert "Load now" in text(erin)
    said = words_after(erin, "/data-health/connections/bills/load/")
    job = Job.objects.get()
    assert f"Job {job.pk} loads what is new in bills." in said
    assert job.requested_by is not None
    assert job.requested_by.username == "erin"
    assert "a load is under way" in said
    again = words_after(erin, "/data-health/connections/bills/load/")
    assert "is under way already" in again
    assert Job.objects.count() == 1


def words_after(client, url: str, **data: str) -> str:
    response = client.post(url, data, follow=True)
    assert response.redirect_chain == [(PAGE, 302)]
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_a_backfill_names_its_months(erin):
    connect_bills()
    said = words_after(
        erin, f"{PAGE}backfill/", connection="bills", since="2026-01", until="2026-03", again="on"
    )
    assert "loads bills from 2026-01 to 2026-03." in said
    job = Job.objects.get()
    assert job.arguments == {"since": "2026-01", "until": "2026-03", "again": True, "whole": True}


@pytest.mark.parametrize(
    ("since", "until", "sentence"),
    [
        ("2026-13", "", "is not a month: write it as YYYY-MM"),
        ("2026-03", "2026-01", "The months are the wrong way round"),
    ],
)
def test_a_backfill_of_no_months_is_refused_with_a_sentence(erin, since, until, sentence):
    connect_bills()
    said = words_after(erin, f"{PAGE}backfill/", connection="bills", since=since, until=until)
    assert sentence in said
    assert not Job.objects.exists()
    nowhere = words_after(erin, f"{PAGE}backfill/", connection="<i>")
    assert "There is no connection" in nowhere


def test_a_job_is_cancelled_and_tried_again(erin):
    connect_bills()
    job, _ = job_table.enqueue(kind="collect", subject="bills")
    assert "is cancelled" in words_after(erin, f"{PAGE}jobs/{job.pk}/cancel/")
    assert Job.objects.get().state == "cancelled"
    assert "does job" in words_after(erin, f"{PAGE}jobs/{job.pk}/retry/")
    assert sorted(Job.objects.values_list("state", flat=True)) == ["cancelled", "queued"]
    assert "under way already" in words_after(erin, f"{PAGE}jobs/{job.pk}/retry/")
    running = job_table.claim(worker="w", now=clock.now())
    assert running
    assert "stops at its next step" in words_after(erin, f"{PAGE}jobs/{running.pk}/cancel/")
    assert "it is stopping" in text(erin)


def test_a_delivery_with_rejects_is_read_again_from_its_connection(erin, tmp_path):
    bill = Export(
        [line("10", tenant="acme"), line("x", tenant="acme")], export="other", arn="arn:o"
    )
    connection = connect_bills(str(bill.write(tmp_path / "bill")))
    collect(connection=connection)
    delivery = Delivery.objects.get(source__connection=connection)
    assert delivery.rejected_rows == 1
    url = f"{PAGE}deliveries/{delivery.pk}/"
    assert "Read again" in text(erin, f"{url}rejects/")
    assert "again." in words_after(erin, f"{url}again/")
    job = Job.objects.get()
    assert job.arguments == {
        "since": "2026-04",
        "until": "2026-04",
        "again": True,
        "whole": True,
    }
    from finops.runner import Runner

    assert Runner(worker="here:1").work_one()
    job.refresh_from_db()
    assert "1 loaded" in job.result
    assert Load.objects.filter(delivery=delivery).count() == 2


def test_what_was_loaded_by_hand_says_how_to_read_it_again(erin, tmp_path):
    load_rejects(tmp_path)
    page = text(erin)
    assert "it was loaded by hand: use manage.py ingest --again" in page
    assert "deliver a corrected file" in page
    by_hand = Delivery.objects.filter(billing_period__isnull=False)[0]
    said = words_after(erin, f"{PAGE}deliveries/{by_hand.pk}/again/")
    assert "has no connection that its bills could be read from again" in said


# --- restatements --------------------------------------------------------------------------------------


@pytest.fixture
def restated(company, tmp_path) -> int:
    return load_restatement(tmp_path)


def test_a_restatement_is_told_with_its_amount_and_tenants(restated, alice):
    page = words(alice)
    assert "2026-04 was restated by −0.75 USD of effective cost on" in page
    assert "Acme and Globex" in page
    detail = words(alice, f"{PAGE}restatements/{restated}/")
    assert "1 day of the ledger was written again, 2 left as they were" in detail
    csv = alice.get(f"{PAGE}restatements/{restated}/?format=csv").content.decode("utf-8-sig")
    rows = [row.split(",") for row in csv.splitlines()]
    assert rows[1][:6] == ["Globex", "Compute", "USD", "2026-04-02", "2026-04-02", "1"]
    assert rows[-1][0] == "Total"
    assert rows[-1][-1] in {"-0.75", "-0.75000000"}


def test_a_replaced_delivery_leads_to_what_was_known_then(restated, alice):
    page = text(alice)
    assert "replaced; opens what was known then" in page
    found = re.search(r'href="(/tenants/\?period=2026-04&amp;as_of=[^"]+)"', page)
    assert found
    Load.objects.filter(state="superseded").update(
        committed_at=clock.now() - timedelta(hours=2),
        superseded_at=clock.now() - timedelta(hours=1),
    )
    Load.objects.filter(state="current", source__slug__contains="second").update(
        committed_at=clock.now() - timedelta(hours=1)
    )
    page = text(alice)
    link = re.search(r'href="(/tenants/\?period=2026-04&amp;as_of=[^"]+)"', page)
    assert link
    then = words(alice, link[1].replace("&amp;", "&"))
    assert "Bills as they were known on" in then


def test_a_source_that_is_switched_off_is_not_in_the_grid(alice):
    Source.objects.filter(kind="aws_cur").update(is_active=False)
    from django.core.cache import cache

    cache.clear()
    grid = text(alice).split('<table class="days"')[1].split("</table>")[0]
    assert "AWS bill" not in grid
    assert "day-complete" in grid, "revenue is still there"


def test_an_api_that_is_asked_has_a_row_in_the_grid(alice):
    load_usage()
    grid = text(alice).split('<table class="days"')[1].split("</table>")[0]
    row = grid.split(">Cloudflare usage<")[1].split("</tr>")[0]
    assert "30 Apr: partial, it was read until" in row
    assert "29 Apr: complete, all it tells was read" in row
    assert row.count("day-outside") == 29


def test_a_connection_that_is_looked_at_all_the_time_says_so(alice):
    connect_bills()
    Connection.objects.create(
        slug="logs",
        kind="cloudflare_logpush",
        location="/srv/logs",
        check_every_minutes=0,
        created_at=clock.now(),
    )
    page = words(alice)
    assert "/srv/logs all the time each round of the worker, about each minute" in page
    assert "/srv/bills every 60 minutes" in page
    Connection.objects.update(is_active=False)
    assert "/srv/logs only by hand" in words(alice)


def test_where_a_bill_is_missing_no_tenant_is_above_its_goal(alice):
    for query in ("period=2026-04&as_of=2026-01-01", "from=2026-02-01&to=2026-03-31"):
        page = words(alice, f"/tenants/?{query}")
        assert "no margins, because no bill is loaded for" in page
        assert "above goal" not in page
        statement = words(alice, f"/tenants/acme/?{query}&granularity=month")
        assert "has no gross margin for" in statement
        assert "above goal" not in statement
        assert "no bill is loaded for" in statement


# --- sources -------------------------------------------------------------------------------------------


def freshness_of(
    name: str, *, late: timedelta = timedelta(0), **changed: object
) -> SourceFreshness:
    values: dict[str, Any] = {
        "slug": name.lower(),
        "name": name,
        "newest": NOW,
        "fresh": not late,
        "reason": "",
        "kind": "aws_cur",
        "service_provider_name": "AWS",
        "expected_every_hours": 36,
        "last_delivery_at": NOW,
        "gives": "bills",
        "due_at": NOW,
        "late_by": late,
    }
    return SourceFreshness(**values | changed)


def test_sources_stand_in_the_order_of_their_lateness_with_what_is_expected():
    table = sources_table(
        [
            freshness_of("Bills"),
            freshness_of("Logs", late=timedelta(minutes=90), gives="logs"),
            freshness_of("New", newest=None, fresh=False, last_delivery_at=None),
            freshness_of("Revenue", gives="revenue", due_at=None),
            freshness_of("Tokens", late=timedelta(days=3), gives="tokens"),
        ]
    )
    found = [tuple(cell.value for cell in row.cells) for row in table.rows]
    assert [(row[0], row[1], row[2], row[6]) for row in found] == [
        ("Tokens", "tokens", "late", "3 days"),
        ("Logs", "logs", "late", "90 minutes"),
        ("Bills", "bills", "fresh", ""),
        ("New", "bills", "waiting", ""),
        ("Revenue", "revenue", "fresh", ""),
    ]
    assert found[4][4:6] == (None, None), "of revenue nothing is expected"
    assert table.rows[3].cells[3].reason == "nothing has been loaded yet"


def test_the_page_shows_each_source_with_what_it_delivers(alice):
    section = words(alice).split("how late it is")[1].split("Sources by day")[0]
    assert "AWS bill" in section
    assert "bills fresh" in section
    assert "revenue fresh" in section
    assert "it counts when it comes" in section


def test_an_icon_is_served_at_the_root_to_anyone(client, db):
    answer = client.get("/favicon.ico")
    assert answer.status_code == 302
    assert answer["Location"].endswith(".svg")
