"""Numbers as people read them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dashboards import numbers

D = Decimal


@pytest.mark.parametrize(
    ("value", "text"),
    [("0", "0.00"), ("-0.004", "0.00"), ("1234.565", "1,234.57"), ("-1234.5", "−1,234.50")],
)
def test_money_has_cents_separators_and_a_true_minus(value, text):
    assert numbers.money(D(value)) == text


def test_a_plus_is_shown_only_where_asked():
    assert numbers.money(D("5"), plus=True) == "+5.00"
    assert numbers.money(D("0"), plus=True) == "0.00"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("-1.5436190783", "−1.5436190783"),
        ("1234", "1,234.00"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("1E+3", "1,000.00"),
    ],
)
def test_exact_money_keeps_every_digit(value, text):
    assert numbers.exact_money(D(value)) == text


def test_exact_amounts_of_a_column_have_their_points_above_each_other():
    shown = numbers.aligned(["1.25", "10.5", "3.1234", "—"])
    assert [len(text.partition(".")[2]) for text in shown[:3]] == [4, 4, 4]
    assert [text.strip() for text in shown] == ["1.25", "10.5", "3.1234", "—"]


def test_a_goal_has_no_idle_zeros():
    assert numbers.goal_text(D("0.70")) == "70 %"
    assert numbers.goal_text(D("0.625")) == "62.5 %"


@pytest.mark.parametrize(
    ("margin", "text", "distance"),
    [
        ("0.7184", "71.8 %", "+1.8 points"),
        ("0.6996", "69.96 %", "−0.04 points"),
        ("0.70004", "70.004 %", "+0.004 points"),
        ("0.70", "70.0 %", "0.0 points"),
        ("-0.153", "−15.3 %", "−85.3 points"),
    ],
)
def test_rounding_never_lifts_a_margin_over_its_goal(margin, text, distance):
    goal = D("0.70")
    assert numbers.percent(D(margin), numbers.places_beside(D(margin), goal)) == text
    assert numbers.points(D(margin), goal) == distance


def test_a_change_has_an_amount_a_word_and_an_arrow():
    change = numbers.Change(D("10.00"), D("9.00"))
    assert (change.amount, change.arrow, change.word) == (D("1.00"), "▲", "up")
    assert numbers.Change(D(1), D(0)).share is None


def test_lists_and_counts_read_as_sentences():
    assert numbers.listed(["Acme"]) == "Acme"
    assert numbers.listed(["Acme", "Globex"]) == "Acme and Globex"
    assert numbers.listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert numbers.counted(1, "source") == "1 source"
    assert numbers.counted(1204, "row was", "rows were") == "1,204 rows were"
    assert numbers.file_size(3_800_000_000) == "3.8 GB"
    assert numbers.file_size(12) == "12 bytes"
