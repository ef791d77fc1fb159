"""Invoiced revenue: read once however often it comes, spread over its days to the last digit."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

from allocation.core.figures import Slice
from allocation.models import RecognisedRevenue
from allocation.selectors import pnl_by_tenant
from finops.core.periods import Window
from finops.models import Tenant
from ingestion.models import RejectedRow, RevenueRow
from ingestion.services import IngestReport, ingest

pytestmark = pytest.mark.django_db

HEADER = "tenant,service_start,service_end,amount,currency,invoice_id"


def load(path: Path, *rows: str, header: str = HEADER) -> IngestReport:
    path.write_text("\n".join([header, *rows]) + "\n")
    return ingest(kind="revenue_csv", location=path)


def revenue(month: int) -> dict[str | None, Decimal]:
    pnls = pnl_by_tenant(Slice(window=Window.of_month(date(2026, month, 1))))
    return {slug: pnl.revenue for slug, pnl in pnls.items()}


def test_revenue_is_recognised_straight_line_over_its_service_days(tmp_path):
    load(tmp_path / "r.csv", "acme,2026-04-16,2026-05-16,3000.00,USD,INV-1")
    assert revenue(4) == {"acme": Decimal("1500")}
    assert revenue(5) == {"acme": Decimal("1500")}


def test_an_amount_that_does_not_divide_evenly_is_recognised_whole(tmp_path):
    load(tmp_path / "r.csv", "acme,2026-01-01,2027-01-01,1000.00,USD,INV-1")
    amounts = list(RecognisedRevenue.objects.values_list("amount", flat=True))
    assert len(amounts) == 365
    assert sum(amounts) == Decimal("1000")
    assert max(amounts) - min(amounts) == Decimal("0.00000001")


def test_the_same_file_again_changes_nothing(tmp_path):
    row = "acme,2026-04-01,2026-05-01,3000.00,USD,INV-1"
    load(tmp_path / "r.csv", row)
    report = load(tmp_path / "r.csv", row)
    assert [outcome.status for outcome in report.outcomes] == ["unchanged"]
    assert revenue(4) == {"acme": Decimal(3000)}


def test_the_same_invoice_in_another_file_counts_once_and_its_newer_amount_wins(tmp_path):
    load(tmp_path / "a.csv", "acme,2026-04-01,2026-05-01,3000.00,USD,INV-1")
    load(tmp_path / "b.csv", "acme,2026-04-01,2026-05-01,2400.00,USD,INV-1")
    assert revenue(4) == {"acme": Decimal(2400)}
    assert RevenueRow.objects.count() == 1


def test_headings_with_spaces_and_days_with_midnights_are_read(tmp_path):
    load(
        tmp_path / "r.csv",
        "acme,2026-04-01T00:00:00Z,2026-05-01 00:00:00,30,usd,INV-1",
        header="Tenant,Service Start,Service End,Amount,Currency,Invoice ID",
    )
    assert revenue(4) == {"acme": Decimal(30)}


def test_corrected_service_days_replace_the_earlier_ones(tmp_path):
    load(
        tmp_path / "a.csv",
        "acme,2026-04-01,2026-05-01,100,USD,INV-1",
        "acme,2026-01-01,2026-02-01,7,USD,INV-1",
    )
    load(tmp_path / "b.csv", "acme,2026-04-01,2026-06-01,122,USD,INV-1")
    assert revenue(4)["acme"] + revenue(5)["acme"] == Decimal(122)
    assert revenue(1) == {"acme": Decimal(7)}


def test_two_lines_of_one_file_for_overlapping_days_both_count(tmp_path):
    rows = ["acme,2026-04-01,2026-05-01,10,USD,INV-1", "acme,2026-04-01,2026-04-11,5,USD,INV-1"]
    load(tmp_path / "a.csv", *rows)
    load(tmp_path / "again.csv", *reversed(rows))
    assert revenue(4) == {"acme": Decimal(15)}


def test_a_quote_that_is_never_closed_does_not_swallow_the_rows_after_it(tmp_path):
    load(tmp_path / "r.csv", '"open,2026-04-01', "acme,2026-04-01,2026-05-01,10,USD,INV-1")
    assert revenue(4) == {"acme": Decimal(10)}
    assert RejectedRow.objects.get().line == 2


def test_revenue_beyond_what_the_database_can_add_up_is_refused(tmp_path):
    rows = [f"acme,2026-04-01,2026-05-01,9999999999,IDR,INV-{n}" for n in range(12)]
    report = load(tmp_path / "r.csv", *rows)
    if connection.vendor == "sqlite":
        assert report.exit_code == 2
        assert "use PostgreSQL" in report.outcomes[0].sentence
        assert not RevenueRow.objects.exists()
    else:
        assert report.exit_code == 0


def test_a_credit_note_lowers_revenue(tmp_path):
    load(
        tmp_path / "r.csv",
        "acme,2026-04-01,2026-05-01,3000.00,USD,INV-1",
        "acme,2026-04-01,2026-05-01,-500.00,USD,CN-1",
    )
    assert revenue(4) == {"acme": Decimal(2500)}


def test_lines_of_one_invoice_for_the_same_days_count_when_they_have_line_ids(tmp_path):
    load(
        tmp_path / "r.csv",
        "acme,2026-04-01,2026-05-01,3000,USD,INV-1,seats",
        "acme,2026-04-01,2026-05-01,500,USD,INV-1,support",
        header=f"{HEADER},line_id",
    )
    assert revenue(4) == {"acme": Decimal(3500)}


def test_a_repeated_line_is_put_aside_because_counting_it_would_be_a_guess(tmp_path):
    row = "acme,2026-04-01,2026-05-01,3000.00,USD,INV-1"
    report = load(tmp_path / "r.csv", row, row)
    assert report.exit_code == 1
    assert revenue(4) == {"acme": Decimal(3000)}
    assert "repeats the invoice" in RejectedRow.objects.get().reason


BROKEN = [
    (",2026-04-01,2026-05-01,1,USD,I", "tenant is empty"),
    ("acme,April,2026-05-01,1,USD,I", "service_start is not a day"),
    ("acme,2026-05-01,2026-05-01,1,USD,I", "before it lasts a day"),
    ("acme,2026-05-01,2096-05-01,1,USD,I", "longer than ten years"),
    ("acme,2026-04-01,2026-05-01,many,USD,I", "amount is not a number"),
    ("acme,2026-04-01,2026-05-01,1.123456789,USD,I", "more than 8 decimals"),
    (
        "acme,2026-04-01,2026-05-01,1.0000000000000000000000000000000001,USD,I",
        "more than 8 decimals",
    ),
    ("acme,2026-04-01,2026-05-01,1_000,USD,I", "amount is not a number"),
    ("acme,2026-W14-3,2026-05-01,1,USD,I", "service_start is not a day"),
    ("acme,2026-04-01,2026-05-01,1,EURO,I", "three letters"),
    ("acme,2026-04-01,2026-05-01,1,USD,", "invoice_id is empty"),
    ("acme,2026-04-01", "2 fields where the header has 6"),
]


@pytest.mark.parametrize(("broken", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_row_is_put_aside_while_the_rest_loads(tmp_path, broken, reason):
    report = load(tmp_path / "r.csv", broken, "globex,2026-04-01,2026-05-01,30,USD,INV-2")
    assert report.exit_code == 1
    reject = RejectedRow.objects.get()
    assert reason in reject.reason
    assert reject.line == 2
    assert revenue(4) == {"globex": Decimal(30)}


def test_a_file_of_another_kind_is_refused_with_the_column_it_lacks(tmp_path):
    report = load(tmp_path / "r.csv", "1,2", header="a,b")
    assert report.exit_code == 2
    assert "lacks the column tenant" in report.outcomes[0].sentence


def test_an_empty_or_missing_file_is_refused(tmp_path):
    (tmp_path / "r.csv").write_text("")
    assert ingest(kind="revenue_csv", location=tmp_path / "r.csv").exit_code == 2
    assert ingest(kind="revenue_csv", location=tmp_path / "nothing").exit_code == 2


def test_names_of_tenants_are_one_however_they_are_spelt(tmp_path):
    load(
        tmp_path / "r.csv",
        "Acme Corp,2026-04-01,2026-05-01,1,USD,INV-1",
        "acme_corp,2026-04-01,2026-05-01,2,USD,INV-2",
    )
    assert Tenant.objects.get().slug == "acme-corp"
    assert not Tenant.objects.get().discovered
    assert revenue(4) == {"acme-corp": Decimal(3)}


def test_other_currencies_are_left_out_of_a_page_and_named(tmp_path):
    from allocation.selectors import other_currencies

    load(tmp_path / "r.csv", "acme,2026-04-01,2026-05-01,5,EUR,INV-1")
    slice_ = Slice(window=Window.of_month(date(2026, 4, 1)))
    assert revenue(4) == {}
    assert other_currencies(slice_) == ("EUR",)
