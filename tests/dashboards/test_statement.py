"""A statement foots: down every column, across every row, and against every other page."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from allocation.core.figures import Statement, StatementColumn
from allocation.core.pnl import Pnl, add_pnls
from dashboards.presenters.statement import Frame, statement_table
from dashboards.shown import NO_REVENUE, shown
from dashboards.state import PageState, read_state
from dashboards.tables import Kind, Row, Table
from finops.core.amounts import exact_sum, to_cents
from finops.core.periods import Window

D = Decimal
AMOUNT = st.decimals(min_value=-1000, max_value=1000, places=8)
COST = st.dictionaries(st.sampled_from(["Compute", "Storage", "Networking", "Databases"]), AMOUNT)
PNL = st.builds(
    Pnl,
    revenue=AMOUNT,
    direct=COST,
    credits=AMOUNT,
    below_line=st.fixed_dictionaries({"Tax": AMOUNT}),
)


def state(query: str = "period=3m") -> PageState:
    params = dict(part.split("=") for part in query.split("&"))
    return read_state("/tenants/acme/", params, today=date(2026, 4, 30), default_period="3m")


def build(
    pnls: list[Pnl], query: str = "period=3m", previous: Pnl | None = None, **frame: object
) -> Table:
    months = [date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)][: len(pnls)]
    columns = tuple(
        StatementColumn(
            f"{month:%Y-%m}",
            f"{month:%b %Y}",
            Window.of_month(month),
            month.month < 4,
            date(2026, 4, 22),
            pnl,
        )
        for month, pnl in zip(months, pnls, strict=True)
    )
    found = Statement(columns, add_pnls(pnls), previous or Pnl())
    fields = {"state": state(query), "currency": "USD", "goal": D("0.65"), "services_path": "/s/"}
    return statement_table(found, Frame(**{**fields, **frame}), "Statement")  # type: ignore[arg-type]


def amounts(table: Table, label: str) -> list[Decimal]:
    """The money of one row from the first column to the total; an em dash counts as nothing."""
    row = next(row for row in table.rows if row.cells[0].value == label)
    return [cell.value if isinstance(cell.value, Decimal) else D(0) for cell in row.cells[1:]]


def parts(table: Table) -> list[Row]:
    """The rows that make up the cost."""
    return [row for row in table.rows if row.kind == "part" and row.cells[1].kind is None]


@given(st.lists(PNL, min_size=3, max_size=3))
def test_every_column_and_every_row_foots_to_the_cent(pnls):
    table = build(pnls)
    cost, revenue = amounts(table, "Cost of revenue"), amounts(table, "Revenue")
    by_column = zip(*(amounts(table, str(row.cells[0].value)) for row in parts(table)), strict=True)
    assert [exact_sum(column) for column in by_column] == cost
    assert amounts(table, "Gross profit") == [a - b for a, b in zip(revenue, cost, strict=True)]
    after = [
        a - b
        for a, b in zip(amounts(table, "Gross profit"), amounts(table, "Credits"), strict=True)
    ]
    assert amounts(table, "Gross profit after credits") == after
    for row in table.rows:
        if row.cells[1].kind is Kind.PERCENT:
            continue
        *columns, total = amounts(table, str(row.cells[0].value))
        assert exact_sum(columns) == total, row.cells[0].value


@given(st.lists(PNL, min_size=3, max_size=3))
def test_a_month_is_the_same_alone_and_beside_others(pnls):
    beside, alone = build(pnls), build(pnls[:1], "period=2026-02")
    for label in ("Revenue", "Cost of revenue", "Gross profit", "Credits"):
        assert amounts(beside, label)[0] == amounts(alone, label)[0]


@given(PNL)
def test_the_total_is_the_exact_amount_rounded_once(pnl):
    figures = shown(pnl)
    assert figures.cost == to_cents(pnl.cost)
    assert exact_sum(figures.direct.values()) == figures.cost
    assert all(abs(part - pnl.direct[name]) < D("0.01") for name, part in figures.direct.items())


FEBRUARY = Pnl(revenue=D(100), direct={"Compute": D("30.004")}, firm=D("30.004"))


def test_one_month_needs_no_column_of_its_own():
    assert [column.key for column in build([FEBRUARY], "period=2026-02").columns] == [
        "line",
        "total",
    ]


def test_an_open_month_is_hatched_and_says_how_far_it_reaches():
    columns = {column.key: column for column in build([FEBRUARY, FEBRUARY, FEBRUARY]).columns}
    assert (columns["2026-04"].hatched, columns["2026-04"].note) == (True, "to 22 Apr")
    assert not columns["2026-03"].hatched
    assert columns["total"].hatched


def test_the_rounding_column_stands_only_where_it_is_needed():
    whole = Pnl(revenue=D(100), direct={"Compute": D(30)}, firm=D(30))
    assert "rounding" not in {column.key for column in build([whole, whole]).columns}
    table = build([FEBRUARY, FEBRUARY, FEBRUARY])
    assert "rounding" in {column.key for column in table.columns}
    assert amounts(table, "Cost of revenue") == [
        D("30.00"),
        D("30.00"),
        D("30.00"),
        D("0.01"),
        D("90.01"),
    ]


def test_shared_cost_is_a_dash_with_its_reason():
    row = next(
        row
        for row in build([FEBRUARY], unallocated=D("7.5")).rows
        if row.cells[0].value == "Shared cost"
    )
    assert row.cells[1].value is None
    assert row.cells[1].reason == (
        "no method splits shared cost yet; 7.50 USD of company cost is unallocated in this period"
    )


def test_without_revenue_there_is_no_margin_and_the_loss_is_the_cost():
    table = build([Pnl(direct={"Compute": D(5)}, firm=D(5))])
    margin = next(row for row in table.rows if row.cells[0].value == "Gross margin %")
    assert (margin.cells[1].value, margin.cells[1].reason) == (None, NO_REVENUE)
    assert amounts(table, "Gross profit") == [D("-5.00")]


def test_a_filter_that_only_cost_has_leaves_no_profit():
    table = build([FEBRUARY], narrowed="revenue is not split by team")
    for label in ("Revenue", "Gross profit", "Gross margin %"):
        row = next(row for row in table.rows if row.cells[0].value == label)
        assert (row.cells[1].value, row.cells[1].reason) == (None, "revenue is not split by team")
    assert amounts(table, "Cost of revenue") == [D("30.00")]


def test_a_comparison_has_sign_arrow_and_word():
    table = build(
        [FEBRUARY], "period=2026-02&compare=previous", Pnl(revenue=D(80), direct={"Compute": D(40)})
    )
    row = next(row for row in table.rows if row.cells[0].value == "Revenue")
    assert [cell.text(column) for cell, column in zip(row.cells, table.columns, strict=True)] == [
        "Revenue", "100.00", "80.00", "+20.00",
    ]  # fmt: skip
    assert row.cells[-1].note == "▲ up 25.0 %"


def test_a_period_before_that_is_not_whole_is_not_compared_with():
    gap = "no bill is loaded for Jan 2026"
    table = build([FEBRUARY], "period=2026-02&compare=previous", FEBRUARY, previous_gap=gap)
    row = next(row for row in table.rows if row.cells[0].value == "Revenue")
    assert row.cells[-1].value is None
    assert gap in row.cells[-1].reason


def test_every_cost_leads_to_its_services_over_the_days_of_its_column():
    row = parts(build([FEBRUARY, FEBRUARY, FEBRUARY]))[0]
    assert row.opens == "/s/?period=3m&category=Compute"
    assert row.cells[1].href == "/s/?period=2026-02&category=Compute"
