"""The API's own description: OpenAPI 3.1 from the same serializers that read and write."""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from finops.api.authentication import BearerAuthentication, SignedIn
from finops.api.idempotency import HEADER, LONGEST_KEY, REPLAYED
from finops.api.problems import CONTENT_TYPE, problem
from finops.api.views import ApiView

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details: `detail` says in one sentence what is wrong and what to do.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {
            "type": "string",
            "description": "urn:finops:problem:… names the kind of problem.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "detail": {"type": "string"},
                    "pointer": {
                        "type": "string",
                        "description": "Where in the body: a JSON pointer, for example #/records.",
                    },
                    "parameter": {
                        "type": "string",
                        "description": "Which parameter of the address.",
                    },
                },
            },
        },
    },
}
_EVERY = {
    400: "The address, a header or the body is not valid.",
    401: "No valid token.",
    403: "The token or its owner may not do this.",
    404: "There is nothing at this address.",
    405: "There is no such method here.",
    406: "Answers are JSON only.",
    429: "Too many requests: wait for Retry-After.",
    500: "Something went wrong here.",
}
_WITH_BODY = {
    409: "The same Idempotency-Key is being worked on.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key came with another request before.",
}
_EXAMPLES = {
    400: "limit: Ensure this value is less than or equal to 500.",
    401: "This token expired on 2026-10-31: ask an administrator for a new one.",
    403: "This token lacks the scope view_pnl: ask an administrator for one that has it.",
}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}
_IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "required": True,
    "description": "New for each request, for example a UUID. The same key with the same request is answered "
    "as before and has no second effect; kept for 24 hours.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_KEY,
        "pattern": "^[!-~]+$",
    },
    "example": "0b2a7c1e-1c3f-4b53-9f0a-2f6c7d0f8a11",
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # spectacular's own is untyped
    """How the document names the token."""

    target_class = "finops.api.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, Any]:
        """HTTP bearer."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "fce_<id>_<secret>",
            "description": "An administrator issues tokens: in the admin, or with manage.py api_token create.",
        }


def describe_errors(result: dict[str, Any], **_generator: Any) -> dict[str, Any]:
    """Name every error of every operation, and the key that writes need."""
    schemas = result["components"]["schemas"]
    for name in [name for name in schemas if name.endswith("Request")]:
        schemas[name]["additionalProperties"] = False  # what is not known is refused
    schemas["Problem"] = PROBLEM_SCHEMA
    for route in result["paths"].values():
        for operation in route.values():
            writes = "requestBody" in operation
            operation["responses"]["200"]["description"] = "The answer."
            errors = {**_EVERY, **(_WITH_BODY if writes else {})}
            for status, text in sorted(errors.items()):
                operation["responses"][str(status)] = _error(status, text)
            if writes:
                operation["parameters"] = [*operation.get("parameters", []), _IDEMPOTENCY_KEY]
                operation["responses"]["200"]["headers"] = {
                    REPLAYED: {
                        "description": "true where this is the answer of an earlier request.",
                        "schema": {"type": "string", "enum": ["true"]},
                    }
                }
    return result


def _error(status: int, text: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": text,
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": problem(status, _EXAMPLES.get(status, text), "/api/v1/pnl"),
            }
        },
    }
    if status in {409, 429}:
        found["headers"] = _RETRY_AFTER
    if status == 401:
        found["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return found


@cache
def api_document() -> dict[str, Any]:
    """The document; it changes with the code only."""
    generator: Any = SchemaGenerator
    found: dict[str, Any] = generator().get_schema(request=None, public=True)
    return found


class ApiDocument(ApiView):
    """The document, for every valid token, and for every person who is signed in."""

    schema = None
    authentication_classes = [SignedIn, BearerAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, _request: Request) -> Response:
        """OpenAPI 3.1 as JSON."""
        return Response(api_document())
