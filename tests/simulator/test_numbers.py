"""Amounts as AWS prints them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import numbers
from simulator.numbers import from_decimal, java_double


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.0"),
        ("24", "24.0"),
        ("0.768", "0.768"),
        ("0.001", "0.001"),
        ("0.0009999999", "9.999999E-4"),
        ("0.0000124889", "1.24889E-5"),
        ("-0.0000000007", "-7.0E-10"),
        ("-412.37", "-412.37"),
        ("9999999.5", "9999999.5"),
        ("10000000", "1.0E7"),
        ("25123456", "2.5123456E7"),
    ],
)
def test_doubles_are_printed_as_aws_prints_them(amount, text):
    assert java_double(from_decimal(Decimal(amount))) == text


@given(st.integers(-(10**19), 10**19))
def test_a_printed_amount_is_exactly_the_amount(steps):
    assert Decimal(java_double(steps)) == numbers.to_decimal(steps)
    assert Decimal(numbers.plain(steps)) == numbers.to_decimal(steps)


def test_costs_are_rounded_half_up_at_the_tenth_decimal():
    amount, rate = from_decimal(Decimal("0.0170878302")), from_decimal(Decimal("0.045"))
    assert java_double(numbers.cost_of(amount, rate)) == "7.689524E-4"


def test_a_rate_has_ten_decimals():
    assert numbers.rate_text(from_decimal(Decimal("0.023"))) == "0.0230000000"
