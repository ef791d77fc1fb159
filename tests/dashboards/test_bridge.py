"""The reconciliation page shows how billed cost becomes effective."""

from __future__ import annotations

from decimal import Decimal

from allocation.bridges import bridge
from allocation.selectors import reconciliation
from finops.core.amounts import exact_sum


def test_the_bridge_begins_at_what_is_ingested(alice):
    rows = bridge()
    assert exact_sum(row.billed_cost for row in rows) == exact_sum(
        row.ingested for row in reconciliation()
    )
    page = alice.get("/reconciliation/").content.decode()
    assert "From billed to effective cost" in page
    assert exact_sum(row.change for row in rows) == Decimal(
        exact_sum(row.effective_cost for row in rows) - exact_sum(row.billed_cost for row in rows)
    )
