"""Rows written many at once are what the ORM would have written."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops import clock
from finops.bulk import insert_rows
from finops.models import Tenant
from finops.money import MoneyField, QuantityField
from ingestion.models import Delivery, RevenueRow, Source

COLUMNS = (
    "delivery_id",
    "tenant_id",
    "service_start",
    "service_end",
    "amount",
    "currency",
    "invoice_id",
    "line_id",
)


@pytest.fixture
def owner(db: None) -> tuple[int, int]:
    tenant = Tenant.objects.create(slug="acme", name="Acme", first_seen=clock.now())
    source = Source.objects.create(
        slug="r", kind="revenue_csv", identity="r", name="R", created_at=clock.now()
    )
    return Delivery.objects.create(source=source, key="r", discovered_at=clock.now()).pk, tenant.pk


def rows(owner: tuple[int, int], amounts: list[Decimal]) -> list[tuple[object, ...]]:
    start, end = date(2026, 4, 1), date(2026, 5, 1)
    return [(*owner, start, end, amount, "USD", f"i-{n}", "") for n, amount in enumerate(amounts)]


def test_rows_come_back_as_they_were_written(owner):
    amounts = [Decimal("0.00000001"), Decimal("-12.5"), Decimal("9e9"), Decimal(0)] * 3000
    assert insert_rows(RevenueRow, COLUMNS, rows(owner, amounts)) == len(amounts)
    found = RevenueRow.objects.order_by("pk").values_list("amount", "service_end", "tenant_id")
    assert list(found) == [(amount, date(2026, 5, 1), owner[1]) for amount in amounts]


def test_no_rows_are_no_rows(owner):
    assert insert_rows(RevenueRow, COLUMNS, []) == 0


@pytest.mark.parametrize(
    "text", ["\\N", "\\", "a\tb", "a\nb\r", "\\.", "\b\v\f", "é\u2028\U0001f600", " ", ""]
)
def test_texts_that_mean_something_to_the_database_are_only_texts(owner, text):
    row = rows(owner, [Decimal(1)])[0]
    insert_rows(RevenueRow, COLUMNS, [(*row[:6], f"i{text}", text)])
    assert RevenueRow.objects.values_list("invoice_id", "line_id").get() == (f"i{text}", text)


def test_a_float_is_refused_as_money(owner):
    with pytest.raises(ValueError, match="money is a Decimal"):
        insert_rows(RevenueRow, COLUMNS, rows(owner, [0.1]))  # type: ignore[list-item]


@given(
    st.decimals(allow_nan=True, allow_infinity=True, places=None)
    | st.integers()
    | st.text(max_size=5)
)
def test_units_are_those_of_the_field_and_refuse_what_it_refuses(value):
    for field in (MoneyField(), QuantityField()):
        try:
            expected = int(field.get_prep_value(value).scaleb(field.places))
        except (ValueError, AttributeError):  # no amount, or none at all
            with pytest.raises((ValueError, AttributeError)):
                field.units(value)
        else:
            assert field.units(value) == expected
