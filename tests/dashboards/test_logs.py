"""Data health shows how far logs are complete and why something of them was put aside."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from dashboards.presenters.logs import cache_table, caches_before_table
from finops import clock
from finops.core.periods import Window
from ingestion.log_selectors import cache_by_zone, caches_before
from ingestion.selectors import freshness
from tests.log_objects import START, facts, request, take, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def read(tmp_path):
    write(tmp_path / "logs", "a.log", request(1), request(1), request(2, seconds=7200))
    write(tmp_path / "logs", "b.log", request(3), request(4, EdgeResponseBytes=-1))
    write(tmp_path / "logs", "c.log.gz.broken", "a,b,c")
    take(tmp_path / "logs")


def page(client) -> str:
    response = client.get(reverse("data-health"))
    assert response.status_code == 200
    return str(response.content.decode())


def test_a_log_tells_its_objects_lines_and_the_hour_it_is_complete_through(alice, read):
    text = page(alice)
    section = text.split('id="logs-title"')[1].split("</section>")[0]
    for shown in ("2026-04-20 11:00", "2026-04-20 12:00", "2026-04-20 11:50", "cloudflare-logpush"):
        assert shown in section
    assert "2 lines or objects put aside" in section
    aside = alice.get(reverse("logs-put-aside")).content.decode()
    assert "EdgeResponseBytes is negative" in aside
    assert "None of its 1 lines can be read" in aside


def test_without_a_log_there_is_no_section(alice):
    assert "logs-title" not in page(alice)


def test_the_days_of_a_log_stand_in_the_grid(alice, read):
    row = page(alice).split('role="rowheader">Cloudflare Logpush')[1].split("</tr>")[0]
    assert "20 Apr: late, lines have come until 12:00, and nothing for 10 days since" in row
    assert "19 Apr: outside" in row
    assert "28 Apr: late" in row


@pytest.mark.usefixtures("read")
def test_a_log_is_as_fresh_as_its_watermark():
    (source,) = freshness(clock.now()).sources
    assert f"{source.newest:%Y-%m-%d %H:%M}" == "2026-04-20 11:50"
    assert not source.fresh


STATUSES = ["hit"] * 5 + ["stale"] + ["miss"] * 1 + ["bypass"] * 3 + ["unknown"] * 7


def cache_part(text: str) -> str:
    return text.partition('id="cache-title"')[2].partition("</section>")[0]


def test_the_caches_ratios_are_those_of_the_lines_without_unknown(tmp_path):
    lines = [request(n, CacheCacheStatus=status) for n, status in enumerate(STATUSES)]
    write(tmp_path / "logs", "a.log", *lines)
    take(tmp_path / "logs")
    window = Window(START.date(), START.date() + timedelta(days=1))
    found = cache_by_zone(window)
    assert set(found) == {"example.com"}
    ratios = found["example.com"].requests
    assert (ratios.looked_up, ratios.unknown) == (10, 7)
    assert (ratios.hit, ratios.bypass) == (Decimal("0.6"), Decimal("0.3"))
    lake = facts("zone", "cache_status")
    assert found["example.com"].by_status == {
        key[2]: value for key, value in lake.items() if key[0] == "cache_requests"
    }
    table = cache_table(found)
    shown = [cell.value for cell in table.rows[0].cells]
    assert shown == ["example.com", 10, Decimal("0.6"), Decimal("0.3"), "bypass"]


def test_a_week_without_requests_says_so_and_a_span_over_a_change_names_it(alice, read):
    assert "No request of these days is read." in cache_part(page(alice))
    across = Window(date(2026, 4, 20), date(2026, 5, 27))
    (analysis,) = cache_by_zone(across).values()
    assert [change.on.date() for change in analysis.changes] == [date(2026, 5, 26)]


def test_the_page_shows_the_last_seven_days_of_each_zone(alice, tmp_path):
    today = f"{clock.now():%Y-%m-%dT00:00:00Z}"
    moved = [
        request(n, EdgeStartTimestamp=today, CacheCacheStatus=status)
        for n, status in enumerate(STATUSES)
    ]
    write(tmp_path / "logs", "a.log", *moved)
    take(tmp_path / "logs")
    part = cache_part(page(alice))
    for shown in ("example.com", "60.0", "30.0", "bypass", "the origin or the request forbids"):
        assert shown in part


def test_what_the_caches_before_cloudflare_said_stands_below(alice, tmp_path, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: START + timedelta(days=2))
    said = ["varnish; fwd=stale; stored", "varnish; fwd=stale", "varnish; hit", "varnish; hit", "="]
    lines = [
        request(number, ResponseHeaders={"cache-status": text}) for number, text in enumerate(said)
    ]
    write(tmp_path / "logs", "a.log", *lines)
    take(tmp_path / "logs")
    window = Window(START.date(), START.date() + timedelta(days=1))
    unread, varnish = caches_before(window)
    assert (unread.cache, unread.responses) == ("", 1)
    assert (varnish.responses, varnish.hit, varnish.stored) == (4, Decimal("0.5"), 1)
    assert list(varnish.forwards) == [("stale", Decimal(2))]
    shown = [cell.value for cell in caches_before_table([varnish]).rows[0].cells]
    assert shown == ["example.com", "varnish", 4, Decimal("0.5"), "stale", 1, 0]
    part = cache_part(page(alice))
    assert "too old to be served: 2 responses" in part
    assert "(unreadable)" in part


def test_without_the_header_nothing_is_said_of_caches_before(alice, read):
    assert "caches before Cloudflare" not in page(alice)
