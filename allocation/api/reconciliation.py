"""Reconciliation: the figures of the page, exact to the source's last digit."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.core.figures import ReconciliationRow
from allocation.reconciling import bill_object, provider_months
from allocation.selectors import reconciliation
from finops import clock
from finops.api.fields import MonthField
from finops.api.views import ApiView, Query, read_query
from finops.core.amounts import plain
from finops.core.periods import month_text
from finops.permissions import Capability
from ingestion.core.months import MonthStatus
from ingestion.selectors import month_statuses

_AMOUNTS = ("source_total", "ingested", "rejected", "allocated", "unallocated", "difference")


class ReconciliationQuery(Query):
    """Which month; all of them where nothing is said."""

    billing_period = MonthField(required=False, help_text="The month, YYYY-MM.")


class ReconciliationRowSerializer(serializers.Serializer[Any]):
    """One source, billing period and currency, on billed cost."""

    source = serializers.CharField(help_text="Slug.")  # type: ignore[assignment]  # DRF takes declared fields off the class
    source_name = serializers.CharField()
    billing_period = serializers.CharField(help_text="YYYY-MM.")
    status = serializers.ChoiceField([status.value for status in MonthStatus], allow_null=True)
    status_reason = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    source_total = serializers.CharField(help_text="Sum over the rows as the source wrote them.")
    ingested = serializers.CharField(help_text="Sum of the charge lines in the lake.")
    rejected = serializers.CharField(help_text="Readable amounts among rows put aside.")
    allocated = serializers.CharField()
    unallocated = serializers.CharField()
    residuals = serializers.DictField(child=serializers.CharField(), help_text="Name → amount.")
    difference = serializers.CharField(help_text="0 unless something is wrong.")
    lines = serializers.IntegerField()
    rejected_lines = serializers.IntegerField()


class ReconciliationSerializer(serializers.Serializer[Any]):
    """Every total."""

    reconciled = serializers.BooleanField(help_text="Whether no total differs.")
    results = ReconciliationRowSerializer(many=True)


class Reconciliation(ApiView):
    """Control totals of every current load."""

    needs: ClassVar = {"GET": Capability.VIEW_RECONCILIATION}

    @extend_schema(
        operation_id="reconciliation",
        summary="Control totals of every bill",
        parameters=[ReconciliationQuery],
        responses=ReconciliationSerializer,
    )
    def get(self, request: Request) -> Response:
        """Source total against what became of it: to the last digit, as text."""
        query = read_query(request, ReconciliationQuery)
        rows = reconciliation(query.get("billing_period"))
        statuses = month_statuses(clock.today())
        results = [
            _row(row, *statuses.get((row.source, row.billing_period), (None, None))) for row in rows
        ]
        answer = {"reconciled": not any(row.difference for row in rows), "results": results}
        return Response(ReconciliationSerializer(answer).data)


class EvidenceSerializer(serializers.Serializer[Any]):
    """A total of the same bill from other evidence."""

    told_by = serializers.CharField()
    total = serializers.CharField(allow_null=True, help_text="Null: it tells no amount.")
    difference = serializers.CharField(allow_null=True, help_text="Ingested less told.")
    must_agree = serializers.BooleanField(
        help_text="Whether a difference leaves the bill unexplained."
    )
    about = serializers.CharField()


class GapSerializer(serializers.Serializer[Any]):
    """An amount of a bill that nothing explains."""

    what = serializers.CharField(help_text="The two totals that differ by it.")
    amount = serializers.CharField()


class MeterDifferenceSerializer(serializers.Serializer[Any]):
    """What a bill says of a meter's days, against what was estimated of them before it came."""

    meter = serializers.CharField()
    estimated = serializers.CharField()
    billed = serializers.CharField()
    difference = serializers.CharField(help_text="Billed less estimated.")
    days = serializers.IntegerField(help_text="Days that both know.")


class BillSerializer(serializers.Serializer[Any]):
    """One provider's bill of one month in one currency, on billed cost."""

    provider = serializers.CharField()
    billing_period = serializers.CharField(help_text="YYYY-MM.")
    currency = serializers.CharField()
    sources = serializers.ListField(child=serializers.CharField(), help_text="Slugs.")
    source_total = serializers.CharField(help_text="Sum over the rows as the sources wrote them.")
    ingested = serializers.CharField(help_text="Sum of the charge lines in the lake.")
    rejected = serializers.CharField(help_text="Readable amounts among rows put aside.")
    allocated = serializers.CharField()
    unallocated = serializers.CharField()
    residuals = serializers.DictField(child=serializers.CharField(), help_text="Name → amount.")
    unexplained = serializers.CharField(help_text="0 unless something is wrong.")
    unnamed = serializers.CharField(
        help_text="Ingested less its parts; 0 unless something is wrong."
    )
    is_explained = serializers.BooleanField(help_text="Whether every digit is.")
    gaps = GapSerializer(many=True, help_text="What nothing explains, one by one.")
    parts = serializers.DictField(
        child=serializers.CharField(), help_text="What was ingested, by kind of charge."
    )
    beside = serializers.DictField(
        child=serializers.CharField(), help_text="What is not in the bill's sums, by name."
    )
    meters = MeterDifferenceSerializer(many=True)
    evidence = EvidenceSerializer(many=True)
    lines = serializers.IntegerField()
    rejected_lines = serializers.IntegerField()


class BillsSerializer(serializers.Serializer[Any]):
    """Every bill."""

    reconciled = serializers.BooleanField(help_text="Whether every bill is explained.")
    results = BillSerializer(many=True)


class ReconciliationByProvider(ApiView):
    """Bills by provider and month."""

    needs: ClassVar = {"GET": Capability.VIEW_RECONCILIATION}

    @extend_schema(
        operation_id="reconciliation_by_provider",
        summary="Bills by provider: what they are made of and what became of them",
        parameters=[ReconciliationQuery],
        responses=BillsSerializer,
    )
    def get(self, request: Request) -> Response:
        """Exact amounts, as text."""
        query = read_query(request, ReconciliationQuery)
        bills = provider_months(query.get("billing_period"))
        answer = {
            "reconciled": all(bill.is_explained for bill in bills),
            "results": [bill_object(bill) for bill in bills],
        }
        return Response(BillsSerializer(answer).data)


def _row(row: ReconciliationRow, status: MonthStatus | None, reason: str | None) -> dict[str, Any]:
    return {
        "source": row.source,
        "source_name": row.source_name,
        "billing_period": month_text(row.billing_period),
        "status": status,
        "status_reason": reason,
        "currency": row.currency,
        **{name: plain(getattr(row, name)) for name in _AMOUNTS},
        "residuals": {name: plain(amount) for name, amount in row.residuals.items()},
        "lines": row.lines,
        "rejected_lines": row.rejected_lines,
    }


urlpatterns = [
    path("reconciliation", Reconciliation.as_view(), name="api-reconciliation"),
    path(
        "reconciliation/providers",
        ReconciliationByProvider.as_view(),
        name="api-reconciliation-by-provider",
    ),
]
