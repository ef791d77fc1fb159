"""A download says what the page says, and no spreadsheet runs any of it."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import openpyxl
import pytest

from dashboards.exports import export_response, to_csv, to_xlsx
from dashboards.tables import Cell, Column, Kind, Mix, Row, Table, rounding_left

D = Decimal


def table(*cells: Cell, total: Cell | None = None) -> Table:
    columns = (
        Column("name", "Name"),
        Column("cost", "Cost", Kind.MONEY, "USD"),
        Column("margin", "Margin", Kind.PERCENT),
        Column("mix", "Allocation", Kind.MIX),
    )
    return Table("t", "A table", columns, [Row(cells)], [])


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


FULL = (
    Cell("Acme"),
    Cell(D("1234.565")),
    Cell(D("0.7184")),
    Cell(Mix(D("0.5"), D("0.25"), D("0.25"))),
)


def test_values_are_at_the_precision_of_the_page_with_the_unit_in_the_head():
    head, line = rows(to_csv(table(*FULL)))
    assert head == [
        "Name",
        "Cost (USD)",
        "Margin (%)",
        "Allocation: firm (%)",
        "Allocation: inferred (%)",
        "Allocation: fallback (%)",
    ]
    assert line == ["Acme", "1234.57", "71.8", "50.0", "25.0", "25.0"]


def test_a_missing_value_is_an_empty_cell_with_its_reason_beside():
    head, line = rows(to_csv(table(Cell("Acme"), Cell(D(1)), Cell(reason="no revenue"), Cell(""))))
    assert head[-1] == "Note"
    assert line[2] == ""
    assert line[-1] == "no revenue"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_is_defused(start):
    cells = (Cell(f"{start}1+1"), *FULL[1:])
    assert rows(to_csv(table(*cells)))[1][0] == f"'{start}1+1"
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(table(*cells)))).active
    assert sheet is not None
    assert sheet["A2"].data_type == "s"
    assert str(sheet["A2"].value).endswith("1+1")


def test_negative_amounts_stay_numbers():
    assert rows(to_csv(table(Cell("x"), Cell(D("-41.2")), *FULL[2:])))[1][1] == "-41.20"


def test_a_spreadsheet_holds_numbers_with_formats():
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(table(*FULL)))).active
    assert sheet is not None
    assert (sheet["B2"].value, sheet["B2"].number_format) == (1234.57, "#,##0.00")
    assert (sheet["C2"].value, sheet["C2"].number_format) == (71.8, '0.0##" %"')
    assert sheet.freeze_panes == "B2"


def test_an_amount_that_a_spreadsheet_would_round_stays_whole_as_text():
    exact = Table(
        "t", "t", (Column("a", "A"), Column("b", "B", Kind.EXACT)),
        [Row((Cell("x"), Cell(D("287481.754036787900000001"))))],
    )  # fmt: skip
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(exact))).active
    assert sheet is not None
    assert sheet["B2"].value == "287481.754036787900000001"
    assert rows(to_csv(exact))[1][1] == "287481.754036787900000001"


def test_times_are_utc():
    moment = datetime(2026, 4, 1, 13, tzinfo=UTC)
    timed = Table("t", "t", (Column("a", "A", Kind.TIME),), [Row((Cell(moment),))])
    assert rows(to_csv(timed))[1] == ["2026-04-01T13:00:00Z"]
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(timed))).active
    assert sheet is not None
    assert str(sheet["A2"].value) == "2026-04-01 13:00:00"


def test_a_download_is_named_and_not_cached():
    response = export_response(table(*FULL), "csv", "tenants_2026-04-01_2026-04-30")
    assert (
        response["Content-Disposition"]
        == 'attachment; filename="tenants_2026-04-01_2026-04-30.csv"'
    )
    assert response["Cache-Control"] == "private, no-store"


def test_sorting_keeps_missing_values_last_both_ways():
    columns = (Column("name", "Name"), Column("cost", "Cost", Kind.MONEY))
    lines = [
        Row((Cell("b"), Cell(D(2)))),
        Row((Cell("a"), Cell(reason="?"))),
        Row((Cell("C"), Cell(D(9)))),
    ]
    plain = Table("t", "t", columns, lines)

    def names(sort: str) -> list[object]:
        return [row.cells[0].value for row in plain.sorted_by(sort, ("name", "cost")).rows]

    assert names("cost") == ["b", "C", "a"]
    assert names("-cost") == ["C", "b", "a"]
    assert names("name") == ["a", "b", "C"]
    with pytest.raises(KeyError):
        names("secret")


def test_the_rounding_line_is_what_the_rounded_lines_lack():
    values = [D("0.005"), D("0.005"), D("0.005")]
    assert rounding_left(D("0.015"), values) == D("-0.01")
