"""The ledger of a billing period as a FOCUS file."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import FileResponse
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.core.focus_export import VERSIONS, FileFormat
from allocation.focus_download import focus_download
from allocation.focus_export import ExportError, Wanted
from finops.api.fields import MonthField
from finops.api.views import ApiView, Query, read_query
from finops.models import User
from finops.permissions import Capability, scoped_slugs
from ingestion.core.delivery import SourceError


class FocusQuery(Query):
    """Which month, in which form."""

    billing_period = MonthField(help_text="The month, YYYY-MM.")
    focus_version = serializers.ChoiceField(
        VERSIONS, default=VERSIONS[0], help_text="The version of FOCUS."
    )
    file_format = serializers.ChoiceField(
        [one.value for one in FileFormat],
        default=FileFormat.CSV.value,
        help_text="csv (compressed with gzip) or parquet.",
    )
    source = serializers.SlugField(required=False, help_text="Only this source; else all of them.")  # type: ignore[assignment]  # DRF takes declared fields off the class
    estimates = serializers.BooleanField(
        default=False, help_text="Also what is estimated and on no bill yet."
    )


class FocusExport(ApiView):
    """Charge lines as FOCUS, with tenant, rule and confidence."""

    needs: ClassVar = {"GET": Capability.EXPORT_FIGURES}

    @extend_schema(
        operation_id="focus_export",
        summary="The charge lines of a month as a FOCUS file",
        parameters=[FocusQuery],
        responses={
            (200, "application/gzip"): OpenApiResponse(OpenApiTypes.BINARY, "The file."),
            (200, "application/vnd.apache.parquet"): OpenApiResponse(
                OpenApiTypes.BINARY, "The file."
            ),
        },
    )
    def get(self, request: Request) -> FileResponse | Response:
        """All lines, or those of the tenants that the token's owner is limited to."""
        query: dict[str, Any] = read_query(request, FocusQuery)
        user = request.user
        source = query.get("source")
        wanted = Wanted(
            period=query["billing_period"],
            version=query["focus_version"],
            file_format=FileFormat(query["file_format"]),
            sources=(source,) if source else (),
            tenants=scoped_slugs(user) if isinstance(user, User) else frozenset(),
            estimates=query["estimates"],
        )
        try:
            return focus_download(wanted)
        except (ExportError, SourceError) as error:
            raise NotFound(str(error)) from None


urlpatterns = [path("focus", FocusExport.as_view(), name="api-focus")]
