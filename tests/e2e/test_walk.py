"""A finance person walks from the margin to the charge line, by mouse, by keys and without scripts."""

from __future__ import annotations

import re

from playwright.sync_api import expect

APRIL = "period=2026-04&granularity=month"


def test_from_the_margin_to_the_charge_line_and_its_rule(visit):
    walk = visit()
    page = walk.page
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.get_by_role("link", name="Last month").click()
    page.get_by_role("navigation", name="Rooms").get_by_role("link", name="Tenants").click()
    page.get_by_role("link", name="Acme").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Acme")
    page.get_by_role("link", name="Compute", exact=True).click()
    part = page.get_by_role("region", name="What Compute consists of")
    expect(part).to_be_visible()
    expect(page.locator("#status")).to_have_text("What Compute consists of")
    assert page.url.split("?")[0].endswith("/tenants/acme/")
    part.get_by_role("link", name="Amazon Elastic Compute Cloud").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Charge lines")
    first = page.locator("table.lines tbody tr").first
    expect(first).to_contain_text("14.3333")
    expect(first).to_contain_text("tag tenant=acme v1")
    expect(first).to_contain_text("1.00 firm")


def test_a_row_opens_takes_the_focus_and_closes_again(visit):
    page = visit().go(f"/tenants/acme/?{APRIL}")
    opener = page.get_by_role("link", name="Compute", exact=True)
    opener.focus()
    page.keyboard.press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "true")
    focused = page.locator(":focus")
    expect(focused).to_have_attribute("aria-label", "What Compute consists of")
    opener.click()
    expect(opener).to_have_attribute("aria-expanded", "false")
    expect(page.locator("#status")).to_have_text("Compute closed.")
    expect(page.locator("tr.beneath >> visible=true")).to_have_count(0)


def test_without_scripts_every_step_is_a_link(visit):
    walk = visit(java_script_enabled=False)
    page = walk.go(f"/tenants/acme/?{APRIL}")
    page.get_by_role("link", name="Compute", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compute")
    page.get_by_role("link", name="Amazon Elastic Compute Cloud").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Charge lines")
    page.get_by_text("Months, dates and filters").click()
    page.get_by_label("Environment").select_option("staging")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".sentence")).to_contain_text("1 charge line of Acme")
    page.get_by_role("link", name=re.compile("environment: staging")).click()
    expect(page.locator(".sentence")).not_to_contain_text("1 charge line of")


def test_the_form_writes_a_short_address_and_dates_make_a_custom_period(visit):
    page = visit().go("/tenants/")
    page.get_by_text("Months, dates and filters").click()
    page.get_by_label("From").fill("2026-04-02")
    page.get_by_label("To, included").fill("2026-04-03")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/tenants/?*")
    assert page.url.endswith("/tenants/?period=custom&from=2026-04-02&to=2026-04-03")
    expect(page.get_by_text("2–3 Apr 2026 (UTC)")).to_be_visible()


def test_the_keyboard_reaches_the_figures_first(visit):
    page = visit().go("/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the figures")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Latest day")
    for _ in range(40):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert seen[0] == "BODY" or seen[1] != "none", seen


def test_the_account_menu_opens_closes_and_signs_out(visit):
    page = visit().page
    summary = page.locator("details.menu > summary")
    summary.click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    summary.click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_download_comes_with_its_name(visit):
    page = visit().go(f"/tenants/?{APRIL}")
    with page.expect_download() as found:
        page.get_by_role("link", name="CSV").click()
    assert found.value.suggested_filename == "tenants_2026-04-01_2026-04-30.csv"


def test_the_theme_is_kept_and_charts_follow_it(visit):
    page = visit(theme="light").go("/")
    line = page.locator(".chart-canvas path.js-line").first
    light = line.evaluate("node => node.style.stroke")
    switch = page.get_by_role("button", name=re.compile("Theme"))
    switch.click()
    switch.click()
    expect(switch).to_contain_text("dark")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    assert line.evaluate("node => node.style.stroke") != light
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_statement_prints_on_one_page(visit):
    page = visit().go(
        "/tenants/acme/?from=2026-03-01&to=2026-04-30&granularity=month&compare=previous"
    )
    assert len(re.findall(rb"/Type /Page\b", page.pdf(prefer_css_page_size=True))) == 1
