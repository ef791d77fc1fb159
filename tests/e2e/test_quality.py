"""Every page, in light and dark, wide and narrow: nothing for axe to find, nothing sticks out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Page

from finops.models import User
from ingestion.estimating import estimate
from ingestion.models import Delivery
from tests.allocation.closing import close
from tests.dashboards.stamps import load_stamps
from tests.dashboards.troubles import load_restatement, load_troubles
from tests.dashboards.usage import load_usage
from tests.dashboards.world import PASSWORD, load_rejects, person
from tests.e2e.conftest import Visit
from tests.e2e.pages import APRIL, CLOSED, PAGES

VENDOR = Path(__file__).parent / "vendor"
_FINDINGS = """
async () => {
  const found = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  });
  return found.violations.map(
    (rule) => `${rule.id}: ${rule.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`,
  );
}
"""
_STICKS_OUT = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def load_everything(tmp_path: Path) -> dict[str, int]:
    """Something for every part of every page; the ids that addresses need."""
    load_rejects(tmp_path)
    load_usage()
    load_stamps()
    rejects = Delivery.objects.get(rejected_rows__gt=0).pk
    restatement = load_restatement(tmp_path / "second")
    load_troubles(tmp_path / "troubles", User.objects.get(username="alice"))
    return {"rejects": rejects, "restatement": restatement}


def each_page(walk: Visit, tmp_path: Path) -> Iterator[tuple[str, Page]]:
    """Every page with its parts open."""
    ids = load_everything(tmp_path)
    for name, url in {**PAGES, **CLOSED}.items():
        if name == next(iter(CLOSED)):
            estimate()  # a month is not closed while usage waits for it
            close(date(2026, 3, 1), User.objects.get(username="alice"))
        page = walk.go(url.format(**ids))
        for summary in page.locator("main details > summary").all():
            summary.click()
        yield name, page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(visit, theme, tmp_path):
    walk = visit(theme=theme)
    source = (VENDOR / "axe.min.js").read_text()
    found = {}
    for name, page in each_page(walk, tmp_path):
        if name == "statement":
            page.locator("a.opener").first.click()
            page.locator(".beneath-body").wait_for()
        page.evaluate(source)
        found[name] = page.evaluate(_FINDINGS)
    assert {name: rules for name, rules in found.items() if rules} == {}


def test_axe_finds_nothing_before_sign_in_and_on_errors(visit, live_server):
    source = (VENDOR / "axe.min.js").read_text()
    walk = visit(signed_in=False)
    for theme in ("light", "dark"):
        walk.page.emulate_media(color_scheme=theme)
        page = walk.go("/sign-in/?next=/tenants/")
        page.evaluate(source)
        assert page.evaluate(_FINDINGS) == []
        page.fill("#id_username", "nobody")
        page.fill("#id_password", "wrong")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").wait_for()
        page.evaluate(source)
        assert page.evaluate(_FINDINGS) == []


@pytest.mark.parametrize("width", [390, 768, 1440, 1920])
def test_nothing_sticks_out_of_the_page(visit, width, tmp_path):
    walk = visit(width=width)
    wide = {}
    for name, page in each_page(walk, tmp_path):
        wide[name] = page.evaluate(_STICKS_OUT)
    assert {name: excess for name, excess in wide.items() if excess > 0} == {}


def test_axe_finds_nothing_at_the_door_of_the_admin_and_its_forms_fit(visit):
    person("carol", "admin")
    walk = visit(signed_in=False)
    page = walk.go("/sign-in/?next=/admin/")
    page.fill("#id_username", "carol")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state("networkidle")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.reload()  # colours glide from one theme to the other
        page.evaluate((VENDOR / "axe.min.js").read_text())
        assert page.evaluate(_FINDINGS) == [], theme
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        for url in ("/admin/", "/admin/ingestion/source/", "/admin/ingestion/connection/add/"):
            assert walk.go(url).evaluate(_STICKS_OUT) <= 0, f"{url} at {width}"


def test_nothing_moves_after_the_first_paint(visit):
    walk = visit()
    walk.page.add_init_script(
        """window.moved = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) window.moved += entry.value;
        }).observe({ type: "layout-shift", buffered: true });"""
    )
    for url in ("/", f"/tenants/acme/?{APRIL}", "/reconciliation/"):
        page = walk.go(url)
        assert page.evaluate("window.moved") < 0.01, url


def test_a_chart_can_be_saved_as_svg_under_the_policy(visit):
    page = visit().go("/")
    page.locator(".chart-canvas").hover()
    with page.expect_download() as found:
        page.locator(".modebar-btn").click()
    assert found.value.suggested_filename == "margin-line.svg"


def test_the_vendored_axe_is_what_its_checksum_says():
    for line in (VENDOR / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
