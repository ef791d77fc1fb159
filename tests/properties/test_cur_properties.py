"""Any bill, in any order, any number of times, whole or damaged: the same ledger, to the last digit."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.models import LedgerDay
from allocation.selectors import reconciliation
from finops.core.amounts import exact_sum
from ingestion.core.aws_cur_rows import row_problem
from ingestion.core.csv_sieve import BrokenRow, SoundRow, sieve
from ingestion.models import Delivery, Load, RejectedRow, Source
from ingestion.services import ingest
from tests.cur_export import Export, line

numbers = st.decimals("-1e9", "1e9", allow_nan=False, allow_infinity=False, places=12)
small = st.builds(
    lambda digits, exponent: f"{digits}E-{exponent}",
    st.integers(-(10**9), 10**9),
    st.integers(0, 30),
)
costs = numbers.map(str) | numbers.map(lambda n: f"{n:E}") | small | st.just("0.0")
values = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from('",\\\n='),
    max_size=20,
)
good_rows = st.builds(
    lambda cost, tenant, day, note: line(
        cost, tenant=tenant, day=day, line_item_line_item_description=note
    ),
    costs,
    st.sampled_from(["", "acme", "Globex", "initech"]),
    st.integers(1, 28),
    values,
)
bad_rows = st.sampled_from(
    [line("oops"), line("1", identity_time_interval="x"), line("2.5", tags="{"), line("Infinity")]
)


def clear() -> None:
    Load.objects.all().delete()
    Delivery.objects.all().delete()
    Source.objects.all().delete()


def figures() -> tuple[object, ...]:
    ledger = LedgerDay.objects.order_by("day", "tenant__slug", "billed_cost", "method").values_list(
        "day", "tenant__slug", "billed_cost", "effective_cost", "method", "lines"
    )
    return list(ledger), [replace(row) for row in reconciliation()]


@pytest.mark.django_db
@settings(max_examples=25)
@given(
    st.lists(good_rows, min_size=1, max_size=12),
    st.lists(bad_rows, max_size=3),
    st.randoms(),
    st.integers(1, 3),
)
def test_source_total_is_loaded_plus_rejected_for_any_bill(good, bad, random, chunks):
    clear()
    rows = [*good, *bad]
    random.shuffle(rows)
    with tempfile.TemporaryDirectory() as folder:
        ingest(kind="aws_cur", location=Export(rows, chunks=chunks).write(Path(folder)))
    (row,) = reconciliation()
    assert row.ingested == exact_sum(Decimal(r["line_item_unblended_cost"]) for r in good)
    assert row.source_total == exact_sum([row.ingested, row.rejected])
    assert row.difference == 0
    assert (row.lines, row.rejected_lines) == (len(good), len(bad))
    assert RejectedRow.objects.count() == len(bad)


@pytest.mark.django_db
@settings(max_examples=10)
@given(
    st.lists(st.lists(good_rows, min_size=1, max_size=4), min_size=2, max_size=3),
    st.lists(st.integers(0, 2), min_size=3, max_size=6),
)
def test_deliveries_in_any_order_and_any_number_end_in_the_same_ledger(bills, order):
    exports = [
        Export(rows, execution=f"2026-04-{10 + index}T00:00:00.000Z-run-{index}")
        for index, rows in enumerate(bills)
    ]
    with tempfile.TemporaryDirectory() as folder:
        folders = [export.write(Path(folder) / str(index)) for index, export in enumerate(exports)]
        clear()
        for at in folders:
            ingest(kind="aws_cur", location=at)
        expected = figures()
        clear()
        for index in [*order, *reversed(range(len(folders)))]:
            if index < len(folders):
                ingest(kind="aws_cur", location=folders[index])
        assert figures() == expected


@given(st.lists(st.lists(values, min_size=3, max_size=3), max_size=8))
def test_the_sieve_keeps_every_sound_row_as_the_csv_module_reads_it(rows):
    import csv
    import io

    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    kept = list(sieve(io.StringIO(out.getvalue(), newline=""), ["a", "b", "c"], lambda _: None))
    assert all(isinstance(row, SoundRow) for row in kept)
    assert [list(row.fields) for row in kept] == [row for row in rows if any(row) or len(row) > 1]


@given(st.text(st.sampled_from('a,"\n\r'), max_size=60))
def test_the_sieve_never_fails_and_never_loses_a_line(text):
    lines = io_lines("a,b\n" + text)
    rows = list(sieve(lines, ["a", "b"], lambda _: None))
    numbers = [row.line for row in rows]
    assert numbers == sorted(set(numbers))
    assert all(isinstance(row, SoundRow | BrokenRow) for row in rows)


def io_lines(text: str) -> list[str]:
    import io

    return list(io.StringIO(text, newline=""))


@given(st.dictionaries(st.sampled_from(list(line())), values))
def test_checking_a_row_never_fails(cells):
    problem = row_problem(cells)
    assert problem is None or problem.endswith(".")
