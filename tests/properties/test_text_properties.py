"""Reading by distinct texts gives what reading line by line gives, whatever the bill holds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from django.conf import settings as django_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.core.amounts import parse_amount
from finops.core.dialect import DUCKDB
from ingestion import verify
from ingestion.ahead import ahead
from ingestion.core import aws_cur_columns as cur
from ingestion.core import aws_cur_plain as plain
from ingestion.core.aws_cur_rows import row_problem
from ingestion.core.delivery import SourceError, SourceFile
from ingestion.models import LakeFile, RejectedRow
from tests.cur_export import line, write_csv
from tests.ingestion.bills import load
from tests.ingestion.commitments import PLAN, RESERVATION, WIDE, bill
from tests.properties.test_cur_properties import clear, costs

COLUMNS = (*WIDE, "product_from_region_code", "product_servicecode", "product_sku")
words = st.sampled_from(["", " ", "a", " a", "b ", "Ä", "\u00a0a", "\u3000"])
rows = st.builds(
    lambda cost, tenant, day, cells: line(cost, tenant=tenant, day=day, **cells),
    costs,
    st.sampled_from(["", "acme", "Globex"]),
    st.integers(1, 28),
    st.fixed_dictionaries(
        {
            cur.LINE_TYPE: st.sampled_from(
                [
                    "Usage",
                    "Tax",
                    "Credit",
                    "Fee",
                    cur.COVERED,
                    cur.NEGATION,
                    cur.RESERVED,
                    "New",
                    "",
                ]
            ),
            cur.PLAN: st.sampled_from(["", PLAN]),
            cur.PLAN_EFFECTIVE: st.sampled_from(["", "0.5", "0.0"]),
            cur.RESERVATION: st.sampled_from(["", RESERVATION]),
            cur.RESERVATION_EFFECTIVE: st.sampled_from(["", "0.25"]),
            cur.CURRENCY: st.sampled_from(["USD", "usd", "EUR", ""]),
            cur.SPLIT_PARENT: st.sampled_from(["", "i-parent"]),
            "line_item_usage_type": st.sampled_from(["BoxUsage", "SpotUsage:c5", " x "]),
            "line_item_resource_id": words,
            "product_region_code": words,
            "product_from_region_code": words,
            "product_servicecode": words,
            "product_sku": words,
            "pricing_unit": words,
        }
    ),
)
spoilt = st.sampled_from(
    [line("oops"), line("1", identity_time_interval="x/y"), line("2", tags="{"), line("1e40")]
)


def charge_lines() -> list[tuple[object, ...]]:
    paths = [
        str(django_settings.LAKE_DIR / path)
        for path in LakeFile.objects.filter(kind="charges").values_list("path", flat=True)
    ]
    if not paths:
        return []
    return duckdb.execute(
        f"SELECT * FROM read_parquet({paths}, hive_partitioning=false, union_by_name=false) ORDER BY ALL"
    ).fetchall()


def read(folder: Path, *, lines_a_combination: int, chunk: int) -> tuple[object, ...]:
    clear()
    with (
        mock.patch("ingestion.cur_texts._WORTH_IT", lines_a_combination),
        mock.patch("ingestion.cur_stage._CHUNK", chunk),
        mock.patch("ingestion.cur_stage._BLOCK", 1 << 12),
    ):
        load(folder)
    rejects = RejectedRow.objects.order_by("file", "line")
    return charge_lines(), list(rejects.values_list("file", "line", "reason"))


@pytest.mark.django_db
@settings(max_examples=25)
@given(
    st.lists(rows, min_size=1, max_size=14),
    st.lists(spoilt, max_size=1),
    st.randoms(),
    st.sets(st.sampled_from([cur.PLAN_EFFECTIVE, cur.PLAN_COMMITMENT, cur.RESERVATION_EFFECTIVE])),
)
def test_by_distinct_texts_and_line_by_line_are_the_same_charge_lines(sound, bad, random, lacking):
    mixed = [*sound, *bad]
    random.shuffle(mixed)
    with tempfile.TemporaryDirectory() as name:
        export = bill(*mixed, chunks=2)
        export.columns = COLUMNS
        folder = export.write(Path(name))
        # A file of a delivery may lack columns that another one has.
        fewer = [column for column in COLUMNS if column not in lacking]
        write_csv(folder / export.key(1), fewer, mixed)
        by_texts = read(folder, lines_a_combination=0, chunk=4)
        assert by_texts == read(folder, lines_a_combination=10**9, chunk=10**6)


@given(st.lists(costs | st.from_regex(plain.AMOUNT, fullmatch=True), min_size=1, max_size=40))
def test_what_is_called_plain_is_an_amount_for_python_and_for_the_engine(texts):
    marks = pc.match_substring_regex(pa.array(texts), plain.AMOUNT).to_pylist()
    found = [text for text, is_plain in zip(texts, marks, strict=True) if is_plain and text]
    for text in found:
        assert abs(parse_amount(text)) < cur.MAX_COST
    if found:
        listed = ", ".join(f"('{text}')" for text in found)
        query = f"SELECT t, {DUCKDB.to_decimal('t')} FROM (VALUES {listed}) AS texts(t)"
        for text, value in duckdb.execute(query).fetchall():
            assert value is not None, text
            assert abs(value) < cur.MAX_COST


@pytest.mark.parametrize(
    "text",
    ["1e5", "+1", "1_0", "1.", ".5", " 1", "1 ", "Infinity", "nan", "1E-39", "1E9", "٣", "1\n"],
)
def test_what_is_not_plain_is_looked_at_line_by_line(text):
    assert not pc.match_substring_regex(pa.array([text]), plain.AMOUNT)[0].as_py()


moments = st.sampled_from(
    [
        "2026-04-01T00:00:00Z ",
        "2026-04-01T00:00:00Z",
        "2026-04-01T01:00:00.000Z",
        "2026-04-01",
        "2026-13-01T00:00:00Z",
        "x",
        "",
    ]
)


@given(moments, moments)
def test_a_plain_interval_is_one_that_no_row_is_put_aside_for(start, end):
    interval = f"{start}/{end}"
    if plain.are_intervals([interval]):
        problem = row_problem(line(identity_time_interval=interval))
        assert problem is None
        for moment in (start, end):
            query = f"SELECT {DUCKDB.to_timestamp('t')} FROM (SELECT '{moment}' AS t)"
            assert duckdb.execute(query).fetchall() != [(None,)]


@settings(max_examples=60)
@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode), st.integers(1, 7))
def test_bytes_are_taken_exactly_where_they_are_utf8_however_they_are_cut(data, chunk):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "a.csv"
        path.write_bytes(data)
        file = SourceFile("a.csv", path)
        facts = verify.FileFacts("", len(data), 0, 0, False, ())
        with mock.patch("ingestion.verify._CHUNK", chunk), verify.Checked(file, facts) as stream:
            try:
                found = stream.drain()
            except SourceError as error:
                found = None
                sentence = str(error)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line_number = data[: error.start].count(b"\n") + 1
        assert found is None
        assert sentence.startswith(f"a.csv: line {line_number} is not UTF-8 text")
        return
    if b"\n" not in data and b"\r" in data:
        assert found is None
        return
    assert found is not None
    assert found.text_bytes == len(data)
    assert found.has_nul == ("\0" in text)
    assert found.lines == data.count(b"\n") + bool(data and not data.endswith(b"\n"))


def test_working_ahead_keeps_the_order_and_brings_an_error_in_its_place():
    def items():
        yield from range(5)
        raise SourceError("broken")

    made = ahead(items(), depth=3)
    assert [next(made) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(SourceError, match="broken"):
        next(made)


def test_who_stops_asking_closes_what_worked_ahead():
    closed = []

    def items():
        try:
            yield from range(100)
        finally:
            closed.append(True)

    some = ahead(items(), depth=2)
    assert next(some) == 0
    some.close()
    assert closed == [True]
