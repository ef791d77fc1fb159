"""The command line: what an engineer types, what comes back, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from tests.cur_export import Export, line

pytestmark = pytest.mark.django_db


def run(*args: str) -> tuple[int, str, str]:
    """Exit code, output and errors, as a shell would see them."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(*args, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), err.getvalue() + str(error)
    except SystemExit as stop:
        return int(stop.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


@pytest.fixture
def bill(tmp_path):
    rows = [line("12.345678901234", tenant="acme"), line("7.5", tenant="globex"), line("0.25")]
    return Export(rows).write(tmp_path / "bill")


@pytest.fixture
def revenue(tmp_path):
    path = tmp_path / "revenue.csv"
    path.write_text(
        "tenant,service_start,service_end,amount,currency,invoice_id\n"
        "acme,2026-04-01,2026-05-01,100.00,USD,INV-1\n"
    )
    return path


def test_ingest_answers_0_when_everything_is_loaded(bill):
    code, out, _ = run("ingest", "--source", "aws_cur", "--from", str(bill))
    assert code == 0
    assert "loaded" in out
    assert run("ingest", "--source", "aws_cur", "--from", str(bill))[0] == 0


def test_ingest_answers_1_when_rows_were_put_aside(tmp_path):
    folder = Export([line("1"), line("x")]).write(tmp_path)
    code, out, _ = run("ingest", "--source", "aws_cur", "--from", str(folder))
    assert code == 1
    assert "1 rows of" in out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--source", "aws_cur", "--from", "/nowhere"], "there is no such folder"),
        (["--source", "azure", "--from", "/nowhere"], "aws_cur"),
        (["--source", "aws_cur", "--from", ".", "--period", "April"], "YYYY-MM"),
    ],
)
def test_ingest_answers_2_with_a_sentence_when_nothing_is_loaded(args, words):
    code, _, err = run("ingest", *args)
    assert code == 2
    assert words in err


def test_reconcile_prints_exact_figures_as_text(bill):
    assert json.loads(run("reconcile", "--json")[1]) == []
    run("ingest", "--source", "aws_cur", "--from", str(bill))
    code, out, _ = run("reconcile", "--json")
    assert code == 0
    (row,) = json.loads(out)
    assert row == {
        "source": "aws-saas-hourly",
        "billing_period": "2026-04",
        "currency": "USD",
        "source_total": "20.095678901234",
        "ingested": "20.095678901234",
        "rejected": "0",
        "allocated": "19.8456789",
        "unallocated": "0.25",
        "residuals": "0.000000001234",
        "difference": "0",
        "lines": 3,
        "rejected_lines": 0,
        "residuals_by_name": {"rounding to 8 decimals": "0.000000001234"},
    }
    assert "20.095678901234" in run("reconcile", "--period", "2026-04")[1]
    assert json.loads(run("reconcile", "--period", "2026-03", "--json")[1]) == []


def test_pnl_prints_the_same_figures_in_every_format(bill, revenue):
    run("ingest", "--source", "aws_cur", "--from", str(bill))
    run("ingest", "--source", "revenue_csv", "--from", str(revenue))
    as_json = json.loads(run("pnl", "--period", "2026-04", "--format", "json")[1])
    as_csv = list(
        csv.DictReader(io.StringIO(run("pnl", "--period", "2026-04", "--format", "csv")[1]))
    )
    assert [row["tenant"] for row in as_json] == ["acme", "globex", "(unallocated)"]
    for one, other in zip(as_json, as_csv, strict=True):
        assert {name: "" if value is None else value for name, value in one.items()} == other
    acme = as_json[0]
    assert acme["revenue"] == "100"
    assert acme["cost"] == "12.3456789"
    assert Decimal(acme["gross_margin"]) == Decimal("0.876543211")
    assert acme["gross_margin_low"] == "0.874043211"
    assert acme["verdict"] == "above"
    assert acme["cost_through"] is None, "the only hour loaded is no whole day"
    table = run("pnl", "--period", "2026-04")[1]
    assert "87.7 %" in table
    assert "12.35" in table


def test_pnl_of_one_tenant_and_of_none(bill):
    run("ingest", "--source", "aws_cur", "--from", str(bill))
    only = json.loads(
        run("pnl", "--period", "2026-04", "--tenant", "globex", "--format", "json")[1]
    )
    assert [row["tenant"] for row in only] == ["globex"]
    code, _, err = run("pnl", "--period", "2026-04", "--tenant", "nobody")
    assert code == 2
    assert "There is no tenant 'nobody'. Known: acme, globex." in err
    assert "No revenue and no cost" in run("pnl", "--period", "2026-01")[1]
    assert run("pnl", "--period", "soon")[0] == 2
    assert run("pnl", "--period", "9999-12")[0] == 2
    assert run("ingest", "--source", "aws_cur", "--from", " ")[0] == 2
