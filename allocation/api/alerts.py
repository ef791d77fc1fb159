"""Alerts: what is wrong now, and what was resolved within a week."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from finops import clock
from finops.alerting import recent_alerts
from finops.api.views import ApiView, Query, read_query
from finops.core.alerts import Severity
from finops.permissions import Capability


class AlertSerializer(serializers.Serializer[Any]):
    """One thing that is or was wrong."""

    id = serializers.IntegerField()
    kind = serializers.CharField(help_text="Which check found it.")
    subject = serializers.CharField(help_text="What it is about, for example a source's slug.")
    severity = serializers.ChoiceField([severity.value for severity in Severity])
    sentence = serializers.CharField(help_text="What is wrong and what to do.")
    evidence = serializers.DictField(help_text="The figures behind it; amounts as text.")
    first_seen = serializers.DateTimeField()
    last_seen = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True, help_text="Null while it is open.")
    acknowledged_by = serializers.CharField(
        source="acknowledged_by.username", allow_null=True, default=None, help_text="User name."
    )
    acknowledged_at = serializers.DateTimeField(allow_null=True)


class AlertsSerializer(serializers.Serializer[Any]):
    """The open ones, then the resolved."""

    open = serializers.IntegerField(help_text="How many are open.")
    results = AlertSerializer(many=True)


class Alerts(ApiView):
    """Alerts of the whole company."""

    needs: ClassVar = {"GET": Capability.VIEW_RECONCILIATION}

    @extend_schema(
        operation_id="alerts",
        summary="What is wrong now",
        responses=AlertsSerializer,
    )
    def get(self, request: Request) -> Response:
        """Open alerts, the most severe first; then those that were resolved within a week."""
        read_query(request, Query)
        rows = recent_alerts(clock.now(), limit=500)
        found = {"open": sum(row.resolved_at is None for row in rows), "results": rows}
        return Response(AlertsSerializer(found).data)


urlpatterns = [path("alerts", Alerts.as_view(), name="api-alerts")]
