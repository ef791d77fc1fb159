"""A table as CSV and as a spreadsheet: the same rows and totals as on the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import xlsxwriter
from django.http import HttpResponse

from dashboards import numbers
from dashboards.tables import Cell, Column, Kind, Mix, Row, Table, Value
from finops.core.amounts import plain
from finops.core.spreadsheets import defused

_BANDS = ("firm", "inferred", "fallback")
_XLSX_DIGITS = 15
_FORMATS = {
    Kind.MONEY: {"num_format": "#,##0.00"},
    Kind.EXACT: {"num_format": "#,##0.00################"},
    Kind.PERCENT: {"num_format": '0.0##" %"'},
    Kind.MIX: {"num_format": '0.0##" %"'},
    Kind.POINTS: {"num_format": "+0.0##;-0.0##;0.0"},
    Kind.NUMBER: {"num_format": "#,##0.####"},
    Kind.TIME: {"num_format": "yyyy-mm-dd hh:mm"},
}
_CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def export_response(
    table: Table, file_format: str, name: str, notes: Sequence[str] = ()
) -> HttpResponse:
    """``table`` as a download, ``csv`` or ``xlsx``, under ``name``.

    ``notes`` (exchange rates) stand beneath it in the first column, so that no amount's column has them.
    """
    body = to_csv(table, notes) if file_format == "csv" else to_xlsx(table, notes)
    response = HttpResponse(body, content_type=_CONTENT_TYPES[file_format])
    response["Content-Disposition"] = f'attachment; filename="{name}.{file_format}"'
    response["Cache-Control"] = "private, no-store"
    return response


def to_csv(table: Table, notes: Sequence[str] = ()) -> bytes:
    """UTF-8 with a byte order mark, so that spreadsheets read names rightly; CRLF as RFC 4180 has it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([defused(head) for head, _ in _heads(table)])
    for row in _all_rows(table):
        writer.writerow([_csv_text(value, kind) for value, kind in _values(table, row)])
    for note in notes:
        writer.writerow([defused(note)])
    return ("\ufeff" + out.getvalue()).encode()


def to_xlsx(table: Table, notes: Sequence[str] = ()) -> bytes:
    """One sheet, written row by row in constant memory; text is never read as a formula."""
    out = io.BytesIO()
    options = {
        "constant_memory": True,
        "default_date_format": "yyyy-mm-dd",
        "remove_timezone": True,
    }
    with xlsxwriter.Workbook(out, options) as book:
        sheet = book.add_worksheet(table.key[:31])
        bold = book.add_format({"bold": True})
        formats = {
            (kind, strong): book.add_format({**properties, "bold": strong})
            for kind, properties in _FORMATS.items()
            for strong in (False, True)
        }
        heads = _heads(table)
        for index, (head, _) in enumerate(heads):
            sheet.set_column(index, index, 34 if index == 0 else 18)
            sheet.write_string(0, index, head, bold)
        sheet.freeze_panes(1, 1)
        line = 0
        for line, row in enumerate(_all_rows(table), start=1):
            strong = row.kind in {"sum", "total"}
            for index, (value, kind) in enumerate(_values(table, row)):
                style = formats.get((kind, strong), bold if strong else None)
                if isinstance(value, Decimal | int):
                    _write_number(sheet, line, index, Decimal(value), style)
                elif isinstance(value, datetime):
                    sheet.write_datetime(line, index, value, style)
                elif value is not None:
                    sheet.write_string(line, index, str(value), style)
        for below, note in enumerate(notes, start=line + 1):
            sheet.write_string(below, 0, note)
    return out.getvalue()


def _write_number(
    sheet: xlsxwriter.worksheet.Worksheet,
    line: int,
    index: int,
    value: Decimal,
    style: xlsxwriter.format.Format | None,
) -> None:
    # A spreadsheet keeps 15 digits: a longer amount stays whole as text.
    if len(value.normalize().as_tuple().digits) > _XLSX_DIGITS:
        sheet.write_string(line, index, plain(value), style)
    else:
        sheet.write_number(line, index, float(value), style)


def _heads(table: Table) -> list[tuple[str, Kind]]:
    heads: list[tuple[str, Kind]] = []
    for column in table.columns:
        label = column.label or "Line"
        if column.note:
            label = f"{label} {column.note}"
        if column.kind is Kind.MIX:
            heads += [(f"{label}: {name} (%)", Kind.PERCENT) for name in _BANDS]
        elif column.kind is Kind.PERCENT:
            heads.append((f"{label} (%)", column.kind))
        else:
            heads.append((f"{label} ({column.unit})" if column.unit else label, column.kind))
    if any(_notes(table.columns, row) for row in _all_rows(table)):
        heads.append(("Note", Kind.TEXT))
    return heads


def _all_rows(table: Table) -> Iterator[Row]:
    yield from table.rows
    yield from table.totals


def _values(table: Table, row: Row) -> Iterator[tuple[Value, Kind]]:
    for column, cell in zip(table.columns, row.cells, strict=True):
        kind = cell.kind or column.kind
        if column.kind is Kind.MIX:
            mix = cell.value
            for name in _BANDS:
                share = getattr(mix, name) if isinstance(mix, Mix) else None
                yield (None if share is None else numbers.percent_value(share)), Kind.PERCENT
        else:
            yield _exported(cell, kind), kind
    notes = _notes(table.columns, row)
    if notes:
        yield notes, Kind.TEXT


def _exported(cell: Cell, kind: Kind) -> Value:
    """The value at the precision of the page."""
    value = cell.value
    if isinstance(value, Decimal):
        if kind is Kind.MONEY:
            return numbers.round_places(value, 2)
        if kind is Kind.PERCENT:
            return numbers.percent_value(value, cell.places)
        if kind is Kind.POINTS:
            return numbers.round_places(value, cell.places)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, date):
        return value.isoformat()
    return value


def _notes(columns: Sequence[Column], row: Row) -> str:
    """Why values are missing and what stands beside them, once each."""
    notes = dict.fromkeys(
        f"{column.label}: {cell.reason}"
        for column, cell in zip(columns, row.cells, strict=True)
        if cell.value is None and cell.reason
    )
    reasons = dict.fromkeys(cell.reason for cell in row.cells if cell.value is None and cell.reason)
    return next(iter(reasons)) if len(reasons) == 1 else "; ".join(notes)


def _csv_text(value: Value, kind: Kind) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal | int):
        return (
            f"{value:f}"
            if kind in {Kind.MONEY, Kind.PERCENT, Kind.POINTS}
            else plain(Decimal(value))
        )
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return defused(str(value))
