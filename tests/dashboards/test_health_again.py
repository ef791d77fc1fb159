"""Data health: finding one's way on the page, and reading again what was put aside."""

from __future__ import annotations

import re

from finops import clock, job_table
from finops.models import Alert, Job
from ingestion.models import Connection, Delivery, Source
from ingestion.services import collect
from ingestion.usage_models import LogObject
from tests.dashboards.test_health import NOW, PAGE, connect_bills, text, words, words_after
from tests.log_objects import request, write


def test_the_grid_is_one_stop_of_the_tab_key_and_says_each_reason_without_a_pointer(alice):
    grid = text(alice).split("data-days>")[1].split("</table>")[0]
    assert grid.count('tabindex="0"') == 1
    assert grid.count('role="gridcell"') == grid.count("data-reason") > 31
    assert "title=" not in grid


def test_the_contents_say_what_wants_a_look(alice):
    connect_bills()
    Connection.objects.update(problem="No access.")
    job_table.enqueue(kind="collect", subject="bills")
    page = text(alice)
    contents = page.split('class="contents"')[1].split("</nav>")[0]
    shown = " ".join(re.sub(r"<[^>]+>", " ", contents).split())
    assert "Alerts none open" in shown
    assert "Connections 1 with a problem" in shown
    assert "Background work 1 under way" in shown
    assert "Reconciliation 2 agree" in shown
    for anchor in re.findall(r'href="#([\w-]+)"', contents):
        assert f'id="{anchor}"' in page, anchor


def test_a_delivery_that_is_being_loaded_says_how_far_it_is(alice):
    place = connect_bills()
    Source.objects.filter(kind="aws_cur").update(connection=place)
    delivery = Delivery.objects.filter(source__kind="aws_cur").first()
    assert delivery
    Delivery.objects.filter(pk=delivery.pk).update(state="loading")
    job_table.enqueue(kind="collect", subject="bills")
    job = job_table.claim(worker="w", now=clock.now())
    assert job
    job_table.heartbeat(job, stage="reading", done=1, total=4, rows=480_000)
    row = text(alice).split('id="deliveries-deliveries"')[1].split(delivery.key)[0]
    assert "loading" in row
    assert '<progress max="100" value="25"' in row


def logs_with_a_bad_line(folder, name: str = "a.log") -> LogObject:
    place, _ = Connection.objects.get_or_create(
        slug="logs",
        defaults={
            "kind": "cloudflare_logpush",
            "location": str(folder),
            "created_at": clock.now(),
        },
    )
    write(folder, name, request(1), request(2, EdgeStartTimestamp="soon"), "no line")
    collect(connection=place)
    return LogObject.objects.get(key=name)


def test_lines_put_aside_stand_on_a_page_with_why_they_cannot_be_retried(erin, alice, tmp_path):
    row = logs_with_a_bad_line(tmp_path / "logs")
    url = f"{PAGE}put-aside/"
    assert "2 lines or objects put aside" in words(alice)
    page = text(erin, url)
    assert page.count("it is kept redacted, for privacy: its object is read instead") == 1
    assert f'action="{PAGE}objects/{row.pk}/again/"' in page
    assert "Read the object again" not in text(alice, url), "who only reads has no button"
    csv = alice.get(f"{url}?format=csv").content.decode("utf-8-sig").splitlines()
    assert len(csv) == 3
    assert "EdgeStartTimestamp" in csv[1]
    (tmp_path / "logs" / "a.log").unlink()
    page = text(erin, url)
    assert "it no longer lies at its place" in page
    assert f'action="{PAGE}objects/{row.pk}/again/"' not in page


def test_an_object_is_read_again_at_the_push_of_a_button(erin, tmp_path):
    row = logs_with_a_bad_line(tmp_path / "logs")
    said = words_after(erin, f"{PAGE}objects/{row.pk}/again/")
    job = Job.objects.get(kind="read-again")
    assert f"Job {job.pk} reads a.log again" in said
    assert job.arguments == {"object": row.pk}
    (tmp_path / "logs" / "a.log").unlink()
    assert "no longer lies at its place" in words_after(erin, f"{PAGE}objects/{row.pk}/again/")


def test_the_page_of_lines_put_aside_asks_as_often_for_many_objects_as_for_one(
    erin, tmp_path, django_assert_max_num_queries
):
    for number in range(6):
        logs_with_a_bad_line(tmp_path / "logs", f"{number}.log")
    text(erin, f"{PAGE}put-aside/")
    with django_assert_max_num_queries(12):
        text(erin, f"{PAGE}put-aside/")


def test_tokens_put_aside_are_read_again_from_their_objects(erin, tmp_path):
    place = Connection.objects.create(
        slug="stamps", kind="tsa_ndjson", location=str(tmp_path), created_at=clock.now()
    )
    (tmp_path / "day.ndjson").write_text("no json\n")
    collect(connection=place)
    delivery = Delivery.objects.get(source__connection=place)
    url = f"{PAGE}deliveries/{delivery.pk}/"
    page = words(erin, f"{url}rejects/")
    assert "Read the objects again" in page
    assert "kept redacted and cut, for privacy" in page
    said = words_after(erin, f"{url}again/")
    assert "reads the objects behind tsa-ndjson" in said
    assert Job.objects.get().arguments == {"delivery": delivery.pk}


def test_rows_that_were_sent_by_api_say_who_sends_them_again(erin):
    source = Source.objects.create(
        slug="sent", kind="usage_api", identity="x", name="Sent", created_at=clock.now()
    )
    delivery = Delivery.objects.create(
        source=source, key="usage/1", rows=1, rejected_rows=1, discovered_at=clock.now()
    )
    page = words(erin, f"{PAGE}deliveries/{delivery.pk}/rejects/")
    assert "who sent it sends the corrected rows again" in page
    said = words_after(erin, f"{PAGE}deliveries/{delivery.pk}/again/")
    assert "cannot be read again: it was sent by API" in said


def test_an_alert_stands_on_the_page_and_in_the_header_and_is_acknowledged(erin):
    alert = Alert.objects.create(
        kind="stale-source",
        subject="bills",
        severity="warning",
        sentence="Bills <b>are</b> late.",
        first_seen=NOW,
        last_seen=NOW,
    )
    page = text(erin)
    assert "1 alert</a>" in page
    assert "Bills &lt;b&gt;are&lt;/b&gt; late." in page
    assert "nobody has acknowledged it as it is now" in page
    answer = erin.post(f"{PAGE}alerts/{alert.pk}/acknowledge/", follow=True)
    assert b"You acknowledged the alert stale-source bills" in answer.content
    assert "erin, " in words(erin)
    assert f"acknowledge-{alert.pk}" not in text(erin)
    held = alert.acknowledgements.get()
    held.lapsed_at, held.lapsed_because = clock.now(), "it grew from 2 to 9"
    held.save()
    Alert.objects.update(acknowledged_at=None, acknowledged_by=None)
    assert f"acknowledge-{alert.pk}" in text(erin)
    assert "erin had seen it on" in words(erin)
    assert "it grew from 2 to 9." in words(erin)
    alert.resolved_at = clock.now()
    alert.save()
    answer = erin.post(f"{PAGE}alerts/{alert.pk}/acknowledge/", follow=True)
    assert b"This alert is over already" in answer.content
