"""The Reconciliation page as a controller sees it: what differs is in sight on every screen."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from allocation.models import BridgeStep
from ingestion.services import ingest
from tests.focus_files import row, write

_IN_SIGHT = """
([table, label]) => {
  const heads = [...document.querySelectorAll(`table[id$="${table}"] thead th`)];
  const place = heads.findIndex((head) => head.textContent.trim() === label);
  const rows = [...document.querySelectorAll(`table[id$="${table}"] :is(tbody, tfoot) tr`)];
  return rows.map((row) => {
    const cell = row.children[place].getBoundingClientRect();
    const region = row.closest(".table-scroll").getBoundingClientRect();
    const right = Math.min(region.right, document.documentElement.clientWidth);
    return place > 0 && cell.width > 0 && cell.left >= region.left && cell.right <= right + 1;
  });
}
"""


@pytest.fixture
def many_bills(company: None, tmp_path: Path) -> None:
    """Long exact amounts, a second provider, and a cent that nothing explains."""
    rows = [
        row("1234567.123456789012345678"),
        row("2.5", ChargeCategory="Tax"),
        row("-1.25", ChargeCategory="Credit"),
        row("0.75", ProviderName="A provider whose name is rather long, GmbH & Co. KG"),
        row("nonsense"),
    ]
    write(tmp_path / "snowline" / "april.csv", rows)
    ingest(kind="focus", location=tmp_path / "snowline")
    BridgeStep.objects.filter(step="tax", service_provider_name="Snowline").update(
        billed_cost=str(Decimal("2.49"))
    )


@pytest.mark.parametrize("width", [390, 768, 1440, 1920])
@pytest.mark.usefixtures("many_bills")
def test_what_differs_is_in_sight_without_scrolling_sideways(visit, width):
    found = visit(width, "dark" if width == 390 else "light")
    page = found.go("/reconciliation/")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for table, label in (
        ("reconciliation", "Unexplained"),
        ("gaps", "Differ by"),
        ("evidence", "Ingested − told"),
        ("sources-reconciled", "Difference"),
        ("sources-reconciled", "Source total"),
        ("bridge", "Effective"),
    ):
        seen = page.evaluate(_IN_SIGHT, [table, label])
        assert seen, table
        assert all(seen), (table, label)
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/reconciliation-{width}.png", full_page=True)
