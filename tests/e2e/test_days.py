"""The grid of sources by days: by keyboard, by tap, and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.dashboards.troubles import load_troubles
from tests.dashboards.usage import load_usage


@pytest.fixture
def troubles(company, tmp_path) -> None:
    from finops.models import User

    load_usage()
    load_troubles(tmp_path / "troubles", User.objects.get(username="alice"))


def reason(page: Page) -> str:
    return page.locator("[data-days-reason]").inner_text()


def test_arrow_keys_move_over_the_grid_and_its_reason_stands_below(visit, troubles):
    page = visit().go("/data-health/")
    expect(page.get_by_text("move with the arrow keys")).to_be_visible()
    assert reason(page) == "No day is chosen."
    page.locator(".days td[tabindex='0']").focus()
    assert reason(page).startswith("AWS bill (saas-hourly), 30 Apr: complete")
    page.keyboard.press("ArrowLeft")
    assert reason(page).startswith(
        "AWS bill (saas-hourly), 29 Apr: missing, the bill has no charge"
    )
    page.keyboard.press("ArrowDown")
    assert reason(page).startswith("Cloudflare usage, 29 Apr: complete")
    page.keyboard.press("Home")
    assert reason(page).startswith("Cloudflare usage, 31 Mar: outside")
    page.keyboard.press("ArrowLeft")
    assert reason(page).startswith("Cloudflare usage, 31 Mar"), "at the edge it stays"
    page.keyboard.press("Control+End")
    assert reason(page).startswith("Revenue, 30 Apr")
    page.keyboard.press("Control+Home")
    assert reason(page).startswith("AWS bill (saas-hourly), 31 Mar")
    assert page.locator(".days td[tabindex='0']").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("!document.activeElement.closest('.days')"), "one stop of the Tab key"
    page.keyboard.press("Shift+Tab")
    assert page.locator(":focus").get_attribute("class") == "day-missing"


def test_a_tap_on_a_phone_shows_the_reason_and_the_names_stay_in_view(visit, troubles):
    walk = visit(width=390, has_touch=True)
    page = walk.go("/data-health/")
    cell = page.locator(".days tr", has_text="Cloudflare Logpush").locator("td").last
    head = page.locator(".days tr", has_text="Cloudflare Logpush").locator("th")
    scrolled = page.locator(".days-scroll").evaluate("one => one.scrollLeft")
    assert scrolled > 0, "the newest days are in view"
    assert head.bounding_box()["x"] < 40
    cell.tap()
    assert reason(page) == "Cloudflare Logpush, 30 Apr: late, no line has come for 10 days."
    expect(page.locator("[data-days-reason]")).to_be_in_viewport()
    page.keyboard.press("Home")
    first = page.locator(".days tr", has_text="Cloudflare Logpush").locator("td").first
    right = head.bounding_box()["x"] + head.bounding_box()["width"]
    assert first.bounding_box()["x"] >= right - 1, "what is focused is not behind the names"


def test_a_chart_follows_when_the_window_gets_narrow(visit):
    page = visit().go("/")
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(500)
    excess = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(excess) <= 0
    drawn = page.locator(".chart-canvas .main-svg").first.bounding_box()
    assert drawn["width"] <= 390, "it is drawn anew, not cut"
