"""Every page, in light and dark, wide and narrow: nothing for axe to find, nothing sticks out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.dashboards.usage import load_usage
from tests.dashboards.world import load_rejects

VENDOR = Path(__file__).parent / "vendor"
APRIL = "period=2026-04&granularity=month"
PAGES = {
    "overview": "/",
    "tenants": f"/tenants/?{APRIL}",
    "statement": f"/tenants/acme/?{APRIL}&compare=previous",
    "statement by day": "/tenants/globex/?period=2026-04&compare=previous",
    "unsettled": "/tenants/acme/?from=2026-04-03&to=2026-04-03",
    "services": f"/tenants/acme/services/?{APRIL}&category=Compute",
    "lines": f"/tenants/acme/lines/?{APRIL}&environment=staging",
    "unallocated": f"/unallocated/lines/?{APRIL}",
    "workers": "/workers-cpu/?from=2026-04-29&to=2026-04-30",
    "reconciliation": "/reconciliation/",
    "no data": "/tenants/acme/?period=2025-01",
    "data health": "/data-health/",
    "month close": "/month-close/",
    "audit log": "/audit-log/?verify=chain",
    "rejects": "/data-health/deliveries/{rejects}/rejects/",
}
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


def rejects_id(tmp_path: Path) -> int:
    from ingestion.models import Delivery

    load_rejects(tmp_path)
    load_usage()
    return Delivery.objects.get(rejected_rows__gt=0).pk


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(visit, theme, tmp_path):
    walk = visit(theme=theme)
    number = rejects_id(tmp_path)
    source = (VENDOR / "axe.min.js").read_text()
    found = {}
    for name, url in PAGES.items():
        page = walk.go(url.format(rejects=number))
        for summary in page.locator("main details > summary").all():
            summary.click()
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
    number = rejects_id(tmp_path)
    wide = {}
    for name, url in PAGES.items():
        page = walk.go(url.format(rejects=number))
        for summary in page.locator("main details > summary").all():
            summary.click()
        wide[name] = page.evaluate(_STICKS_OUT)
    assert {name: excess for name, excess in wide.items() if excess > 0} == {}


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
