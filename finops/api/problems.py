"""Errors as RFC 9457 problem details: one sentence, where it is, what to do; never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
_URN = "urn:finops:problem:"
_WRONG_HERE = "Something went wrong here, and nothing was changed: try again, and tell an administrator if it stays."
_NO_ROUTE = (
    "There is no such address in this API: addresses have no slash at their end, and "
    "/api/v1/openapi.json lists them."
)
_TITLES = {
    "invalid": "The request is not valid",
    "idempotency-key-missing": "The request needs an Idempotency-Key",
    "idempotency-key-reused": "The Idempotency-Key belongs to another request",
    "idempotency-key-in-use": "The same request is being worked on",
    "unauthenticated": "No valid token",
    "forbidden": "Not allowed",
    "not-found": "Not found",
    "method-not-allowed": "The method is not allowed here",
    "not-acceptable": "No such format",
    "too-large": "The request is too large",
    "unsupported-media-type": "The body is not JSON",
    "throttled": "Too many requests",
    "internal": "Something went wrong",
}
_CODES = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "too-large",
    415: "unsupported-media-type",
    429: "throttled",
}


class Problem(exceptions.APIException):
    """An error with a code of its own; ``detail`` is one sentence."""

    def __init__(self, status: int, code: str, detail: str, *, retry_after: int = 0) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.problem = code
        self.retry_after = retry_after


class InvalidQuery(exceptions.ValidationError):
    """Parameters of the address that cannot be; its errors name parameters, not parts of the body."""


def problem(
    status: int, detail: str, instance: str, *, code: str = "", errors: Any = None
) -> dict[str, Any]:
    """The members of a problem document."""
    code = code or _CODES.get(status, "internal")
    found = {
        "type": f"{_URN}{code}",
        "title": _TITLES.get(code, HTTPStatus(status).phrase),
        "status": status,
        "detail": detail,
        "instance": instance,
    }
    return found if errors is None else {**found, "errors": errors}


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler: every error of an API view becomes a problem document."""
    request = context["request"]
    answer = _as_api_error(error)
    if answer is None:
        logger.error("API request failed", exc_info=error, extra={"path": request.path})
        return _response(problem(500, _WRONG_HERE, request.path))
    code, errors = getattr(answer, "problem", ""), None
    if isinstance(answer, exceptions.ValidationError):
        errors = list(_flat(answer.detail, (), in_query=isinstance(answer, InvalidQuery)))
        detail = " ".join(dict.fromkeys(error["detail"] for error in errors[:3]))
    else:
        detail = _sentence(answer, request)
    response = _response(
        problem(answer.status_code, detail, request.path, code=code, errors=errors)
    )
    if header := getattr(answer, "auth_header", None):
        response["WWW-Authenticate"] = header
    wait = getattr(answer, "wait", None) or getattr(answer, "retry_after", 0)
    if wait or isinstance(answer, exceptions.Throttled):
        response["Retry-After"] = str(max(1, ceil(wait or 1)))
    return response


def _response(body: dict[str, Any]) -> Response:
    return Response(body, status=body["status"], content_type=CONTENT_TYPE)


def _as_api_error(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return exceptions.NotFound(str(error))
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(str(error))
    if isinstance(error, RequestDataTooBig):
        msg = "The body is larger than this server takes: send fewer records at a time."
        return Problem(413, "too-large", msg)
    if isinstance(error, SuspiciousOperation):
        return exceptions.ParseError("The request cannot be read: check its headers and body.")
    return None


def _sentence(error: exceptions.APIException, request: Any) -> str:
    if isinstance(error, exceptions.MethodNotAllowed):
        return f"{request.method} is not possible on {request.path}: see the header Allow."
    if isinstance(error, exceptions.NotAcceptable):
        return "Answers are JSON only: send Accept: application/json, or leave the header out."
    if isinstance(error, exceptions.UnsupportedMediaType):
        return "The body must be JSON: send Content-Type: application/json."
    if isinstance(error, exceptions.Throttled):
        return "Too many requests: wait as long as the header Retry-After says, in seconds."
    if isinstance(error, exceptions.NotFound) and not str(error.detail).strip():
        return _NO_ROUTE
    return str(error.detail)


def _flat(detail: Any, path: tuple[str, ...], *, in_query: bool) -> Iterator[dict[str, str]]:
    """Each sentence of a validation error with where it belongs."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = () if name == "non_field_errors" else (str(name),)
            yield from _flat(inner, (*path, *own), in_query=in_query)
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list | tuple)
            yield from _flat(inner, (*path, str(index)) if nested else path, in_query=in_query)
    else:
        where = {"parameter": path[0]} if in_query and path else {"pointer": pointer(path)}
        named = f"{'.'.join(path)}: {detail}" if path else str(detail)
        yield {"detail": named, **where}


def pointer(path: tuple[str, ...]) -> str:
    """A JSON pointer (RFC 6901) as a URI fragment: ``#/records/0/hour``; ``#`` is the whole body."""
    return "#" + "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in path)


def _plain(status: int, detail: str, request: HttpRequest) -> JsonResponse:
    body = problem(status, detail, request.path)
    answer = JsonResponse(body, status=status, content_type=CONTENT_TYPE)
    answer["Cache-Control"] = "no-store"
    return answer


@csrf_exempt
@login_not_required
def no_such_route(request: HttpRequest, **_rest: object) -> JsonResponse:
    """404 for every address below ``/api`` that is none."""
    return _plain(404, _NO_ROUTE, request)


def _is_api(request: HttpRequest) -> bool:
    return request.path == "/api" or request.path.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 from before any view, as for a host that is not ours: a problem for the API, a page else."""
    if _is_api(request):
        return _plain(400, "The request cannot be read: check its host and headers.", request)
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500 from outside any view, likewise."""
    return _plain(500, _WRONG_HERE, request) if _is_api(request) else defaults.server_error(request)
