"""Sources and how fresh they are: the header of every page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from finops import clock
from finops.api.views import ApiView, Query, read_query
from finops.permissions import Capability
from ingestion.selectors import SourceFreshness, freshness


class SourceSerializer(serializers.Serializer[Any]):
    """One source that is expected to deliver."""

    slug = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField(help_text="Which reader reads it.")
    service_provider_name = serializers.CharField(help_text="FOCUS name; empty for revenue.")
    fresh = serializers.BooleanField(help_text="Whether it has delivered in time.")
    reason = serializers.CharField()
    data_through = serializers.DateTimeField(
        source="newest",
        allow_null=True,
        help_text="End of the newest usage; of revenue, the last delivery.",
    )
    last_delivery_at = serializers.DateTimeField(allow_null=True)
    expected_every_hours = serializers.IntegerField()
    due_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When newer data is expected at the latest; null: it counts when it comes.",
    )
    late_by_minutes = serializers.SerializerMethodField(help_text="0 where it is in time.")

    def get_late_by_minutes(self, source: SourceFreshness) -> int:
        """Whole minutes; at least 1 where it is late."""
        return -(-source.late_by // timedelta(minutes=1))


class SourcesSerializer(serializers.Serializer[Any]):
    """All sources with the sum: ``fresh_count`` of ``total`` are fresh."""

    as_of = serializers.DateTimeField(allow_null=True, help_text="End of the newest billed usage.")
    fresh_count = serializers.IntegerField()
    total = serializers.IntegerField()
    results = SourceSerializer(many=True, source="sources")


class Sources(ApiView):
    """Every active source."""

    needs: ClassVar = {"GET": Capability.VIEW_RECONCILIATION}

    @extend_schema(
        operation_id="sources",
        summary="Sources and their freshness",
        responses=SourcesSerializer,
    )
    def get(self, request: Request) -> Response:
        """Which sources have delivered in time, and what is wrong with those that have not."""
        read_query(request, Query)
        return Response(SourcesSerializer(freshness(clock.now())).data)


urlpatterns = [path("sources", Sources.as_view(), name="api-sources")]
