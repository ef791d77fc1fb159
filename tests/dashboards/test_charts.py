"""A chart says what its table says, names colours by their token, and draws bars that meet."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.core.pnl import Pnl
from dashboards import charts
from dashboards.tables import Kind

D = Decimal
ROOT = Path(__file__).resolve().parents[2]
DAYS = [date(2026, 4, 1) + timedelta(days=offset) for offset in range(4)]


def point(day: date, margin: str | None, complete: bool = True) -> charts.MarginPoint:
    return charts.MarginPoint(day, None if margin is None else D(margin), D(100), D(30), complete)


POINTS = [
    point(DAYS[0], "0.71"),
    point(DAYS[1], None),
    point(DAYS[2], "0.58"),
    point(DAYS[3], "0.9", False),
]


def test_the_line_breaks_where_there_is_no_margin_and_is_dotted_where_hours_are_open():
    closed, still_open = charts.margin_line(POINTS, D("0.65"))["data"]
    assert closed["y"] == [71.0, None, 58.0, None]
    assert closed["connectgaps"] is False
    assert (still_open["x"], still_open["y"]) == (["2026-04-03", "2026-04-04"], [58.0, 90.0])
    assert still_open["line"]["dash"] == "dot"


def test_the_goal_is_drawn_and_labelled():
    layout = charts.margin_line(POINTS, D("0.65"))["layout"]
    assert layout["shapes"][0]["y0"] == layout["shapes"][0]["y1"] == 65.0
    assert layout["annotations"][0]["text"] == "goal 65 %"
    low, high = layout["yaxis"]["range"]
    assert low < 58
    assert high > 90


def test_the_summary_says_what_the_line_shows():
    assert charts.margin_line_summary(POINTS, D("0.65")) == (
        "Between 1 Apr and 3 Apr 2026 the gross margin by day went from 71.0 % to 58.0 %; "
        "the lowest was 58.0 % on 3 Apr; 1 of 2 days was below the goal of 65 %."
    )
    assert "no margin to draw" in charts.margin_line_summary([point(DAYS[0], None)], D("0.65"))


def test_the_table_has_the_numbers_of_the_line():
    table = charts.margin_line_table(POINTS, "USD", "no revenue")
    assert [row.cells[3].value for row in table.rows] == [D("0.71"), None, D("0.58"), D("0.9")]
    assert table.rows[3].cells[0].note == "incomplete"


BEFORE = Pnl(revenue=D(100), direct={"Compute": D(20), "Storage": D(10)})
NOW = Pnl(revenue=D(120), direct={"Compute": D(36), "Networking": D(6)})


def test_the_bridge_goes_from_the_margin_before_to_the_margin_now():
    steps = charts.bridge_steps(BEFORE, NOW)
    assert [(step.label, step.points) for step in steps] == [
        ("Before", D("70.0")),
        ("Revenue", D("5.0")),
        ("Compute", D("-13.3")),
        ("Networking", D("-5.0")),
        ("Storage", D("8.3")),
        ("Now", D("65.0")),
    ]
    assert steps[2].money == D(16)
    assert charts.bridge_summary(steps, "March") == (
        "From March the gross margin went down 5.0 points, from 70.0 % to 65.0 %; "
        "Compute took 13.3 points; Storage gave 8.3 points."
    )


def test_without_a_margin_there_is_no_bridge():
    assert charts.bridge_steps(Pnl(direct={"Compute": D(1)}), NOW) == []


POSITIVE = st.decimals(min_value="0.01", max_value=1000, places=4)
SOME = st.builds(
    Pnl,
    revenue=POSITIVE,
    direct=st.dictionaries(st.sampled_from(["Compute", "Storage", "Web"]), POSITIVE, min_size=1),
)


@given(SOME, SOME)
def test_the_shown_points_add_up_and_the_bars_meet(before, now):
    steps = charts.bridge_steps(before, now)
    inner = sum((step.points for step in steps[1:-1]), D(0))
    assert steps[0].points + inner == steps[-1].points
    bars = charts.margin_bridge(steps)["data"][0]
    ends = [base + height for base, height in zip(bars["base"], bars["y"], strict=True)]
    assert bars["base"][1:-1] == pytest.approx(ends[:-2], abs=1e-6)
    assert ends[-2] == pytest.approx(ends[-1], abs=1e-6)


def test_the_bridge_table_shows_the_two_margins_as_they_are():
    table = charts.bridge_table(charts.bridge_steps(BEFORE, NOW), "USD")
    texts = [row.cells[2].text(table.columns[2]) for row in table.rows]
    assert texts == ["70.0 %", "+5.0", "−13.3", "−5.0", "+8.3", "65.0 %"]
    assert table.columns[1].kind is Kind.MONEY


def colours(value: object) -> set[str]:
    return set(re.findall(r"--[a-z0-9-]+", json.dumps(value)))


def test_every_colour_is_a_token_of_the_style_sheet():
    figures = [
        charts.margin_line(POINTS, D("0.65")),
        charts.margin_bridge(charts.bridge_steps(BEFORE, NOW)),
    ]
    sheet = (ROOT / "static/css/tokens.css").read_text()
    used = colours(figures)
    assert len(used) > 5
    assert [name for name in sorted(used) if f"{name}:" not in sheet] == []
    assert re.findall(r"#[0-9a-f]{3,6}", json.dumps(figures)) == []
