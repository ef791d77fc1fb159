"""A month that is delivered again: only days that changed are written, and the change is kept."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocation.core.figures import Slice
from allocation.models import (
    CandidateTenant,
    LedgerDay,
    LedgerDigest,
    LedgerMonth,
    PnlDay,
    PnlMonth,
    Restatement,
    UncertainCost,
)
from allocation.restatements import restatements
from allocation.selectors import pnl_by_tenant, reconciliation
from finops.core.periods import Window
from ingestion.models import Delivery, Load, Source
from tests.cur_export import Export, line
from tests.ingestion.bills import load

pytestmark = pytest.mark.django_db

FIRST = [
    line("10", tenant="acme", day=1),
    line("4", tenant="acme", day=2),
    line("6", tenant="globex", day=3),
    line("1", day=3, line_item_resource_id="i-untagged"),
]
APRIL = Slice(window=Window.of_month(date(2026, 4, 1)))


def runs(*rows: list[dict[str, str]]) -> list[Export]:
    return [
        Export(part, execution=f"2026-04-{10 + number}T08:00:00.000Z-0000000{number}")
        for number, part in enumerate(rows)
    ]


def loaded(tmp_path: Path, *rows: list[dict[str, str]]) -> None:
    for export in runs(*rows):
        report = load(export.write(tmp_path))
        assert report.exit_code == 0, report


def written_by() -> dict[int, set[str]]:
    """The delivery that wrote each day's rows."""
    found: dict[int, set[str]] = {}
    for day, made in LedgerDay.objects.values_list("day", "load__delivery__delivered_at"):
        found.setdefault(day.day, set()).add(f"{made:%d}")
    return found


def test_only_days_that_changed_are_written_again(tmp_path):
    changed = [FIRST[0], line("4.5", tenant="acme", day=2), *FIRST[2:]]
    loaded(tmp_path, FIRST, changed)
    assert written_by() == {1: {"10"}, 2: {"11"}, 3: {"10"}}
    assert {row.difference for row in reconciliation()} == {Decimal(0)}
    assert pnl_by_tenant(APRIL)["acme"].cost == Decimal("14.5")


def test_what_a_delivery_changed_is_kept_with_amount_time_and_tenants(tmp_path):
    loaded(tmp_path, FIRST, [FIRST[0], line("3", tenant="globex", day=2), *FIRST[2:]])
    (restated,) = restatements()
    assert (restated.source, restated.billing_period) == (
        Source.objects.get().slug,
        date(2026, 4, 1),
    )
    assert (restated.days_rewritten, restated.days_kept) == (1, 2)
    assert restated.tenants == ("Acme", "Globex")
    assert restated.change("effective") == {"USD": Decimal(-1)}
    assert [(one.tenant, one.effective_before, one.effective_after) for one in restated.lines] == [
        ("Acme", Decimal(4), Decimal(0)),
        ("Globex", Decimal(0), Decimal(3)),
    ]
    assert restated.lines[0].first_day == restated.lines[0].last_day == date(2026, 4, 2)


def test_the_days_that_a_month_to_date_bill_adds_are_news_and_no_restatement(tmp_path):
    loaded(tmp_path, FIRST, [*FIRST, line("2", tenant="acme", day=3), line("5", day=4)])
    assert Restatement.objects.count() == 0
    assert written_by() == {1: {"10"}, 2: {"10"}, 3: {"11"}, 4: {"11"}}


def test_a_day_that_a_newer_delivery_no_longer_holds_is_gone(tmp_path):
    loaded(tmp_path, FIRST, [FIRST[0], *FIRST[2:]])
    assert sorted(written_by()) == [1, 3]
    (restated,) = restatements()
    assert restated.change("billed") == {"USD": Decimal(-4)}


def test_rows_from_before_there_were_digests_are_replaced_whole(tmp_path):
    loaded(tmp_path, FIRST)
    LedgerDigest.objects.all().delete()
    loaded(tmp_path, FIRST, [FIRST[0]])
    assert written_by() == {1: {"11"}}


def state() -> list[list[tuple[object, ...]]]:
    """All ledger tables, without which load of which source wrote a row."""
    tables: list[list[tuple[object, ...]]] = []
    for model in (LedgerDay, LedgerMonth, PnlDay, PnlMonth, UncertainCost, CandidateTenant):
        names = [
            field.attname
            for field in model._meta.fields
            if field.name not in {"id", "load", "source"}
        ]
        tables.append(sorted(model._default_manager.values_list(*names), key=repr))
    return tables


rows = st.lists(
    st.builds(
        line,
        st.decimals("-5", "50", places=3, allow_nan=False).map(str),
        tenant=st.sampled_from(["acme", "globex", ""]),
        day=st.integers(1, 5),
    ),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deliveries=st.lists(rows, min_size=2, max_size=3))
def test_however_a_month_came_the_ledger_is_that_of_its_last_delivery(deliveries, tmp_path_factory):
    def clean() -> None:
        Restatement.objects.all().delete()
        Load.objects.all().delete()
        Delivery.objects.all().delete()
        Source.objects.all().delete()

    clean()
    for number, export in enumerate(runs(*deliveries)):
        load(export.write(tmp_path_factory.mktemp(f"run{number}")))
    after_all = state()
    clean()
    load(runs(*deliveries)[-1].write(tmp_path_factory.mktemp("alone")))
    assert state() == after_all
