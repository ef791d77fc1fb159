"""Money in the database: exact on whichever database the suite runs on."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import count, groupby

import pytest
from django.core.exceptions import FieldError, ValidationError
from django.db import DataError, IntegrityError, OperationalError, connection, models, transaction
from django.db.models import F, Max, Sum, Value
from django.db.models.functions import Coalesce
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops.core.amounts import exact_sum
from finops.money import MoneyField, QuantityField
from ingestion.models import RevenueRow

SMALLEST = Decimal("0.00000001")
LARGEST = Decimal("92233720368.54775807")
DAY = date(2026, 4, 1)

amounts = st.decimals(min_value=-(10**7), max_value=10**7, places=8)
numbers = count(1)


def make(tenant, *values, currency="USD") -> list[RevenueRow]:
    return RevenueRow.objects.bulk_create(
        RevenueRow(
            tenant=tenant,
            service_start=DAY,
            service_end=DAY + timedelta(days=30),
            amount=value,
            currency=currency,
            invoice_id=f"I-{next(numbers)}",
        )
        for value in values
    )


def stored(**lookup) -> list[Decimal]:
    return list(
        RevenueRow.objects.filter(**lookup).order_by("amount").values_list("amount", flat=True)
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(amounts, min_size=1, max_size=30))
def test_sums_group_and_order_are_exact_over_random_amounts(acme, globex, values):
    with transaction.atomic():
        for index, value in enumerate(values):
            make(acme if index % 2 else globex, value, currency="EUR" if index % 3 else "USD")
        rows = RevenueRow.objects.all()
        assert rows.aggregate(total=Sum("amount"))["total"] == exact_sum(values)
        assert stored() == sorted(values)
        assert rows.aggregate(top=Max("amount"))["top"] == max(values)
        doubled = rows.annotate(twice=F("amount") + F("amount")).aggregate(total=Sum("twice"))
        assert doubled["total"] == 2 * exact_sum(values)
        nothing = rows.annotate(none=F("amount") - F("amount")).values_list("none", flat=True)
        assert set(nothing) == {Decimal(0)}
        grouped = rows.values("tenant__slug", "currency").annotate(total=Sum("amount"))
        everything = sorted(
            rows.values_list("tenant__slug", "currency", "amount"), key=lambda row: row[:2]
        )
        assert {(g["tenant__slug"], g["currency"]): g["total"] for g in grouped} == {
            key: exact_sum(row[2] for row in group)
            for key, group in groupby(everything, key=lambda row: row[:2])
        }
        positive = rows.filter(amount__gt=Decimal(0)).aggregate(total=Sum("amount"))["total"]
        assert (positive or 0) == exact_sum(value for value in values if value > 0)
        transaction.set_rollback(True)


def test_an_amount_comes_back_as_it_went_in(acme):
    for value in (SMALLEST, -SMALLEST, LARGEST, -LARGEST, Decimal(0), Decimal("1e3")):
        (row,) = make(acme, value)
        row.refresh_from_db()
        assert row.amount == value
        assert isinstance(row.amount, Decimal)
        assert row.amount.as_tuple().exponent == -8


def test_filters_compare_amounts_not_texts(acme):
    make(acme, Decimal("9.5"), Decimal("10"), Decimal("-3"))
    assert stored(amount__gte="9.5") == [Decimal("9.5"), Decimal(10)]
    assert stored(amount__in=[Decimal("10.00"), Decimal("-3")]) == [Decimal(-3), Decimal(10)]
    assert stored(amount__range=(Decimal(0), Decimal("9.99"))) == [Decimal("9.5")]
    assert stored(amount=10) == [Decimal(10)]


def test_update_adds_amounts_and_multiplies_by_whole_numbers(acme):
    (row,) = make(acme, Decimal("1.00000001"))
    RevenueRow.objects.update(amount=F("amount") + F("amount"))
    RevenueRow.objects.update(amount=F("amount") + Value(Decimal("0.5"), output_field=MoneyField()))
    RevenueRow.objects.update(
        amount=models.ExpressionWrapper(F("amount") * 3, output_field=MoneyField())
    )
    row.refresh_from_db()
    assert row.amount == Decimal("7.50000006")


def test_nothing_sums_to_a_chosen_zero(acme):
    zero = Value(Decimal(0), output_field=MoneyField())
    assert RevenueRow.objects.aggregate(t=Coalesce(Sum("amount"), zero))["t"] == 0


@pytest.mark.parametrize(
    "bad", [1.5, True, "1.123456789", "NaN", "Infinity", "abc", LARGEST + SMALLEST]
)
def test_what_is_not_an_exact_amount_is_refused(acme, bad):
    with pytest.raises(ValueError, match=r"money|decimals|amount|large"):
        make(acme, bad)
    with pytest.raises(ValueError, match=r"money|decimals|amount|large"):
        stored(amount=bad)
    with pytest.raises(ValidationError):
        MoneyField().to_python(bad)


def test_a_float_in_an_expression_is_refused(acme):
    make(acme, Decimal(1))
    for other in (0.5, Decimal("0.5"), Value(0.5), F("id") * 1.5):
        with pytest.raises(FieldError), transaction.atomic():
            RevenueRow.objects.update(amount=F("amount") + other)
    sentence = "is a FloatField, which amount does not store"
    with pytest.raises(FieldError, match=sentence), transaction.atomic():
        RevenueRow.objects.update(amount=Value(0.5))
    assert stored() == [Decimal(1)]


def test_a_sum_beyond_the_field_is_never_silently_wrong(acme):
    make(acme, LARGEST, LARGEST)
    try:
        with transaction.atomic():
            total = RevenueRow.objects.aggregate(total=Sum("amount"))["total"]
    except (OperationalError, DataError):
        assert connection.vendor == "sqlite"
    else:
        assert total == 2 * LARGEST


def test_an_update_beyond_the_field_is_refused(acme):
    make(acme, LARGEST)
    with pytest.raises((IntegrityError, DataError, OperationalError)), transaction.atomic():
        RevenueRow.objects.update(amount=F("amount") + F("amount"))
    assert stored() == [LARGEST]


def test_the_database_itself_refuses_a_float(acme):
    if connection.vendor != "sqlite":
        pytest.skip("numeric(19,8) has no other type to hold")
    make(acme, Decimal(1))
    with (
        pytest.raises(IntegrityError, match="CHECK"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE ingestion_revenuerow SET amount = 1.5")


def test_a_quantity_has_four_places():
    assert QuantityField().to_python("3.0001") == Decimal("3.0001")
    with pytest.raises(ValidationError, match="more than 4 decimals"):
        QuantityField().to_python("3.00001")


def test_forms_and_serializers_show_plain_digits(acme):
    (row,) = make(acme, Decimal("1e3"))
    field = RevenueRow._meta.get_field("amount")
    assert field.value_to_string(row) == "1000"
    row.refresh_from_db()
    assert field.value_to_string(row) == "1000.00000000"
    form_field = field.formfield()
    assert form_field is not None
    assert form_field.clean("12.50") == Decimal("12.50")
    with pytest.raises(ValidationError):
        form_field.clean("0.123456789")
