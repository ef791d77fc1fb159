"""Time-stamp tokens and numbers of assets that a stamping service sends, and the month read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from finops import clock
from finops.api.idempotency import idempotent
from finops.api.models import ApiToken
from finops.api.views import ApiView, Query, read_query
from finops.core.periods import PeriodError, month_start, month_text, parse_month
from finops.models import User
from finops.permissions import Capability, scoped_slugs
from ingestion.api.tsa_answers import StampMonthSerializer, month_answer
from ingestion.core.tsa import (
    MAX_ACCOUNT,
    MAX_ASSETS,
    STATUS_NAMES,
    TokenRecord,
    read_assets,
    read_tokens,
)
from ingestion.core.usage_records import RefusedRecord
from ingestion.tsa_selectors import stamp_month
from ingestion.tsa_services import count_tokens, refused_asides, take_assets, tsa_source


class SentTokenSerializer(serializers.Serializer[Any]):
    """One response of a TSA. Described here, read by ``ingestion.core.tsa``: a record that is not valid is put
    aside and does not stop the others."""

    sha256 = serializers.RegexField(
        r"^[0-9a-fA-F]{64}$",
        help_text="SHA-256 of the response (DER), its identity; of the request where there is no token.",
    )
    at = serializers.DateTimeField(
        help_text="The token's genTime, or when a rejection was answered; with any offset."
    )
    status = serializers.ChoiceField(
        list(STATUS_NAMES),
        required=False,
        allow_null=True,
        help_text="PKIStatus; default: granted.",
    )
    tenant = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=63, help_text="Slug."
    )
    account = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=MAX_ACCOUNT
    )
    hash_algorithm = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=40, help_text="As sha256."
    )
    digest = serializers.RegexField(
        r"^([0-9a-fA-F]{2}){16,128}$",
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="The message imprint, so that what is stamped twice is seen.",
    )


class TokenBatchSerializer(serializers.Serializer[Any]):
    """A batch of responses."""

    records = serializers.ListField(
        child=SentTokenSerializer(), min_length=1, max_length=settings.API_TSA_MAX_RECORDS
    )


class SentAssetsSerializer(serializers.Serializer[Any]):
    """How many assets a tenant keeps from a day on."""

    tenant = serializers.CharField(max_length=63, help_text="Slug.")
    day = serializers.DateField()
    assets = serializers.IntegerField(min_value=0, max_value=MAX_ASSETS)


class AssetsBatchSerializer(serializers.Serializer[Any]):
    """A batch of numbers of assets."""

    records = serializers.ListField(
        child=SentAssetsSerializer(), min_length=1, max_length=settings.API_TSA_MAX_RECORDS
    )


class RefusedStampSerializer(serializers.Serializer[Any]):
    """A record that was put aside."""

    index = serializers.IntegerField(help_text="Its place in `records`, from 0.")
    reason = serializers.CharField(help_text="A sentence that names the field.")


class StampReceiptSerializer(serializers.Serializer[Any]):
    """What became of the batch: `accepted`, `duplicates` and `rejected` add up to what was sent."""

    source = serializers.CharField(help_text="Slug of the source that the records belong to.")  # type: ignore[assignment]  # DRF takes declared fields off the class
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField(help_text="Counted before, through whatever way.")
    rejected = serializers.IntegerField(help_text="Put aside with a reason.")
    rejects = RefusedStampSerializer(many=True)


class StampQuery(Query):
    """Which month."""

    month = serializers.RegexField(
        r"^20[0-9]{2}-(0[1-9]|1[0-2])$",
        required=False,
        help_text="YYYY-MM, not to come; without it the present one.",
        error_messages={
            "invalid": "This is not a month: write it as YYYY-MM, for example 2026-04."
        },
    )


class TsaTokens(ApiView):
    """Responses of TSAs."""

    needs: ClassVar = {"POST": Capability.SEND_USAGE}

    @extend_schema(
        operation_id="tsa_tokens_send",
        summary="Send time-stamp tokens",
        request=TokenBatchSerializer,
        responses=StampReceiptSerializer,
        examples=[
            OpenApiExample(
                "One token",
                value={
                    "records": [
                        {
                            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                            "at": "2026-04-30T13:07:21Z",
                            "status": "granted",
                            "tenant": "acme",
                            "hash_algorithm": "sha256",
                            "digest": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
                        }
                    ]
                },
                request_only=True,
            )
        ],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """A response counts once, whatever key or batch it comes with. Records that cannot be read are put aside
        with a reason and listed in the answer; the others are taken, and the answer is 200."""
        read_query(request, Query)
        items, now = _items(request.data), clock.now()
        records, refused = read_tokens(items, now=now, tenants=_tenants(request))
        source = tsa_source(sender=_sender(request), now=now)
        counted = count_tokens(
            source=source,
            records=records,
            asides=refused_asides(refused),
            size=len(request.body),
            now=now,
        )
        return _receipt(source.slug, counted.new, counted.duplicates, refused, counted.refused)


class TsaAssets(ApiView):
    """Numbers of assets."""

    needs: ClassVar = {"POST": Capability.SEND_USAGE}

    @extend_schema(
        operation_id="tsa_assets_send",
        summary="Send how many assets tenants keep",
        request=AssetsBatchSerializer,
        responses=StampReceiptSerializer,
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """From each day on, until a later one says otherwise; the last that is sent for a day counts."""
        read_query(request, Query)
        items, now = _items(request.data), clock.now()
        records, refused = read_assets(items, now=now, tenants=_tenants(request))
        source = tsa_source(sender=_sender(request), now=now)
        new, known = take_assets(
            source=source, records=records, asides=refused_asides(refused), now=now
        )
        return _receipt(source.slug, new, known, refused, ())


class TsaUsage(ApiView):
    """Time stamps of one month."""

    needs: ClassVar = {"GET": Capability.VIEW_RECONCILIATION}

    @extend_schema(
        operation_id="tsa_usage",
        summary="Time stamps of a month",
        parameters=[StampQuery],
        responses=StampMonthSerializer,
    )
    def get(self, request: Request) -> Response:
        """Tokens and cost by tenant, contracts with utilisation, projection and its back-tested error."""
        wanted = read_query(request, StampQuery).get("month", "")
        now = clock.now()
        try:
            month = parse_month(wanted) if wanted else month_start(now.date())
        except PeriodError as error:
            raise serializers.ValidationError({"month": [str(error)]}) from None
        if month > now.date():
            msg = (
                f"{month_text(month)} has not begun: write a month up to {month_text(now.date())}."
            )
            raise serializers.ValidationError({"month": [msg]})
        return Response(StampMonthSerializer(month_answer(stamp_month(month, now=now))).data)


def _receipt(
    source: str,
    new: int,
    known: int,
    refused: Sequence[RefusedRecord],
    later: Sequence[tuple[TokenRecord, str]],
) -> Response:
    rejects = [(one.index, one.reason) for one in refused]
    rejects += [(record.index, reason) for record, reason in later]
    answer = {
        "source": source,
        "accepted": new,
        "duplicates": known,
        "rejected": len(rejects),
        "rejects": [{"index": index, "reason": reason} for index, reason in sorted(rejects)],
    }
    return Response(StampReceiptSerializer(answer).data)


def _sender(request: Request) -> str:
    if not isinstance(request.auth, ApiToken):
        raise TypeError  # only tokens reach a write
    return request.auth.name


def _tenants(request: Request) -> frozenset[str] | None:
    if not isinstance(request.user, User):
        raise TypeError  # the permission lets nobody else through
    return scoped_slugs(request.user)


def _items(body: Any) -> list[object]:
    """The records of a batch. Raises 400 for a body that is no batch."""
    most = settings.API_TSA_MAX_RECORDS
    records = body.get("records") if isinstance(body, dict) else None
    if not isinstance(records, list) or len(body) > 1:
        msg = 'Send one object with the list of records: {"records": [{…}, {…}]}.'
        raise serializers.ValidationError({"records": [msg]})
    if not 1 <= len(records) <= most:
        msg = f"Send 1 to {most} records at a time, these are {len(records)}."
        raise serializers.ValidationError({"records": [msg]})
    return records


urlpatterns = [
    path("tsa/tokens", TsaTokens.as_view(), name="api-tsa-tokens"),
    path("tsa/assets", TsaAssets.as_view(), name="api-tsa-assets"),
    path("tsa/usage", TsaUsage.as_view(), name="api-tsa-usage"),
]
