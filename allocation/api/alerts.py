"""Alerts: what is wrong now, what was resolved within a week, and that somebody has seen one."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.http import Http404
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from finops import clock
from finops.alerting import AlertRefusedError, acknowledge, recent_alerts
from finops.api.idempotency import idempotent
from finops.api.views import ApiView, Query, read_query
from finops.core.alerts import Severity
from finops.models import User
from finops.permissions import Capability

_LONGEST_REASON = 500


class AlertAcknowledgedSerializer(serializers.Serializer[Any]):
    """An acknowledgement of one alert; those that lapsed no longer hold."""

    by = serializers.CharField(
        source="by.username", allow_null=True, default=None, help_text="User name."
    )
    at = serializers.DateTimeField()
    reason = serializers.CharField(help_text="Why, in their words; may be empty.")
    sentence = serializers.CharField(help_text="What the alert said then.")
    size = serializers.CharField(help_text="How large it was then.")
    lapsed_at = serializers.DateTimeField(
        allow_null=True, help_text="When the alert asked again; null while it holds."
    )
    lapsed_because = serializers.CharField(help_text="Why it asked again; empty while it holds.")


class AlertSerializer(serializers.Serializer[Any]):
    """One thing that is or was wrong."""

    id = serializers.IntegerField()
    kind = serializers.CharField(help_text="Which check found it.")
    subject = serializers.CharField(help_text="What it is about, for example a source's slug.")
    severity = serializers.ChoiceField([severity.value for severity in Severity])
    sentence = serializers.CharField(help_text="What is wrong and what to do.")
    evidence = serializers.DictField(help_text="The figures behind it; amounts as text.")
    size = serializers.CharField(
        help_text="How large it is, exact, in the check's own unit: an amount, minutes late; 0 where nothing grows."
    )
    first_seen = serializers.DateTimeField()
    last_seen = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True, help_text="Null while it is open.")
    acknowledged_by = serializers.CharField(
        source="acknowledged_by.username", allow_null=True, default=None, help_text="User name."
    )
    acknowledged_at = serializers.DateTimeField(
        allow_null=True,
        help_text="Null where nobody has seen it as it is now: it asks again when it grows or changes.",
    )
    acknowledgements = AlertAcknowledgedSerializer(
        many=True, help_text="All of them, the newest first."
    )


class AlertsSerializer(serializers.Serializer[Any]):
    """The open ones, then the resolved."""

    open = serializers.IntegerField(help_text="How many are open.")
    results = AlertSerializer(many=True)


class AcknowledgementSerializer(serializers.Serializer[Any]):
    """Why it needs no more attention now, for the audit log; may be left out."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=_LONGEST_REASON)


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


class AcknowledgeAlert(ApiView):
    """Say that an alert has been seen."""

    needs: ClassVar = {"POST": Capability.OPERATE_LOADS}

    @extend_schema(
        operation_id="alert_acknowledge",
        summary="Acknowledge an alert",
        request=AcknowledgementSerializer,
        responses=AlertSerializer,
    )
    @idempotent
    def post(self, request: Request, alert_id: int) -> Response:
        """It stays open until its cause is gone. The first who says so stands; 404 where it is not open."""
        asked = AcknowledgementSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        if unknown := sorted(set(request.data) - set(asked.fields)):
            raise serializers.ValidationError(
                {name: ["There is no such field here. Known: reason."] for name in unknown}
            )
        reason = asked.validated_data.get("reason", "")
        try:
            alert = acknowledge(alert_id=alert_id, by=cast(User, request.user), reason=reason)
        except AlertRefusedError as error:
            raise Http404(str(error)) from None
        return Response(AlertSerializer(alert).data)


urlpatterns = [
    path("alerts", Alerts.as_view(), name="api-alerts"),
    path(
        "alerts/<int:alert_id>/acknowledge",
        AcknowledgeAlert.as_view(),
        name="api-alert-acknowledge",
    ),
]
