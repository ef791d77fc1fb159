"""What was delivered, and the rows of it that were put aside."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from finops.api.fields import MomentField, MonthField
from finops.api.views import ApiView, PageQuery, Query, page_of, paged, read_query
from finops.core.periods import month_text
from finops.permissions import Capability
from ingestion.models import Delivery
from ingestion.selectors import delivery_rows, reject_rows

_NEEDS = {"GET": Capability.VIEW_RECONCILIATION}


class DeliveriesQuery(PageQuery):
    """Which deliveries, newest first."""

    source = serializers.CharField(required=False, max_length=80, help_text="Slug of the source.")  # type: ignore[assignment]  # DRF takes declared fields off the class
    state = serializers.ChoiceField(Delivery.State.choices, required=False)
    billing_period = MonthField(required=False, help_text="The month that they bill, YYYY-MM.")
    since = MomentField(required=False, help_text="First seen at or after this moment.")


class DeliverySerializer(serializers.Serializer[Any]):
    """What a source handed over once."""

    id = serializers.IntegerField()
    source = serializers.CharField(source="source.slug")  # type: ignore[assignment]  # DRF takes declared fields off the class
    key = serializers.CharField(help_text="As the provider names it.")
    execution_id = serializers.CharField()
    billing_period = serializers.SerializerMethodField(help_text="YYYY-MM; null for revenue.")
    state = serializers.ChoiceField(Delivery.State.choices)
    rows = serializers.IntegerField()
    rejected_rows = serializers.IntegerField()
    bytes = serializers.IntegerField()
    error = serializers.CharField(help_text="Why it was rejected; empty where it was not.")
    sha256 = serializers.CharField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    discovered_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_billing_period(self, delivery: Delivery) -> str | None:
        """As ``YYYY-MM``."""
        return month_text(delivery.billing_period) if delivery.billing_period else None


class DeliveryPage(serializers.Serializer[Any]):
    """One page of deliveries."""

    results = DeliverySerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class RejectSerializer(serializers.Serializer[Any]):
    """A row that could not be read."""

    id = serializers.IntegerField()
    file = serializers.CharField()
    line = serializers.IntegerField()
    reason = serializers.CharField()
    text = serializers.CharField(help_text="The row, redacted and cut.")
    amount = serializers.CharField(help_text="Its cost, exact, where that could be read.")
    billing_currency = serializers.CharField()


class RejectPage(serializers.Serializer[Any]):
    """One page of rows put aside."""

    results = RejectSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class Deliveries(ApiView):
    """Every delivery."""

    needs: ClassVar = _NEEDS

    @extend_schema(
        operation_id="deliveries_list",
        summary="Deliveries, newest first",
        parameters=[DeliveriesQuery],
        responses=DeliveryPage,
    )
    def get(self, request: Request) -> Response:
        """Deliveries of all sources, in every state."""
        query = read_query(request, DeliveriesQuery)
        month: date | None = query.get("billing_period")
        since: datetime | None = query.get("since")
        rows = delivery_rows(
            source=query.get("source", ""),
            state=query.get("state", ""),
            billing_period=month,
            since=since,
        )
        page, cursor = page_of(rows, query, newest_first=True)
        return paged(DeliverySerializer(page, many=True), cursor)


class OneDelivery(ApiView):
    """One delivery."""

    needs: ClassVar = _NEEDS

    @extend_schema(operation_id="delivery", summary="One delivery", responses=DeliverySerializer)
    def get(self, request: Request, delivery_id: int) -> Response:
        """What became of one delivery."""
        read_query(request, Query)
        return Response(DeliverySerializer(_delivery(delivery_id)).data)


class DeliveryRejects(ApiView):
    """The rows of one delivery that were put aside."""

    needs: ClassVar = _NEEDS

    @extend_schema(
        operation_id="delivery_rejects",
        summary="Rows of a delivery that were put aside",
        parameters=[PageQuery],
        responses=RejectPage,
    )
    def get(self, request: Request, delivery_id: int) -> Response:
        """Each with file, line and reason, in the order in which they were found."""
        query = read_query(request, PageQuery)
        rows = reject_rows(_delivery(delivery_id).pk)
        page, cursor = page_of(rows, query, newest_first=False)
        return paged(RejectSerializer(page, many=True), cursor)


def _delivery(delivery_id: int) -> Delivery:
    return get_object_or_404(delivery_rows(), pk=delivery_id)


urlpatterns = [
    path("deliveries", Deliveries.as_view(), name="api-deliveries"),
    path("deliveries/<int:delivery_id>", OneDelivery.as_view(), name="api-delivery"),
    path(
        "deliveries/<int:delivery_id>/rejects",
        DeliveryRejects.as_view(),
        name="api-delivery-rejects",
    ),
]
