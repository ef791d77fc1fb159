"""Deliveries that are damaged, doubled or hostile: one sentence each, and never a wrong figure."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from decimal import Decimal

import pytest

from allocation.core.figures import Slice
from allocation.lake import charge_lines
from allocation.selectors import pnl_by_tenant, reconciliation
from finops.core.periods import Window
from ingestion.models import Load, RejectedRow
from ingestion.selectors import shared_bills
from tests.cur_export import Export, line, write_text
from tests.ingestion.bills import load, only_row

pytestmark = pytest.mark.django_db


def rewrite(folder, export, change, chunk=0):
    path = folder / export.key(chunk)
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\n" + text,
        lambda text: b" \r\n" + text,
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: text.replace(b"\n", b",\n"),
        lambda text: b"\0" * 100,
    ],
    ids=["blank first line", "blank first CRLF line", "CR alone", "trailing commas", "zeros"],
)
def test_a_chunk_that_cannot_be_told_apart_is_refused_and_never_skipped(bill, tmp_path, change):
    export = replace(bill, chunks=2)
    folder = export.write(tmp_path)
    rewrite(folder, export, change, chunk=1)
    report = load(folder)
    assert report.exit_code == 2
    assert export.key(1) in report.outcomes[0].sentence
    assert not reconciliation()


def test_folders_named_like_columns_and_patterns_are_only_folders(bill, tmp_path):
    folder = tmp_path / "line_item_line_item_type=Credit" / "b[x]*"
    bill.write(folder)
    bill.write(tmp_path / "line_item_line_item_type=Credit" / "bx")
    load(folder)
    assert only_row().source_total == bill.total()
    assert Load.objects.get().line_types == {"Usage": 5}


def test_an_empty_redelivery_does_not_empty_a_month(bill, tmp_path):
    load(bill.write(tmp_path / "full"))
    empty = replace(bill, rows=[], execution="2026-04-18T00:00:00.000Z-bbbb")
    report = load(empty.write(tmp_path / "empty"))
    assert report.exit_code == 2
    assert "5 lines of this period are loaded" in report.outcomes[0].sentence
    assert only_row().source_total == bill.total()


def test_an_account_that_two_exports_bill_is_pointed_out(bill, tmp_path):
    load(bill.write(tmp_path / "a"))
    assert shared_bills() == []
    load(replace(bill, export="daily", arn=f"{bill.arn}-2").write(tmp_path / "b"))
    (sentence,) = shared_bills()
    assert "111122223333" in sentence
    assert "aws-daily and aws-saas-hourly" in sentence


@pytest.mark.parametrize(
    "cells",
    [
        {"tags": '{"a":' + "1" * 5000 + "}"},
        {"tags": '{"user:Tenant":"\\ud800"}'},
        {"product": '{"product_name":"\\ud800"}', "line_item_product_code": "Odd"},
        {"product": '{"a":' + "1" * 5000 + "}", "line_item_product_code": "Odd"},
        {"line_item_unblended_cost": "0.1" + "0" * 70},
        {"identity_time_interval": "0001-01-01T00:00:00Z/0001-01-01T01:00:00Z"},
        {"identity_time_interval": "9999-12-31T23:00:00Z/9999-12-31T24:00:00Z"},
        {"line_item_usage_amount": "9e19"},
        {"line_item_usage_type": "a\0b"},
        {"line_item_currency_code": "€"},
        {"identity_time_interval": "2026-04-01T00:00+05/2026-04-01T01:00+05"},
        {"line_item_unblended_cost": "1_0"},
    ],
    ids=lambda cells: next(iter(cells)),
)
def test_a_hostile_row_ends_as_a_line_or_as_a_reject_alone_or_in_company(bill, tmp_path, cells):
    hostile = {**line("1"), **cells}
    load(replace(bill, rows=[*bill.rows, hostile]).write(tmp_path))
    alone = only_row()
    load(
        replace(
            bill, rows=[*bill.rows, hostile, line("x")], execution="2026-04-18T00:00:00.000Z-b"
        ).write(tmp_path)
    )
    both = only_row()
    assert alone.lines + alone.rejected_lines == 6
    assert (both.lines, both.rejected_lines) == (alone.lines, alone.rejected_lines + 1)
    assert both.ingested == alone.ingested
    assert both.difference == alone.difference == 0


def test_large_usage_amounts_load_without_a_quantity(tmp_path):
    rows = [line("1", day=day, line_item_usage_amount="800000000000000") for day in (1, 2)]
    assert load(Export(rows).write(tmp_path)).exit_code == 0
    assert only_row().lines == 2


@pytest.mark.parametrize(
    "manifest",
    [
        {"executionId": "x" * 300, "dataFiles": ["s3://b/k"]},
        {"exportArn": "a\u0000b", "dataFiles": ["s3://b/k"]},
        {"executionId": "\ud800", "dataFiles": ["s3://b/k"]},
        {"columns": 5, "dataFiles": ["s3://b/" + "k" * 300 + "/x.csv"]},
        {"dataFiles": ["s3://b/\ud800.csv"]},
    ],
)
def test_a_hostile_manifest_is_refused_with_a_sentence(bill, tmp_path, manifest):
    bill.write(tmp_path)
    for key in bill.manifest_keys():
        (tmp_path / key).write_text(json.dumps(manifest))
    report = load(tmp_path)
    assert report.exit_code == 2
    assert "Manifest.json" in report.outcomes[0].sentence


def test_a_manifest_that_is_a_link_out_of_the_folder_is_refused(bill, tmp_path):
    folder = bill.write(tmp_path / "bill")
    for number, key in enumerate(bill.manifest_keys()):
        outside = tmp_path / f"outside-{number}.json"
        (folder / key).rename(outside)
        (folder / key).symlink_to(outside)
    report = load(folder)
    assert report.exit_code == 2
    assert "leads out of the folder" in report.outcomes[0].sentence


def test_a_pipe_in_place_of_a_file_is_refused_and_does_not_wait(bill, tmp_path):
    folder = bill.write(tmp_path)
    (folder / bill.key(0)).unlink()
    os.mkfifo(folder / bill.key(0))
    report = load(folder)
    assert report.exit_code == 2
    assert "no regular file" in report.outcomes[0].sentence


def test_one_bad_delivery_does_not_stop_the_others_whatever_is_wrong(bill, tmp_path, monkeypatch):
    bill.write(tmp_path)
    replace(bill, period="2026-05", execution="2026-05-02T00:00:00.000Z-x").write(tmp_path)
    monkeypatch.setattr("allocation.services.build_ledger", _fails_once())
    report = load(tmp_path)
    assert [outcome.status for outcome in report.outcomes] == ["failed", "loaded"]
    assert "could not be loaded (disk quota)" in report.outcomes[0].sentence
    assert report.exit_code == 1


def _fails_once():
    from allocation.core.ledger import build_ledger

    calls = []

    def build(*arguments):
        calls.append(1)
        if len(calls) == 1:
            msg = "disk quota"
            raise OSError(msg)
        return build_ledger(*arguments)

    return build


def test_a_long_secret_is_not_kept_by_its_first_part(bill, tmp_path, monkeypatch):
    secret = "corporate vault phrase: blue horses gallop over the seven quiet hills at dawn"
    monkeypatch.setenv("BILLING_PASSWORD", secret)
    rows = [
        *bill.rows,
        line(secret),
        line("1", identity_time_interval=secret),
        line("1", line_item_currency_code=secret),
        line("x", line_item_usage_type=f"{'-' * 60}{secret}"),
    ]
    load(replace(bill, rows=rows).write(tmp_path))
    kept = json.dumps(list(RejectedRow.objects.values("reason", "text")))
    assert RejectedRow.objects.count() == 4
    assert "corporate" not in kept
    uri = replace(
        bill, extra_uris=[f"https://x/{'p' * 150}{secret}"], execution="2026-05-01T00:00:00Z-z"
    )
    assert "corporate" not in load(uri.write(tmp_path)).outcomes[0].sentence


def test_a_line_charged_far_from_its_period_is_in_pnl_and_in_lines(tmp_path):
    row = line(
        "5", tenant="acme", identity_time_interval="2025-11-03T00:00:00Z/2025-11-03T01:00:00Z"
    )
    load(Export([line("1", tenant="acme"), row]).write(tmp_path))
    from datetime import date

    november = Slice(window=Window.of_month(date(2025, 11, 1)))
    assert pnl_by_tenant(november)["acme"].cost == 5
    page = charge_lines(november)
    assert (page.total_lines, page.total_effective) == (1, Decimal(5))


def test_bounds_do_not_net_what_could_come_against_what_could_go(tmp_path):
    rows = [line("1", tenant="acme")]
    rows += [line("10", line_item_resource_id=f"i-{n}") for n in range(50)]
    rows += [line("9", line_item_resource_id="i-plus"), line("-9", line_item_resource_id="i-minus")]
    load(Export(rows).write(tmp_path))
    from datetime import date

    acme = pnl_by_tenant(Slice(window=Window.of_month(date(2026, 4, 1))))["acme"]
    assert (acme.uncertain_low, acme.uncertain_high) == (-9, 509)


def test_a_quote_that_is_never_closed_in_text_is_one_reject(tmp_path):
    export = Export([line("1"), line("2")])
    folder = export.write(tmp_path)
    path = folder / export.key(0)
    header, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    write_text(path, "\n".join([header, '"open', *rows]))
    assert load(folder).exit_code == 1
    assert (only_row().lines, only_row().rejected_lines) == (2, 1)
