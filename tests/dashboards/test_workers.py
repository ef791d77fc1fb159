"""Workers CPU: the sentence, the charts with their deployments, the downloads, and the looks on Data health."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from ingestion.cloudflare.store import Part, store_day
from ingestion.cloudflare_models import UsageHour
from ingestion.core.usage import UsageFact
from ingestion.models import Source
from tests.dashboards.test_pages import download, html, sheet, words
from tests.dashboards.usage import ACCOUNT, MIDNIGHT, load_usage

PAGE = "/workers-cpu/"
DAYS = f"{PAGE}?from=2026-04-29&to=2026-04-30"


@pytest.fixture
def usage(company) -> None:
    load_usage()


def figures(page: str) -> list[dict[str, Any]]:
    found = re.findall(r'<script id="figure-cpu-\d" type="application/json">(.*?)</script>', page)
    return [json.loads(text) for text in found]


def test_the_sentence_names_the_deployment_that_made_a_worker_heavier(usage, alice):
    page = words(alice, DAYS)
    assert "2 Workers used 0.3 hours of CPU for 1,224,132 requests in 29–30 Apr 2026" in page
    assert (
        "resizer uses 30.000 ms a request since its deployment of 30 Apr 00:20, 3.0 times the 10.000 ms before it."
        in page
    )


def test_each_chart_marks_the_deployments_of_its_own_worker(usage, alice):
    router, resizer = sorted(figures(html(alice, DAYS)), key=lambda f: len(f["layout"]["shapes"]))
    assert router["layout"]["shapes"] == []
    (mark,) = resizer["layout"]["shapes"]
    assert mark["x0"] == mark["x1"] == "2026-04-30 00:20"
    values = resizer["data"][0]["y"]
    assert (values[0], values[-1], len(values)) == (10.0, 30.0, 24)


def test_the_numbers_of_chart_table_and_downloads_are_the_same(usage, alice):
    page, rows, book = html(alice, DAYS), download(alice, DAYS), sheet(alice, DAYS)
    assert rows[0][:5] == [
        "Worker",
        "Hour (UTC)",
        "Requests",
        "CPU (ms)",
        "CPU per request (ms)",
    ]
    assert len(rows) == len(book) == 1 + 2 * 24
    resizer = [row for row in rows[1:] if row[0] == "resizer"]
    drawn = max(figures(page), key=lambda figure: max(figure["data"][0]["y"]))
    assert [float(row[4]) for row in resizer] == drawn["data"][0]["y"]
    for row in resizer:
        assert f"{int(row[2]):,}" in page


def test_a_deployment_stands_at_its_hour_and_its_message_is_never_a_formula(usage, alice):
    head, *every = download(alice, DAYS)
    deployed = head.index("Deployed")
    rows = [row for row in every if row[deployed]]
    assert [(row[1], row[deployed]) for row in rows] == [
        ("2026-04-30T00:00:00Z", "00:20 =Release 7")
    ]


def test_the_downloads_say_which_figures_are_estimates(usage, alice):
    UsageHour.objects.filter(script="router").update(is_sampled=False)
    head, *rows = download(alice, DAYS)
    assert head[-1] == "Sampled"
    assert {(row[0], row[-1]) for row in rows} == {("resizer", "yes"), ("router", "no")}


def test_over_more_than_a_week_points_are_days(usage, alice):
    rows = download(alice, f"{PAGE}?period=2026-04")
    assert rows[0][1] == "Day (UTC)"
    assert [row[1][:10] for row in rows[1:] if row[0] == "router"] == ["2026-04-29", "2026-04-30"]


def test_without_a_sum_of_cpu_time_none_is_told_and_none_invented(company, alice):
    load_usage(with_cpu=False)
    page = words(alice, DAYS)
    assert "their CPU time is not known" in page
    assert "Cloudflare gave no sum of CPU time" in page
    rows = download(alice, DAYS)
    assert {row[4] for row in rows[1:]} == {""}
    assert {row[5] for row in rows[1:] if row[0] == "router"} == {"0.5"}


def test_without_any_usage_the_page_says_how_it_comes(company, alice):
    page = words(alice, PAGE)
    assert "No usage of a Worker is known for 24–30 Apr 2026." in page
    assert "An admin adds a connection" in page


def test_the_newest_days_are_there_although_no_bill_covers_them(usage, alice):
    from ingestion.models import Load

    Load.objects.all().update(data_through="2026-04-20T00:00:00Z")
    assert "resizer" in words(alice, PAGE)


def test_a_period_that_is_too_long_is_one_sentence(company, alice):
    page = words(alice, f"{PAGE}?from=2025-01-01&to=2026-04-30", 400)
    assert "This page holds at most 100 days, this period has 485: choose a shorter one." in page


def test_the_page_asks_a_fixed_number_of_queries(usage, alice, django_assert_max_num_queries):
    html(alice, DAYS)
    with django_assert_max_num_queries(10):
        html(alice, DAYS)


def test_data_health_tells_the_newest_look_and_what_it_cannot_tell(usage, alice):
    page = words(alice, "/data-health/")
    assert "Usage by API" in page
    assert "sum of CPU time" in page
    assert "cannot tell billable usage: no (forbidden)" in page
    assert "window 2026-04-30 00:00 to 2026-04-30 12:00" in page
    assert "workersInvocationsAdaptive row 3: it has no scriptName" in page
    assert "estimates from samples" in page


def test_data_health_tells_r2_by_bucket_and_storage_class(usage, alice):
    source = Source.objects.get(kind="cloudflare_usage")
    about = {"account": ACCOUNT, "bucket": "media", "storage_class": "Standard"}
    for metric, quantity, days in (
        ("r2_class_a", 1_500, (1, 2)),
        ("r2_class_b", 20_000, (1,)),
        ("r2_free", 7, (2,)),
        ("r2_stored_bytes", 45_678_000_000, (1, 2)),
    ):
        for day in days:
            hour = MIDNIGHT.replace(day=day)
            fact = UsageFact(hour, metric, Decimal(quantity), is_sampled=True, **about)
            store_day(source=source, day=hour.date(), facts=[fact], parts=[Part((metric,))])
    march = MIDNIGHT.replace(month=3)
    old = UsageFact(march, "r2_class_a", Decimal(9), bucket="old", account=ACCOUNT)
    store_day(source=source, day=march.date(), facts=[old], parts=[Part(("r2_class_a",))])
    page = words(alice, "/data-health/")
    assert "R2 in 2026-04 to date" in page
    # Two days of 45.678 GB are 91.356 GB over the 30 days of April.
    assert f"media {ACCOUNT} Standard 3,000 20,000 7 3.045 yes" in page
    assert f"old {ACCOUNT}" not in page


def test_data_health_without_r2_says_so(usage, alice):
    assert "No usage of R2 is known for 2026-04." in words(alice, "/data-health/")


def test_data_health_tells_why_a_look_failed(company, alice):
    load_usage("Cloudflare does not accept the token.")
    page = words(alice, "/data-health/")
    assert "Cloudflare does not accept the token." in page
    assert "Cloudflare usage has delivered nothing yet" in page
