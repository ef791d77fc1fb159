"""Properties of exact amounts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.core.amounts import (
    CENT,
    EXACT,
    LAKE_QUANTUM,
    MONEY_QUANTUM,
    TAIL_UNITS,
    AmountError,
    exact_sum,
    foot,
    join_exact,
    money_text,
    parse_amount,
    plain,
    ratio,
    split_by_weights,
    split_exact,
    to_cents,
    to_lake,
    to_money,
)

money = st.decimals(min_value=-(10**10), max_value=10**10, places=8)
lake = st.decimals(min_value=-(10**12), max_value=10**12, places=18)
weights = st.lists(
    st.one_of(
        st.integers(0, 10**12), st.decimals(min_value=0, max_value=10**6, places=12), st.just(0)
    ),
    min_size=1,
    max_size=30,
)


@given(money, weights)
def test_a_split_sums_to_the_amount(amount, shares):
    parts = split_by_weights(amount, shares)
    assert exact_sum(parts) == amount
    assert len(parts) == len(shares)


@given(money, weights)
def test_a_part_is_within_one_unit_of_its_exact_share(amount, shares):
    total = exact_sum(Decimal(share) for share in shares)
    if not total:
        shares, total = [1] * len(shares), Decimal(len(shares))
    for part, share in zip(split_by_weights(amount, shares), shares, strict=True):
        # Multiplied out: no division, so no rounding in the test itself.
        distance = abs(
            EXACT.subtract(EXACT.multiply(part, total), EXACT.multiply(amount, Decimal(share)))
        )
        assert distance < EXACT.multiply(MONEY_QUANTUM, total)
        assert part == 0 or (part < 0) == (amount < 0)


@given(money, weights)
def test_a_zero_weight_gets_nothing_and_a_negative_amount_mirrors(amount, shares):
    parts = split_by_weights(amount, shares)
    if any(shares):
        assert all(part == 0 for part, share in zip(parts, shares, strict=True) if not share)
    assert split_by_weights(-amount, shares) == [-part for part in parts]


def test_ties_go_to_the_earlier_weight():
    assert split_by_weights(Decimal("0.05"), [1, 1, 1], quantum=CENT) == [
        Decimal("0.02"),
        Decimal("0.02"),
        Decimal("0.01"),
    ]


def test_tiny_weights_split_like_large_ones():
    assert split_by_weights(Decimal(1), [Decimal("1e-18"), Decimal("3e-18")]) == [
        Decimal("0.25"),
        Decimal("0.75"),
    ]


@pytest.mark.parametrize(
    ("amount", "shares", "sentence"),
    [
        (Decimal(1), [], "nobody"),
        (Decimal(1), [1, -1], "negative"),
        (Decimal("0.000000001"), [1], "finer"),
    ],
)
def test_an_impossible_split_says_why(amount, shares, sentence):
    with pytest.raises(AmountError, match=sentence):
        split_by_weights(amount, shares)


@given(st.lists(lake, max_size=30))
def test_shown_cents_foot_to_the_shown_total(values):
    shown = foot(values)
    assert exact_sum(shown) == to_cents(exact_sum(values))
    for value, cents in zip(values, shown, strict=True):
        assert abs(EXACT.subtract(value, cents)) < CENT
        assert cents == to_cents(cents)
        assert value != 0 or cents == 0


@given(lake)
def test_an_exact_amount_survives_being_split_in_two(value):
    head, tail = split_exact(value)
    assert join_exact(head, tail) == value
    assert 0 <= tail < TAIL_UNITS
    assert head == to_money(head)
    assert head <= value < EXACT.add(head, MONEY_QUANTUM)


@given(lake, lake)
def test_equal_amounts_have_equal_parts(one, other):
    assert (split_exact(one) == split_exact(other)) == (one == other)


def test_more_than_18_decimals_do_not_split():
    with pytest.raises(AmountError, match="18 decimals"):
        split_exact(Decimal("1e-19"))


@given(lake)
def test_plain_text_reads_back_and_has_no_exponent(value):
    text = plain(value)
    assert parse_amount(text) == value
    assert "E" not in text.upper()
    assert not ("." in text and text.endswith(("0", ".")))
    assert text != "-0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1.24889E-5", "0.0000124889"),
        ("-0.0104000000", "-0.0104"),
        ("1E+3", "1000"),
        ("-0.000", "0"),
        (" 7 ", "7"),
        ("100", "100"),
        ("1e-18", "0.000000000000000001"),
    ],
)
def test_amounts_are_read_exactly(text, shown):
    assert plain(parse_amount(text)) == shown


@pytest.mark.parametrize(
    "text", ["", "  ", "abc", "1,5", "NaN", "Infinity", "1e20", "9" * 65, "0x10", "1.2.3", "--1"]
)
def test_what_is_no_amount_says_what_it_is(text):
    with pytest.raises(AmountError, match=r"^is "):
        parse_amount(text)


@given(st.text(max_size=80))
def test_reading_any_text_gives_an_amount_or_says_why(text):
    clause = "is "
    try:
        assert parse_amount(text).is_finite()
    except AmountError as error:
        clause = str(error)
    assert clause.startswith("is ")


@given(st.lists(lake, max_size=200))
def test_a_sum_does_not_depend_on_the_order(values):
    assert exact_sum(values) == exact_sum(reversed(values)) == exact_sum(sorted(values))


def test_a_sum_keeps_digits_that_the_default_context_would_drop():
    large, small = Decimal(10) ** 19, Decimal("1e-18")
    assert exact_sum([large, small, -large]) == small


def test_rounding_is_half_away_from_zero_on_pages_and_half_to_even_in_the_database():
    assert [to_cents(Decimal(t)) for t in ("0.005", "-0.005", "0.0049")] == [
        Decimal("0.01"),
        Decimal("-0.01"),
        Decimal("0.00"),
    ]
    assert to_money(Decimal("0.000000005")) == 0
    assert to_money(Decimal("0.000000015")) == Decimal("0.00000002")
    assert to_lake(Decimal("5e-19")) == LAKE_QUANTUM


def test_a_ratio_over_nothing_is_nothing():
    assert ratio(Decimal(1), Decimal(0)) is None
    assert ratio(Decimal(2), Decimal(3)) == Decimal("0.6666666667")


def test_shown_money_has_thousands_and_its_currency():
    assert money_text(Decimal("-1234567.895"), "USD") == "-1,234,567.90 USD"
