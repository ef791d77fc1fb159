"""The goal is a setting: no page, export or chart knows another one."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from finops.models import SettingOverride, Tenant

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["/", "/tenants/", "/tenants/acme/", "/tenants/globex/"]
SEVENTY = re.compile(r"\b70(?:\.0+)?\s?%|\b0\.70?\b")


def visible(page: str) -> str:
    """Text and chart data, without addresses and drawings."""
    return re.sub(r'(?:href|action|d|x|y|width|value)="[^"]*"', "", page)


@pytest.mark.parametrize("url", PAGES)
def test_a_changed_default_shows_on_every_page(alice, settings, url):
    settings.MARGIN_GOAL = Decimal("0.65")
    page = alice.get(f"{url}?period=2026-04&granularity=month").content.decode()
    assert "65 %" in page or '"y0": 65.0' in page
    assert SEVENTY.findall(visible(page)) == []


def test_an_override_for_all_and_one_for_a_tenant_say_where_they_come_from(alice):
    SettingOverride.objects.create(name="MARGIN_GOAL", value="0.65", reason="a test")
    acme = Tenant.objects.get(slug="acme")
    SettingOverride.objects.create(name="MARGIN_GOAL", tenant=acme, value="0.955", reason="a test")
    own = alice.get("/tenants/acme/?period=2026-04").content.decode()
    assert "95.5 %" in own
    assert "set for this tenant" in own
    other = alice.get("/tenants/globex/?period=2026-04").content.decode()
    assert "set for all tenants" in other
    listed = (
        alice.get("/tenants/?period=2026-04&format=csv").content.decode("utf-8-sig").splitlines()
    )
    goals = {line.split(",")[0]: line.split(",")[7] for line in listed[1:]}
    assert goals == {
        "Acme": "95.5",
        "Globex": "65",
        "Initech": "65",
        "Unallocated": "",
        "Rounding": "",
        "Company": "65",
    }


def test_no_file_of_the_pages_knows_the_number():
    folders = [ROOT / "dashboards", ROOT / "templates", ROOT / "static" / "js"]
    files = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in {".py", ".html", ".js"}
    ]
    assert len(files) > 40
    found = [
        f"{path.name}: {match}"
        for path in files
        for match in re.findall(r"\b0\.70?\b|\bgoal\D{0,9}70\b(?!\s%``)", path.read_text())
    ]
    assert found == []
