"""Egress: bytes and money by tenant, host and path; what has no price is named; downloads are the same."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops.models import Tenant
from ingestion.estimating import estimate
from ingestion.origin_models import HostOrigin
from tests.dashboards.test_pages import download, html, words
from tests.ingestion.estimates import GB, contract
from tests.log_objects import request, take, write

PAGE = "/egress/?from=2026-04-20&to=2026-04-20"
MISSED: dict[str, Any] = {
    "CacheCacheStatus": "miss",
    "OriginResponseStatus": 200,
    "EdgeResponseBytes": GB,
}


@pytest.fixture
def egress(company, tmp_path: Path) -> None:
    HostOrigin.objects.create(pattern="*.assets.example.com", kind="aws", account="444455556666")
    HostOrigin.objects.create(pattern="media.example.com", kind="r2")
    contract("0.09")
    hosts = ("acme.assets.example.com", "media.example.com", "elsewhere.example.net")
    lines = [
        request(number, ClientRequestHost=host, CacheResponseBytes=(number + 1) * GB, **MISSED)
        for number, host in enumerate(hosts)
    ]
    lines += [request(8), request(9, seconds=int(timedelta(hours=2).total_seconds()))]
    write(tmp_path, "20260420/20260420T100000Z_20260420T120000Z_aaaa0001.log.gz", *lines)
    take(tmp_path)
    estimate()


def test_the_sentence_says_what_it_cost_who_caused_it_and_what_is_not_known(egress, alice):
    page = words(alice, PAGE)
    assert "3.221 GB left the origins in 20 Apr 2026 and cost 0.09 USD; Acme caused 100.0 %" in page
    assert "3.221 GB of 1 host have no price and are not in it" in page
    assert "3.2 GB left the origin of elsewhere.example.net, which has no price" in page


def test_rows_have_bytes_money_and_hit_ratio_and_foot(egress, alice):
    rows = {row[1]: row for row in download(alice, PAGE)[1:]}
    assert rows["acme.assets.example.com"][:8] == [
        "Acme",
        "acme.assets.example.com",
        "/img/logo.png",
        "0.09",
        "1.074",
        "1.074",
        "AWS",
        "66.7",
    ]
    assert rows["media.example.com"][3] == "0.00"
    assert rows["media.example.com"][6] == "R2, egress is free"
    assert rows["elsewhere.example.net"][3] == rows["elsewhere.example.net"][6] == ""
    total = next(row for row in download(alice, PAGE) if row[0] == "Total")
    assert Decimal(total[3]) == Decimal("0.09")


def test_days_without_a_log_are_said(egress, alice):
    week = words(alice, "/egress/?from=2026-04-14&to=2026-04-20")
    assert "Logs tell of 20 Apr 2026; of the other days of this period none is loaded." in week
    assert "Logs tell of" not in words(alice, PAGE)


def test_more_days_than_the_page_holds_are_refused_with_a_sentence(company, alice):
    response = alice.get("/egress/?from=2026-01-01&to=2026-04-30")
    assert response.status_code == 400
    assert "holds at most 100 days" in response.content.decode()


def test_without_a_log_the_page_says_how_figures_come(company, alice):
    assert "How these figures come here" in html(alice, PAGE)


def test_the_number_of_queries_does_not_grow_with_hosts(
    egress, alice, django_assert_max_num_queries
):
    Tenant.objects.create(slug="initech-2", name="I", first_seen="2026-04-01T00:00Z")
    with django_assert_max_num_queries(24):
        alice.get(PAGE)
