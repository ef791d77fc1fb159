"""The FOCUS download: the same lines as in the ledger, for whom it may concern."""

from __future__ import annotations

import csv
import gzip
import io
from decimal import Decimal

from finops.core.amounts import exact_sum
from tests.api.conftest import V1


def read(response) -> list[dict[str, str]]:
    assert response.status_code == 200
    content = gzip.decompress(b"".join(response.streaming_content)).decode()
    return list(csv.DictReader(io.StringIO(content, newline="")))


def test_the_download_is_the_month_to_the_last_digit(alice):
    response = alice.get(f"{V1}/focus?billing_period=2026-04&focus_version=1.4")
    assert response["Content-Disposition"] == 'attachment; filename="focus-1.4_2026-04.csv.gz"'
    assert response["Cache-Control"] == "private, no-store"
    rows = read(response)
    assert exact_sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("102.0576")
    assert {row["x_TenantId"] for row in rows} == {"acme", "globex", "initech", ""}


def test_charlie_gets_the_lines_of_acme_only(charlie):
    rows = read(charlie.get(f"{V1}/focus?billing_period=2026-04"))
    assert {row["x_TenantId"] for row in rows} == {"acme"}


def test_what_cannot_be_exported_is_said(alice):
    for query, status, words in (
        ("billing_period=2020-01", 404, "No bill of 2020-01 is loaded"),
        ("billing_period=2026-04&source=nobody", 404, "There is no source"),
        ("billing_period=2026-04&focus_version=9", 400, "focus_version"),
        ("", 400, "billing_period"),
    ):
        response = alice.get(f"{V1}/focus?{query}")
        assert response.status_code == status, query
        assert words in response.content.decode()
