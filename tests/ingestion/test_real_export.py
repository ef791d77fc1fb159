"""A real AWS export, byte for byte: the same total in the file, the ledger, the command and the page."""

from __future__ import annotations

import csv
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse

from allocation.models import LedgerDay
from finops.models import User
from tests.ingestion.bills import load, only_row

pytestmark = pytest.mark.django_db

BUCKET = Path(__file__).resolve().parents[1] / "data" / "aws_cur2" / "bucket"
TOTAL = Decimal("-1.5436190783")


def rows() -> list[dict[str, str]]:
    (path,) = BUCKET.rglob("*.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_total_is_the_same_in_file_ledger_command_and_page(client):
    assert sum((Decimal(row["line_item_unblended_cost"]) for row in rows()), Decimal(0)) == TOTAL
    assert load(BUCKET).exit_code == 0
    row = only_row()
    assert row.source_total == row.ingested == TOTAL
    assert (row.lines, row.rejected, row.difference) == (313, 0, 0)
    out = io.StringIO()
    call_command("reconcile", "--json", stdout=out)
    assert json.loads(out.getvalue())[0]["source_total"] == "-1.5436190783"
    client.force_login(User.objects.create_superuser("root", password="x"))
    assert "−1.5436190783" in client.get(reverse("reconciliation")).text


def test_its_tags_and_line_types_are_understood():
    load(BUCKET)
    assert set(LedgerDay.objects.values_list("charge_category", flat=True)) == {
        "Usage",
        "Credit",
        "Tax",
    }
    tagged = LedgerDay.objects.exclude(product="")
    assert set(tagged.values_list("product", "environment", "team")) == {
        ("ha-web-portal", "production", "platform-team")
    }
    lines = sum(tagged.values_list("lines", flat=True))
    assert lines == sum("Project" in row["tags"] for row in rows())
