"""Money in the database: 8 decimals, exact on SQLite and PostgreSQL alike.

SQLite has no decimals and Django's ``DecimalField`` sums there through floats. ``MoneyField`` stores
whole units of 1e-8 (``bigint``) on SQLite and ``numeric(19,8)`` on PostgreSQL, and is a ``Decimal`` in
Python. It is a ``models.Field``, not a ``DecimalField``: expressions over a subclass of the latter came
back unscaled without an error. No ratios in SQL: divide in Python (``finops.core.amounts.ratio``).
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import FieldError, ValidationError
from django.db import models
from django.db.models.expressions import BaseExpression, Combinable, register_combinable_fields

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.expressions import Expression

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation])
_MAX_UNITS = 2**63 - 1


class ScaledDecimalField(models.Field):  # type: ignore[type-arg]  # see MoneyField for its Python type
    """An exact decimal with a fixed number of places; concrete classes set ``places``.

    The scale belongs to the class because Django builds result fields without arguments.
    """

    places: int = 0
    numeric_type: str = ""
    empty_strings_allowed = False

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """The column's type."""
        return "bigint" if connection.vendor == "sqlite" else self.numeric_type

    def db_check(self, connection: BaseDatabaseWrapper) -> str | None:
        """On SQLite: whole units only, which stops an expression that would store a float."""
        if connection.vendor == "sqlite":
            column = connection.ops.quote_name(str(self.column))
            return f"typeof({column}) IN ('integer', 'null')"
        return None

    def to_python(self, value: Any) -> Decimal | None:
        """``value`` at this field's scale; refuses floats and digits that would be lost."""
        if value is None or value == "":
            return None
        if isinstance(value, float | bool):
            msg = f"{value!r} is a {type(value).__name__}: money is a Decimal."
            raise ValidationError(msg)
        try:
            decimal = value if isinstance(value, Decimal) else Decimal(str(value).strip())
            scaled = _EXACT.quantize(decimal, Decimal(1).scaleb(-self.places))
        except Inexact:
            msg = f"{value} has more than {self.places} decimals."
            raise ValidationError(msg) from None
        except InvalidOperation:
            msg = f"{value!r} is not an amount."
            raise ValidationError(msg) from None
        if not scaled.is_finite():  # a quiet NaN passes through quantize
            msg = f"{value!r} is not an amount."
            raise ValidationError(msg)
        if abs(int(scaled.scaleb(self.places, context=_EXACT))) > _MAX_UNITS:
            msg = f"{value} is too large."
            raise ValidationError(msg)
        return scaled

    def get_prep_value(self, value: Any) -> Any:
        """``value`` for a query; raises ``ValueError`` for what is no exact amount."""
        value = super().get_prep_value(value)
        if value is None or isinstance(value, Combinable):
            return value
        try:
            return self.to_python(value)
        except ValidationError as error:
            raise ValueError(error.messages[0]) from None

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        """Whole units on SQLite, the decimal itself elsewhere."""
        if not prepared:
            value = self.get_prep_value(value)
        if isinstance(value, Decimal) and connection.vendor == "sqlite":
            return int(value.scaleb(self.places, context=_EXACT))
        return value

    def units(self, value: Decimal) -> int:
        """``value`` in whole units, as SQLite stores it; raises ``ValueError`` like ``get_prep_value``."""
        try:
            scaled = value.scaleb(self.places, _EXACT)
            whole = int(scaled)
        except (AttributeError, ValueError, ArithmeticError):  # no Decimal, or none that is finite
            whole, scaled = 0, None
        if scaled != whole or not -_MAX_UNITS <= whole <= _MAX_UNITS:
            checked: Decimal = self.get_prep_value(value)
            return int(checked.scaleb(self.places, context=_EXACT))
        return whole

    def get_placeholder(self, value: Any, _compiler: object, _connection: object) -> str:
        """Refuse to store an expression of another type: PostgreSQL would add a float without a word."""
        if isinstance(value, BaseExpression) and not isinstance(value.output_field, type(self)):
            msg = (
                f"{value} is a {type(value.output_field).__name__}, which {self.name} does not store: "
                f"wrap amounts in Value(…, output_field={type(self).__name__}())."
            )
            raise FieldError(msg)
        return "%s"

    def from_db_value(
        self, value: Any, _expression: Expression, connection: BaseDatabaseWrapper
    ) -> Decimal | None:
        """The stored value as a ``Decimal``; raises ``ValueError`` for a float."""
        if value is None:
            return None
        if connection.vendor == "sqlite":
            if not isinstance(value, int):
                msg = (
                    f"{value!r} came back from SQLite as {type(value).__name__}, not as exact money"
                )
                raise ValueError(msg)
            return Decimal(value).scaleb(-self.places, context=_EXACT)
        return Decimal(value)

    def value_to_string(self, obj: models.Model) -> str:
        """Plain text for serializers."""
        value = self.value_from_object(obj)
        return "" if value is None else format(value, "f")

    def formfield(self, **kwargs: Any) -> forms.Field | None:
        """A decimal input that refuses more places than the field has."""
        defaults = {"form_class": forms.DecimalField, "decimal_places": self.places}
        return super().formfield(**{**defaults, **kwargs})


class MoneyField(ScaledDecimalField):
    """An amount in the row's currency with 8 decimals, up to 9.2e10."""

    description = "Exact money, 8 decimals"
    places = 8
    numeric_type = "numeric(19,8)"


class QuantityField(ScaledDecimalField):
    """A usage quantity in the row's unit with 4 decimals, up to 9.2e14."""

    description = "Exact quantity, 4 decimals"
    places = 4
    numeric_type = "numeric(19,4)"


for _field in (MoneyField, QuantityField):
    for _operator in (Combinable.ADD, Combinable.SUB):
        register_combinable_fields(_field, _operator, _field, _field)
    register_combinable_fields(_field, Combinable.MUL, models.IntegerField, _field)
