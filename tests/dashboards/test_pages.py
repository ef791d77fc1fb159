"""The pages over a real little company: sentences, figures, exports, states, and what they cost to ask."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from decimal import Decimal

import openpyxl
import pytest
from django.test import Client

from finops.models import Tenant
from ingestion.models import Delivery, Load
from tests.dashboards.world import load_rejects

APRIL = "period=2026-04"


def html(client: Client, url: str, status: int = 200) -> str:
    response = client.get(url)
    assert response.status_code == status, response.content[:500]
    return response.content.decode()


def words(client: Client, url: str, status: int = 200) -> str:
    """The page's text without tags, with single spaces."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", html(client, url, status), flags=re.DOTALL)
    text = re.sub(r'<span class="nowrap">(.*?)</span>', r"\1", text)
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("&#x27;", "'").split())


def download(client: Client, url: str) -> list[list[str]]:
    response = client.get(f"{url}&format=csv")
    assert response["Content-Type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def sheet(client: Client, url: str) -> list[list[object]]:
    response = client.get(f"{url}&format=xlsx")
    book = openpyxl.load_workbook(io.BytesIO(response.content))
    assert book.active is not None
    return [list(row) for row in book.active.values]


def test_the_overview_answers_its_question_first(alice):
    page = words(alice, f"/?{APRIL}")
    assert (
        "Gross margin is 75.5 %, 5.5 points above the goal of 70 %; Globex is below its goal."
        in page
    )
    assert "400.00 USD" in page
    assert "97.81 USD" in page
    assert "Without revenue in these days, so without a margin: Initech." in page
    assert "against 1–31 Mar 2026" in page


def test_the_overview_asks_for_the_money_that_is_missing(alice):
    page = words(alice, f"/?{APRIL}")
    assert "Globex 31.01 ▼ margin 39.0 % , goal 70 %, −31.0 points" in page
    assert "Compute 3.00 3.1 % of all cost" in page


def test_tenants_unallocated_rounding_and_total_foot(alice):
    rows = {row[0]: row for row in download(alice, f"/tenants/?{APRIL}")[1:]}
    assert list(rows) == ["Acme", "Globex", "Initech", "Unallocated", "Rounding", "Company"]
    for column in (1, 2, 3):
        *lines, total = (Decimal(row[column] or 0) for row in rows.values())
        assert sum(lines) == total
    assert [row[2] for row in rows.values()] == ["31.46", "61.01", "2.33", "3.00", "0.01", "97.81"]


def test_page_csv_and_spreadsheet_say_the_same(alice):
    for url in (
        f"/?{APRIL}",
        f"/tenants/?{APRIL}",
        f"/tenants/acme/?{APRIL}&compare=previous",
        "/tenants/acme/?from=2026-03-01&to=2026-04-30&granularity=month",
        f"/tenants/acme/services/?{APRIL}&category=Compute",
        f"/tenants/acme/lines/?{APRIL}&category=Compute",
        "/reconciliation/?",
        "/data-health/?",
    ):
        page = html(alice, url)
        table, book = download(alice, url), sheet(alice, url)
        assert len(table) == len(book), url
        numbers = 0
        for line, row in zip(table[1:], book[1:], strict=True):
            for text, value in zip(line, row, strict=False):
                if isinstance(value, int | float):
                    assert float(text) == pytest.approx(value), url
                    numbers += 1
                    shown = (
                        f"{abs(float(text)):,.2f}"
                        if re.fullmatch(r"-?\d+\.\d\d", text)
                        else text.lstrip("-")
                    )
                    assert shown in page, (url, text)
        assert numbers > 3, url


def test_the_statement_is_the_same_on_every_page(alice):
    tenants = {row[0]: row for row in download(alice, f"/tenants/?{APRIL}")[1:]}
    whole = f"/tenants/acme/?{APRIL}&granularity=month"
    statement = {row[0]: row for row in download(alice, whole)[1:]}
    assert tenants["Acme"][1] == statement["Revenue"][1] == "300.00"
    assert tenants["Acme"][2] == statement["Cost of revenue"][1] == "31.46"
    assert tenants["Acme"][3] == statement["Gross profit"][1] == "268.54"
    assert tenants["Acme"][4] == statement["Gross margin %"][1] == "89.5"
    assert statement["Credits"][1] == "-5.25"
    assert statement["Tax, below the line"][1] == "9.50"


def test_the_statement_says_the_verdict_and_where_the_goal_came_from(alice):
    page = words(alice, f"/tenants/acme/?{APRIL}")
    assert (
        "Acme's gross margin for 1–30 Apr 2026 is 89.5 %, 19.5 points above the goal of 70 % (the default)"
        in page
    )
    assert (
        "no method splits shared cost yet; 3.00 USD of company cost is unallocated in this period"
        in page
    )
    assert "100.0 % firm" in page


def test_when_it_cannot_tell_it_names_what_would_settle_it(alice, settings):
    settings.MARGIN_GOAL = Decimal("0.89")
    page = words(alice, f"/tenants/acme/?{APRIL}")
    assert "Cannot tell yet whether Acme reaches its goal of 89 % (the default)" in page
    assert "from 88.5 % to 89.5 %" in page
    assert "What would settle it" in page
    assert "i-untagged" in page


def test_a_category_opens_in_place_and_as_a_page(alice):
    url = f"/tenants/acme/services/?{APRIL}&category=Compute"
    answer = alice.get(url, headers={"HX-Request": "true"})
    assert "HX-Request" in answer["Vary"]
    part = answer.content.decode()
    assert "<html" not in part
    assert "tag tenant=acme v1" in part
    assert "1.00 firm" in part
    whole = words(alice, url)
    assert "Compute cost Acme 25.34 USD in 1–30 Apr 2026, from 3 charge lines." in whole
    assert "elsewhere in the statement" in whole


def test_services_need_a_category(alice):
    assert "name it, for example category=Compute" in words(alice, "/tenants/acme/services/", 400)


def test_charge_lines_show_every_digit_and_the_rule_of_each_key(alice):
    page = words(alice, f"/tenants/acme/lines/?{APRIL}&category=Compute&charge=Usage")
    assert "14.3333" in page
    assert "acme tag tenant=acme v1 1.00 firm" in page
    assert "production tag environment=production v1 1.00 firm" in page
    assert "— none unallocated v1 0.00 none" in page
    assert "Lines 1–3 of 3" in page


def test_the_lines_that_nobody_bears_are_one_link_away(alice):
    assert f"/unallocated/lines/?{APRIL}&amp;category=Compute" in html(alice, f"/?{APRIL}")
    assert "1 charge line of nobody yet in 1–30 Apr 2026: 3.00 USD" in words(
        alice, f"/unallocated/lines/?{APRIL}"
    )


def test_a_formula_in_a_bill_stays_text_in_every_export(alice):
    rows = download(alice, f"/tenants/acme/lines/?{APRIL}")
    resource = rows[0].index("Resource")
    assert "'=1+1" in {row[resource] for row in rows}
    assert "=1+1" in {row[resource] for row in sheet(alice, f"/tenants/acme/lines/?{APRIL}")}


def test_a_page_after_the_last_is_refused(alice):
    assert "There is no page 7" in words(alice, f"/tenants/acme/lines/?{APRIL}&page=7", 400)


def test_reconciliation_says_that_every_cent_is_there(alice):
    page = words(alice, "/reconciliation/")
    assert "Every cent is accounted for: 2 bills of 1 provider, 15 charge lines" in page
    rows = download(alice, "/reconciliation/?period=2026-04")
    assert rows[1][:6] == [
        "AWS bill (saas-hourly)",
        "Amazon Web Services",
        "2026-04",
        "open",
        "USD",
        "102.0576",
    ]
    assert rows[1][rows[0].index("Difference")] == "0"
    assert "write it as YYYY-MM" in words(alice, "/reconciliation/?period=7d", 400)


def test_a_row_that_was_put_aside_can_be_read_and_downloaded(alice, tmp_path):
    load_rejects(tmp_path)
    delivery = Delivery.objects.get(rejected_rows__gt=0)
    url = f"/data-health/deliveries/{delivery.pk}/rejects/"
    assert url in html(alice, "/data-health/")
    assert "1 of 2 rows could not be read" in words(alice, url)
    assert download(alice, f"{url}?")[1][:2] == ["bad.csv", "3"]
    assert alice.get("/data-health/deliveries/999999/rejects/").status_code == 404


def test_a_filter_that_revenue_does_not_have_shows_cost_only(alice):
    page = words(alice, f"/tenants/?{APRIL}&environment=staging")
    assert "This selection shows cost only: revenue is not split by environment." in page
    rows = {row[0]: row for row in download(alice, f"/tenants/?{APRIL}&environment=staging")[1:]}
    assert rows["Company"][1:4] == ["", "14.33", ""]
    assert "environment: staging" in page


def test_a_month_without_a_bill_is_missing_and_not_zero(alice):
    page = words(alice, "/tenants/acme/?period=2026-02")
    assert "No bill is loaded for Feb 2026: cost of that time is missing, not zero." in page
    assert "No figures in these days" in page
    compared = words(alice, "/?period=2026-03")
    assert "not compared: no bill is loaded for Feb 2026" in compared


def test_an_open_month_is_hatched_and_no_revenue_runs_ahead_of_its_cost(alice):
    Load.objects.update(data_through=datetime(2026, 4, 20, tzinfo=UTC))
    page = html(alice, "/tenants/acme/?from=2026-03-01&to=2026-04-30&granularity=month")
    assert "Data is still to come for Apr 2026" in page
    assert "hatched" in page
    assert "to 19 Apr" in page
    rows = download(alice, "/tenants/acme/?from=2026-04-01&to=2026-04-30&granularity=month")
    assert next(row for row in rows if row[0] == "Revenue")[1] == "190.00"
    assert "1–19 Apr 2026" in words(alice, "/?period=2026-04")
    ahead = words(alice, "/?period=custom&from=2026-04-21&to=2026-04-22")
    assert "The gross margin cannot be told: the bills reach to 19 Apr 2026." in ahead


def test_tenants_can_be_sorted_and_a_wrong_column_is_refused(alice):
    rows = download(alice, f"/tenants/?{APRIL}&sort=gap")
    assert [row[0] for row in rows[1:4]] == ["Globex", "Acme", "Initech"]
    assert 'aria-sort="ascending"' in html(alice, f"/tenants/?{APRIL}&sort=gap")
    assert "sort=secret is not a column" in words(alice, "/tenants/?sort=secret", 400)


def test_a_bad_address_is_answered_with_a_sentence_and_a_way_out(alice):
    page = html(alice, "/tenants/?period=fortnight", 400)
    assert "period=fortnight is not a period" in page
    assert 'href="/tenants/"' in page


def test_discovered_tenants_are_asked_about(alice, erin):
    page = html(erin, f"/?{APRIL}")
    initech = Tenant.objects.get(slug="initech")
    assert f"/admin/finops/tenant/{initech.pk}/change/" in page
    assert "An administrator confirms them." in words(alice, f"/?{APRIL}")


def test_the_header_says_how_new_the_figures_are(alice):
    page = words(alice, "/")
    assert "as of 1 May 00:00 UTC · 2 of 2 sources fresh" in page
    assert 'href="/data-health/"' in html(alice, "/")


def test_an_empty_house_says_how_to_fill_it(db, on_30_april, as_person):
    from tests.dashboards.world import person

    client = as_person(person("frank", "finance"))
    assert "Nothing is loaded yet" in words(client, "/")
    assert "python manage.py ingest" in words(client, "/")
    assert "No tenant is known yet." in words(client, "/tenants/")
    assert "No billing period is loaded yet" in words(client, "/reconciliation/")
    assert "no data yet" in words(client, "/")


@pytest.mark.parametrize(
    ("url", "most"),
    [
        (f"/?{APRIL}", 32),
        (f"/tenants/?{APRIL}", 20),
        (f"/tenants/acme/?{APRIL}&compare=previous", 32),
        (f"/tenants/acme/services/?{APRIL}&category=Compute", 14),
        (f"/tenants/acme/lines/?{APRIL}", 16),
        ("/reconciliation/", 14),
        ("/data-health/", 37),
    ],
)
def test_a_page_asks_no_more_for_more_tenants(alice, django_assert_max_num_queries, url, most):
    """The number of queries is bounded and does not grow with the tenants."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as few:
        html(alice, url)
    first = Tenant.objects.get(slug="acme")
    for number in range(30):
        Tenant.objects.create(
            slug=f"more-{number}", name=f"More {number}", first_seen=first.first_seen
        )
    with django_assert_max_num_queries(most) as many:
        html(alice, url)
    assert len(many) <= len(few)


def test_the_month_can_be_downloaded_as_focus(alice):
    page = alice.get("/reconciliation/?period=2026-04").content.decode()
    assert 'href="/reconciliation/focus-1.4/?period=2026-04"' in page
    response = alice.get("/reconciliation/focus-1.4/?period=2026-04")
    assert response["Content-Disposition"] == 'attachment; filename="focus-1.4_2026-04.csv.gz"'
    assert b"".join(response.streaming_content)[:2] == b"\x1f\x8b"
    for address, words in (
        ("focus-1.2/?period=2020-01", "No bill of 2020-01 is loaded"),
        ("focus-1.2/?period=soon", "soon"),
        ("focus-9/?period=2026-04", "FOCUS 9 cannot be written"),
    ):
        refused = alice.get(f"/reconciliation/{address}")
        assert refused.status_code == 400
        assert words in refused.content.decode()
