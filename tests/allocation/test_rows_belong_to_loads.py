"""Ledger rows carry no constraint on load and source: what is written with them holds both."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from allocation import commit, services
from allocation.models import LedgerDay, LedgerMonth, PnlDay, PnlMonth
from ingestion.models import Load, Source
from tests.cur_export import Export, line
from tests.ingestion.bills import load

TABLES = (LedgerDay, LedgerMonth, PnlDay, PnlMonth)
BILL = [line("10", tenant="acme", day=1), line("4", tenant="globex", day=2)]


@pytest.mark.django_db
def test_every_row_is_of_a_load_that_is_there_and_of_its_source(tmp_path: Path) -> None:
    load(Export(BILL, execution="2026-04-10T08:00:00.000Z-00000001").write(tmp_path))
    changed = [BILL[0], line("5", tenant="globex", day=2)]
    load(Export(changed, execution="2026-04-11T08:00:00.000Z-00000002").write(tmp_path))
    known = dict(Load.objects.values_list("pk", "source_id"))
    for table in TABLES:
        assert set(table.objects.values_list("load_id", flat=True)) <= set(known)
    for detailed in (LedgerDay, LedgerMonth):
        rows = set(detailed.objects.values_list("load_id", "source_id"))
        assert rows
        assert rows <= set(known.items())


@pytest.mark.django_db(transaction=True)
def test_load_that_was_swept_before_its_commit_leaves_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def after_the_sweep(**given: object) -> None:
        Load.objects.all().delete()
        commit.commit_load(**given)  # type: ignore[arg-type]

    monkeypatch.setattr(services, "commit_load", after_the_sweep)
    report = load(Export(BILL, execution="2026-04-10T08:00:00.000Z-00000001").write(tmp_path))
    assert report.exit_code
    assert not any(table.objects.exists() for table in TABLES)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", [Load, Source])
def test_database_refuses_to_drop_what_the_ledger_needs(
    tmp_path: Path, table: type[Load | Source]
) -> None:
    load(Export(BILL, execution="2026-04-10T08:00:00.000Z-00000001").write(tmp_path))
    remove = partial(connection.cursor().execute, f"DELETE FROM {table._meta.db_table}")
    with pytest.raises(IntegrityError), transaction.atomic():
        remove()
    assert all(model.objects.exists() for model in TABLES)


@pytest.mark.django_db
def test_rows_leave_with_their_load(tmp_path: Path) -> None:
    load(Export(BILL, execution="2026-04-10T08:00:00.000Z-00000001").write(tmp_path))
    Load.objects.all().delete()
    assert not any(table.objects.exists() for table in TABLES)
