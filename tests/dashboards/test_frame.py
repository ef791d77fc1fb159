"""The frame of every page: as of when its figures are, how many sources are fresh, and the way to Data health."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse

from dashboards.navigation import nav_entries
from ingestion.models import Load, Source
from tests.dashboards.usage import load_usage
from tests.dashboards.world import NOW
from tests.log_objects import request, take, write

ROOMS = [entry.url_name for entry in nav_entries() if not entry.url_name.startswith("admin:")]


def header(client, url_name: str) -> str:
    cache.clear()
    page = client.get(reverse(url_name)).content.decode()
    found = re.search(r'<p class="freshness">(.*?)</p>', page, re.DOTALL)
    assert found, url_name
    assert 'href="/data-health/"' in found[1]
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split())


@pytest.mark.parametrize("url_name", ROOMS)
def test_each_page_says_as_of_when_it_is_and_how_many_sources_are_fresh(alice, url_name):
    load_usage()
    shown = header(alice, url_name)
    assert re.search(r"\d of 3 sources fresh", shown), shown
    known = "as of" if url_name not in {"egress", "time-stamps"} else "no data yet"
    assert shown.startswith(known), "egress and time stamps have no source in this company"


def test_a_page_of_usage_goes_by_its_own_sources_not_by_the_bills(alice, tmp_path):
    load_usage()
    write(tmp_path / "logs", "a.log", request(1))
    take(tmp_path / "logs")
    usage = Source.objects.get(kind="cloudflare_usage").usage_checks.latest("checked_at")
    assert usage.data_through
    assert header(alice, "overview").startswith("as of 1 May 00:00 UTC")
    assert header(alice, "workers-cpu").startswith(f"as of {usage.data_through:%-d %b %H:%M} UTC")
    assert header(alice, "egress").startswith("as of 20 Apr 09:50 UTC"), "the log's watermark"


def test_without_a_bill_usage_is_fresh_all_the_same(alice):
    load_usage()
    Load.objects.all().update(state=Load.State.SUPERSEDED, superseded_at=NOW - timedelta(hours=1))
    shown = header(alice, "overview")
    assert shown.startswith("no data yet · ")
    assert "of 3 sources fresh" in shown
    assert header(alice, "workers-cpu").startswith("as of 30 Apr")
