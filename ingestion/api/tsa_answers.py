"""How a month of time stamps is answered: exact texts of money, ratios at six decimals."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from rest_framework import serializers

from finops.core.amounts import plain
from finops.core.periods import month_text
from ingestion.core.forecast import Projection
from ingestion.tsa_selectors import ContractMonth, StampMonth, TenantStamps

_RATIO = Decimal("0.000001")
_RATE_PLACES = 8


class CostSerializer(serializers.Serializer[Any]):
    """An amount in one currency."""

    currency = serializers.CharField()
    amount = serializers.CharField(help_text="Decimal.")


class TenantStampsSerializer(serializers.Serializer[Any]):
    """One tenant's month."""

    tenant = serializers.CharField(allow_null=True, help_text="Slug; null for responses of nobody.")
    tokens = serializers.IntegerField()
    duplicates = serializers.IntegerField(help_text="Tokens for a digest that had one.")
    rejections = serializers.IntegerField(help_text="Responses without a token.")
    assets = serializers.IntegerField(allow_null=True)
    tokens_per_1000_assets = serializers.CharField(allow_null=True, help_text="Decimal.")
    costs = CostSerializer(many=True, help_text="At the average rate of the contracts.")
    uncovered_tokens = serializers.IntegerField(help_text="Tokens that no contract covers.")


class ProjectionSerializer(serializers.Serializer[Any]):
    """Month to date plus a seasonal forecast."""

    tokens = serializers.IntegerField()
    low = serializers.IntegerField(allow_null=True, help_text="Null where the past is too short.")
    high = serializers.IntegerField(allow_null=True)
    back_tests = serializers.IntegerField(help_text="Earlier forecasts that it was tested by.")
    mape = serializers.CharField(
        allow_null=True, help_text="Their mean absolute error as a share of what came, decimal."
    )


class ContractMonthSerializer(serializers.Serializer[Any]):
    """One contract in the month."""

    name = serializers.CharField()
    account = serializers.CharField(help_text="Empty: every account without one of its own.")
    valid_from = serializers.DateField()
    valid_until = serializers.DateField(help_text="Excluded.")
    commitment = serializers.IntegerField()
    tokens_so_far = serializers.IntegerField(help_text="In the contract's time.")
    utilisation = serializers.CharField(
        allow_null=True, help_text="Tokens so far ÷ commitment prorated to now, decimal."
    )
    tokens = serializers.IntegerField(help_text="In the month.")
    projection = ProjectionSerializer(allow_null=True)
    currency = serializers.CharField()
    cost = serializers.CharField(help_text="Of the month's tokens at the average rate, decimal.")
    average_rate = serializers.CharField(allow_null=True, help_text="Per token, decimal.")
    value_of_saving = serializers.CharField(
        help_text="What one token less is worth, decimal: 0 while the commitment lasts."
    )


class StampMonthSerializer(serializers.Serializer[Any]):
    """Time stamps of one month."""

    month = serializers.CharField(help_text="YYYY-MM.")
    as_of = serializers.DateTimeField(allow_null=True, help_text="Time of the newest token.")
    tokens = serializers.IntegerField()
    projection = ProjectionSerializer(allow_null=True)
    tenants = TenantStampsSerializer(many=True)
    contracts = ContractMonthSerializer(many=True)


def month_answer(found: StampMonth) -> dict[str, Any]:
    """The month as ``StampMonthSerializer`` has it."""
    return {
        "month": month_text(found.month),
        "as_of": found.as_of,
        "tokens": found.tokens,
        "projection": _projection(found.projection),
        "tenants": [_tenant(one) for one in found.tenants],
        "contracts": [_contract(one) for one in found.contracts],
    }


def _tenant(one: TenantStamps) -> dict[str, Any]:
    return {
        "tenant": one.slug or None,
        "tokens": one.tokens,
        "duplicates": one.duplicates,
        "rejections": one.rejections,
        "assets": one.assets,
        "tokens_per_1000_assets": _ratio(one.per_1000_assets),
        "costs": [
            {"currency": currency, "amount": plain(amount)}
            for currency, amount in sorted(one.costs.items())
        ],
        "uncovered_tokens": one.uncovered,
    }


def _contract(one: ContractMonth) -> dict[str, Any]:
    contract = one.contract
    return {
        "name": contract.name,
        "account": contract.account,
        "valid_from": contract.valid_from,
        "valid_until": contract.valid_until,
        "commitment": contract.commitment,
        "tokens_so_far": one.utilisation.tokens,
        "utilisation": _ratio(one.utilisation.share),
        "tokens": one.tokens,
        "projection": _projection(one.projection),
        "currency": contract.currency,
        "cost": plain(one.cost),
        "average_rate": _rate(one.rate),
        "value_of_saving": _rate(one.saving),
    }


def _projection(found: Projection | None) -> dict[str, Any] | None:
    if found is None:
        return None
    test = found.back_test
    return {
        "tokens": found.point,
        "low": found.low,
        "high": found.high,
        "back_tests": test.origins,
        "mape": None if test.mape is None else plain(Decimal(test.mape).quantize(_RATIO)),
    }


def _ratio(value: Fraction | None) -> str | None:
    return None if value is None else plain(Decimal(round(value * 10**6)).scaleb(-6))


def _rate(value: Fraction | None) -> str | None:
    if value is None:
        return None
    return plain(Decimal(round(value * 10**_RATE_PLACES)).scaleb(-_RATE_PLACES))
