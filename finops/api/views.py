"""What every view of the API stands on: what the address asks for, pages of a list."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from finops.api.problems import InvalidQuery
from finops.permissions import Capability

PAGE_SIZE, LONGEST_PAGE = 100, 500
_LONGEST_CURSOR = 64
_CURSOR = "after:"
_Row = TypeVar("_Row", bound=Model)


class ApiView(APIView):
    """A view of the API. ``needs`` says for each method what it asks for."""

    needs: ClassVar[Mapping[str, Capability]] = {}
    http_method_names = ["get", "head", "post"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the request before anything refuses it: a client that is refused asks again as often."""
        self.perform_authentication(request)
        self.check_throttles(request)
        self.throttle_classes = ()  # of this request alone: it is counted once
        super().initial(request, *args, **kwargs)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """Figures belong to who asked: no cache keeps them."""
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        final["Cache-Control"] = "private, no-store"
        return final


class Query(serializers.Serializer[Any]):
    """Parameters of an address: what is unknown or stands twice is refused, not passed over.

    A misspelt ``tenant`` would otherwise show the whole company.
    """


class PageQuery(Query):
    """Parameters of a list that comes in pages."""

    limit = serializers.IntegerField(
        min_value=1, max_value=LONGEST_PAGE, default=PAGE_SIZE, help_text="Rows of one page."
    )
    cursor = serializers.RegexField(
        r"^[A-Za-z0-9_-]+$",
        max_length=_LONGEST_CURSOR,
        required=False,
        help_text="`next_cursor` of the page before; leave it out for the first.",
    )


def read_query(request: Request, kind: type[Query]) -> dict[str, Any]:
    """The parameters of the address as ``kind`` reads them. Raises ``InvalidQuery``."""
    given = request.query_params
    query = kind(data={name: given[name] for name in given})
    errors: dict[str, Any] = {} if query.is_valid() else dict(query.errors)
    for name in given:
        if name not in query.fields:
            errors[name] = [f"There is no such parameter here. Known: {', '.join(query.fields)}."]
        elif len(given.getlist(name)) > 1:
            errors[name] = ["It stands twice: write it once."]
    if errors:
        raise InvalidQuery(errors)
    found: dict[str, Any] = query.validated_data
    return found


def page_of(
    rows: QuerySet[_Row], query: Mapping[str, Any], *, newest_first: bool
) -> tuple[list[_Row], str | None]:
    """One page of ``rows`` in the order of their ids, and the cursor of the next one.

    Rows that come in between neither shift a page nor show twice. Raises ``InvalidQuery``.
    """
    after = _read_cursor(query.get("cursor"))
    if after is not None:
        rows = rows.filter(pk__lt=after) if newest_first else rows.filter(pk__gt=after)
    limit = query["limit"]
    found = list(rows.order_by("-pk" if newest_first else "pk")[: limit + 1])
    page = found[:limit]
    return page, _cursor(page[-1].pk) if len(found) > limit else None


def paged(rows: serializers.BaseSerializer[Any], next_cursor: str | None) -> Response:
    """The answer of a list that comes in pages."""
    return Response({"results": rows.data, "next_cursor": next_cursor})


def _cursor(pk: int) -> str:
    return base64.urlsafe_b64encode(f"{_CURSOR}{pk}".encode()).decode().rstrip("=")


def _read_cursor(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        inner = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        inner = ""
    number = inner.removeprefix(_CURSOR)
    # Written back it must be the same, so that only what was handed out is taken.
    if not number.isdigit() or len(number) > 18 or _cursor(int(number)) != text:
        msg = "This is no cursor of ours: take next_cursor of the page before, unchanged."
        raise InvalidQuery({"cursor": [msg]})
    return int(number)
