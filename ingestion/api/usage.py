"""Usage that clients send, and read back."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from finops import clock
from finops.api.fields import MomentField
from finops.api.idempotency import idempotent
from finops.api.models import ApiToken
from finops.api.views import ApiView, PageQuery, Query, page_of, paged, read_query
from finops.core.amounts import plain
from finops.models import User
from finops.permissions import Capability, scoped_slugs
from ingestion.core.usage import METRICS
from ingestion.core.usage_records import DIMENSIONS, MAX_RECORD_ID, QUANTITY
from ingestion.usage_api import take_usage
from ingestion.usage_api_models import UsageRecord
from ingestion.usage_selectors import usage_records

_METRICS = [(metric.id, f"{metric.title} ({metric.unit})") for metric in METRICS.values()]


def _dimension(name: str) -> serializers.CharField:
    return serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=DIMENSIONS[name]
    )


class SentUsageSerializer(serializers.Serializer[Any]):
    """One quantity of one metric in one hour. Described here, read by ``ingestion.core.usage_records``:
    a record that is not valid is put aside and does not stop the others."""

    record_id = serializers.RegexField(
        rf"^[!-~]{{1,{MAX_RECORD_ID}}}$",
        help_text="Your own name of it; each counts once for a token's name.",
    )
    hour = serializers.DateTimeField(
        help_text="Start of a whole hour of UTC, with any offset: 2026-04-30T13:00:00Z."
    )
    metric = serializers.ChoiceField(_METRICS)
    quantity = serializers.RegexField(QUANTITY, help_text="Decimal, in the metric's unit.")
    tenant = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=63, help_text="Slug."
    )
    account = _dimension("account")
    zone = _dimension("zone")
    host = _dimension("host")
    path_prefix = _dimension("path_prefix")
    cache_status = _dimension("cache_status")
    script = _dimension("script")
    bucket = _dimension("bucket")
    storage_class = _dimension("storage_class")
    is_sampled = serializers.BooleanField(
        required=False, allow_null=True, help_text="An estimate from a sample."
    )


class UsageBatchSerializer(serializers.Serializer[Any]):
    """A batch of records."""

    records = serializers.ListField(
        child=SentUsageSerializer(), min_length=1, max_length=settings.API_USAGE_MAX_RECORDS
    )


class RefusedSerializer(serializers.Serializer[Any]):
    """A record that was put aside."""

    index = serializers.IntegerField(help_text="Its place in `records`, from 0.")
    record_id = serializers.CharField(help_text="Empty where it had none.")
    reason = serializers.CharField()


class ReceiptSerializer(serializers.Serializer[Any]):
    """What became of the batch: `accepted`, `duplicates` and `rejected` add up to what was sent."""

    source = serializers.CharField(help_text="Slug of the source that the usage belongs to.")  # type: ignore[assignment]  # DRF takes declared fields off the class
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField(help_text="Sent before with the same values.")
    rejected = serializers.IntegerField(help_text="Put aside with a reason.")
    rejects = RefusedSerializer(many=True)


class UsageQuery(PageQuery):
    """Which records, in the order in which they came."""

    metric = serializers.ChoiceField(_METRICS, required=False)
    source = serializers.CharField(required=False, max_length=80, help_text="Slug of the source.")  # type: ignore[assignment]  # DRF takes declared fields off the class
    tenant = serializers.CharField(required=False, max_length=63, help_text="Slug of the tenant.")
    to = MomentField(required=False, help_text="Hours before this moment.")

    def get_fields(self) -> dict[str, Any]:
        """``from`` is a word of Python's own, so it is named here."""
        start = MomentField(required=False, help_text="Hours at or after this moment.")
        return {**super().get_fields(), "from": start}


class UsageRecordSerializer(serializers.ModelSerializer[UsageRecord]):
    """One record as it is kept."""

    source = serializers.CharField(source="source.slug")  # type: ignore[assignment]  # DRF takes declared fields off the class
    tenant = serializers.SerializerMethodField(help_text="Slug; null where nobody was named.")
    quantity = serializers.SerializerMethodField(help_text="Decimal, in the metric's unit.")

    class Meta:
        model = UsageRecord
        fields = (
            "id",
            "source",
            "record_id",
            "hour",
            "metric",
            "quantity",
            "tenant",
            *DIMENSIONS,
            "is_sampled",
            "received_at",
        )

    def get_tenant(self, record: UsageRecord) -> str | None:
        """Its slug."""
        return record.tenant.slug if record.tenant else None

    def get_quantity(self, record: UsageRecord) -> str:
        """Exact."""
        return plain(record.quantity)


class UsagePage(serializers.Serializer[Any]):
    """One page of usage."""

    results = UsageRecordSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class Usage(ApiView):
    """Usage that clients send."""

    needs: ClassVar = {
        "GET": Capability.VIEW_CHARGE_LINES,
        "POST": Capability.SEND_USAGE,
    }

    @extend_schema(
        operation_id="usage_list",
        summary="Usage that was sent",
        parameters=[UsageQuery],
        responses=UsagePage,
    )
    def get(self, request: Request) -> Response:
        """In the order in which it came; people limited to some tenants see these only."""
        query = read_query(request, UsageQuery)
        rows = usage_records(
            tenants=_tenants(request),
            metric=query.get("metric", ""),
            source=query.get("source", ""),
            tenant=query.get("tenant", ""),
            start=query.get("from"),
            end=query.get("to"),
        )
        page, cursor = page_of(rows, query, newest_first=False)
        return paged(UsageRecordSerializer(page, many=True), cursor)

    @extend_schema(
        operation_id="usage_send",
        summary="Send usage",
        request=UsageBatchSerializer,
        responses=ReceiptSerializer,
        examples=[
            OpenApiExample(
                "One hour of requests",
                value={
                    "records": [
                        {
                            "record_id": "edge-2026-04-30T13-acme",
                            "hour": "2026-04-30T13:00:00Z",
                            "metric": "requests",
                            "quantity": "125000",
                            "tenant": "acme",
                            "host": "shop.acme.example",
                        }
                    ]
                },
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """A batch is answered with 200 whatever its records are: those that cannot be read are put aside with a
        reason, counted, and listed in the answer; the others are taken."""
        read_query(request, Query)
        items = _items(request.data)
        token = request.auth
        if not isinstance(token, ApiToken):
            raise TypeError  # only tokens reach a write
        receipt = take_usage(
            sender=token.name,
            items=items,
            tenants=_tenants(request),
            size=len(request.body),
            now=clock.now(),
        )
        answer = {
            "source": receipt.source,
            "accepted": receipt.accepted,
            "duplicates": receipt.duplicates,
            "rejected": len(receipt.refused),
            "rejects": receipt.refused,
        }
        return Response(ReceiptSerializer(answer).data)


def _tenants(request: Request) -> frozenset[str] | None:
    if not isinstance(request.user, User):
        raise TypeError  # the permission lets nobody else through
    return scoped_slugs(request.user)


def _items(body: Any) -> list[object]:
    """The records of a batch. Raises 400 for a body that is no batch."""
    most = settings.API_USAGE_MAX_RECORDS
    records = body.get("records") if isinstance(body, dict) else None
    if not isinstance(records, list) or len(body) > 1:
        msg = 'Send one object with the list of records: {"records": [{…}, {…}]}.'
        raise serializers.ValidationError({"records": [msg]})
    if not 1 <= len(records) <= most:
        msg = f"Send 1 to {most} records at a time, these are {len(records)}."
        raise serializers.ValidationError({"records": [msg]})
    return records


urlpatterns = [path("usage", Usage.as_view(), name="api-usage")]
