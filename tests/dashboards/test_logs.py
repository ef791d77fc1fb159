"""Data health shows how far logs are complete and why something of them was put aside."""

from __future__ import annotations

import pytest
from django.urls import reverse

from finops import clock
from ingestion.selectors import freshness
from tests.log_objects import request, take, write

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
    assert "EdgeResponseBytes is negative" in section
    assert "none of its 1 lines can be read" in section


def test_without_a_log_there_is_no_section(alice):
    assert "logs-title" not in page(alice)


def test_the_days_of_a_log_stand_in_the_grid(alice, read):
    row = page(alice).split('scope="row">Cloudflare Logpush')[1].split("</tr>")[0]
    assert "20 Apr: partial, lines have come until 12:00" in row
    assert "19 Apr: outside" in row
    assert "28 Apr: late" in row


@pytest.mark.usefixtures("read")
def test_a_log_is_as_fresh_as_its_newest_event():
    (source,) = freshness(clock.now()).sources
    assert f"{source.newest:%Y-%m-%d %H:%M}" == "2026-04-20 12:00"
    assert not source.fresh
